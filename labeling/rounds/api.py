"""Rounds over HTTP."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.access import person, reach
from labeling.errors import Invalid
from labeling.projects.models import Project
from labeling.rounds.models import Round, Stage
from labeling.rounds.services import cancel_round, retry_round, start_round


def round_json(round_: Round) -> dict[str, Any]:
    return {
        "id": round_.pk,
        "project": round_.project_id,
        "number": round_.number,
        "state": round_.state,
        "preset": round_.preset,
        "configuration": round_.configuration,
        "snapshot": {"sha256": round_.snapshot.sha256, "summary": round_.snapshot.summary},
        "cancel_requested": round_.cancel_requested,
        "error": round_.error,
        "created_at": round_.created_at,
        "finished_at": round_.finished_at,
        "stages": [stage_json(stage) for stage in round_.stages.select_related("artifact")],
    }


def stage_json(stage: Stage) -> dict[str, Any]:
    return {
        "kind": stage.kind,
        "name": stage.get_kind_display(),
        "state": stage.state,
        "done": stage.done,
        "total": stage.total,
        "note": stage.note,
        "error": stage.error,
        "attempts": stage.attempts,
        "started_at": stage.started_at,
        "finished_at": stage.finished_at,
        "facts": stage.artifact.facts if stage.artifact else {},
    }


def _rounds(user: Any) -> Any:
    return Round.objects.filter(project__in=Project.objects.visible_to(user)).select_related("project", "snapshot")


class RoundList(APIView):
    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        rounds = found.rounds.select_related("snapshot").prefetch_related("stages__artifact")
        return Response([round_json(round_) for round_ in rounds])

    def post(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        asked = request.data if isinstance(request.data, dict) else {}
        changes = asked.get("changes") or {}
        if not isinstance(changes, dict):
            raise Invalid("changes must be an object: name of a setting -> number", field="changes")
        made = start_round(
            project=found,
            by=person(request),
            preset=str(asked.get("preset", "quick")),
            changes=changes,
            same_slide=asked.get("same_slide") is True,
            warm_start=asked.get("warm_start") is True,
        )
        return Response(round_json(made), status=202)


class RoundDetail(APIView):
    def get(self, request: Request, round: int) -> Response:
        return Response(round_json(reach(_rounds(person(request)), person(request), "see", pk=round)))


class Cancel(APIView):
    def post(self, request: Request, round: int) -> Response:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return Response(round_json(cancel_round(round_=found)), status=202)


class Retry(APIView):
    def post(self, request: Request, round: int) -> Response:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return Response(round_json(retry_round(round_=found)), status=202)
