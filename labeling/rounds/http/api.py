"""Rounds over HTTP."""

import math
from dataclasses import asdict
from typing import Any

from django.http import FileResponse
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.contract import contract
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.projects.access import person, reach
from labeling.projects.contract import ProjectAnswer
from labeling.projects.models import Project
from labeling.rounds.configuration import configure, differences
from labeling.rounds.execution.archiving import archive_project, restore_project
from labeling.rounds.execution.backoff import reason, remedy
from labeling.rounds.execution.resuming import try_again
from labeling.rounds.execution.services import cancel_round, start_round
from labeling.rounds.models import ModelVersion, Promotion, Round, Stage, Tuning, WeightsImport
from labeling.rounds.readiness import as_json, limitations
from labeling.rounds.reference import described, lock
from labeling.rounds.reference_masks import Added, add_references, referenced, remove_reference
from labeling.rounds.results import outcome
from labeling.rounds.results.comparison import compare
from labeling.rounds.results.drift import Mean, of_round
from labeling.rounds.results.estimate import estimate
from labeling.rounds.results.export import export_file, folder_name
from labeling.rounds.results.tuning import request_tuning
from labeling.rounds.weights.importing import import_weights
from labeling.rounds.weights.promotion import figures_of, promote, roll_back
from labeling.rounds.weights.starting import learns_something, licences, read


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
        "queue": stage.queue,
        "waits": waits_json(stage) if stage.missing_resource and stage.state in ("waiting", "running") else None,
        "usage": stage.usage,
        "started_at": stage.started_at,
        "finished_at": stage.finished_at,
        "facts": stage.artifact.facts if stage.artifact else {},
    }


def waits_json(stage: Stage) -> dict[str, Any]:
    """Why a stage waits and when it is tried again; null where that is when a worker is there."""
    return {
        **stage.missing_resource,
        "reason": reason(stage.lack),
        "remedy": remedy(stage.lack),
        "again_at": stage.again_at,
    }


def promotion_json(made: Promotion) -> dict[str, Any]:
    return {"round": made.round_id, "reason": made.reason, "at": made.at}


def tuning_json(asked: Tuning) -> dict[str, Any]:
    return {"state": asked.state, "error": asked.error, "requested_at": asked.requested_at, **asked.result}


def mean_json(mean: Mean) -> dict[str, Any]:
    return {
        "mean": mean.value,
        "low": number(mean.low),
        "high": number(mean.high),
        "images": mean.images,
        "slides": mean.slides,
        "stands_out": mean.stands_out,
    }


def version_json(version: ModelVersion) -> dict[str, Any]:
    return {
        "id": version.pk,
        "kind": version.kind,
        "number": version.number,
        "origin": version.origin,
        "model": version.model,
        "architecture": version.architecture,
        "class_names": version.class_names,
        "size": version.artifact.size,
        "sha256": version.artifact.sha256,
        "parent": version.parent_id,
        "round": version.round_id,
        "import": version.source_id,
        "licences": [{"version": name, "licence": licence} for name, licence in licences(version)],
        "metrics": figures_of(version).as_json(),
    }


def import_json(made: WeightsImport) -> dict[str, Any]:
    return {
        "id": made.pk,
        "name": made.name,
        "state": made.state,
        "error": made.error,
        "size": made.size,
        "data_licence": made.data_licence,
        "note": made.note,
        "imported_at": made.imported_at,
        "imported_by": made.imported_by.display_name if made.imported_by else None,
        "versions": [version.pk for version in made.versions.all()],
    }


def number(value: float) -> float | None:
    """JSON has no NaN: an interval that cannot be computed is null."""
    return value if math.isfinite(value) else None


def _rounds(user: Any) -> Any:
    return Round.objects.filter(project__in=Project.objects.visible_to(user)).select_related("project", "snapshot")


class Archive(APIView):
    """A project is archived here, among the rounds, because they end with it."""

    @contract(answer=ProjectAnswer)
    def post(self, request: Request, project: int) -> ProjectAnswer:
        found = reach(Project.objects.visible_to(person(request)), person(request), "archive", project="", pk=project)
        return ProjectAnswer.model_validate(archive_project(project=found, by=person(request)))


class Restore(APIView):
    @contract(answer=ProjectAnswer)
    def post(self, request: Request, project: int) -> ProjectAnswer:
        found = reach(Project.objects.visible_to(person(request)), person(request), "archive", project="", pk=project)
        return ProjectAnswer.model_validate(restore_project(project=found, by=person(request)))


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
            raise Invalid("changes must be an object: name of a setting -> number or word", field="changes")
        made = start_round(
            project=found,
            by=person(request),
            preset=str(asked.get("preset", "quick")),
            changes=changes,
            same_slide=asked.get("same_slide") is True,
            start=read(asked.get("start") or {}),
            line_up=asked.get("line_up") is True,
        )
        limits = as_json(limitations(found, learns=learns_something(made)))
        return Response(round_json(made) | {"limits": limits}, status=202)


class BeforeRound(APIView):
    """What would limit a round that is started now, and how long it would take: `?preset=` names the preset."""

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        preset, device = (
            request.query_params.get(name, usual) for name, usual in (("preset", "quick"), ("device", "auto"))
        )
        configure(preset, {"device": device})  # raises Invalid for what is no preset or device
        time = estimate(found, preset, device=device)
        return Response({"limits": as_json(limitations(found)), "estimate": asdict(time) if time else None})


class RoundDetail(APIView):
    def get(self, request: Request, round: int) -> Response:
        found = reach(_rounds(person(request)), person(request), "see", pk=round)
        published = outcome.outcome_of(found) if found.state == Round.State.PUBLISHED else None
        return Response(round_json(found) | {"outcome": outcome.as_json(published) if published else None})


class Export(APIView):
    """A finished round as one zip that `boxwise predict` runs elsewhere, and that another project imports."""

    def get(self, request: Request, round: int) -> FileResponse:
        found = reach(_rounds(person(request)), person(request), "export", pk=round)
        return FileResponse(export_file(found), as_attachment=True, filename=f"{folder_name(found)}.zip")


class ModelVersionList(APIView):
    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        versions = found.model_versions.select_related("artifact", "parent")
        return Response([version_json(version) for version in versions])


class WeightsImports(APIView):
    """GET what was brought along, with what a worker found; POST files (multipart: files, data_licence, note)."""

    parser_classes = [MultiPartParser]

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        made = found.weights_imports.select_related("imported_by").prefetch_related("versions")
        return Response([import_json(one) for one in made])

    def post(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        fields = request.POST
        made = import_weights(
            project=found,
            by=person(request),
            files=request.FILES.getlist("files"),
            data_licence=fields.get("data_licence", ""),
            note=fields.get("note", ""),
        )
        return Response(import_json(made), status=202)


class Promote(APIView):
    def post(self, request: Request, round: int) -> Response:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return Response(promotion_json(promote(round_=found, by=person(request))), status=201)


class RollBack(APIView):
    def post(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        return Response(promotion_json(roll_back(project=found, by=person(request))), status=201)


class Compare(APIView):
    """Rounds side by side; `?round=` names them (ids, two at least), the first is the base."""

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        asked = list(dict.fromkeys(request.query_params.getlist("round")))
        rounds = {str(r.pk): r for r in found.rounds.filter(state=Round.State.PUBLISHED).select_related("snapshot")}
        if len(asked) < 2 or not set(asked) <= set(rounds):
            raise Invalid("round names two finished rounds of this project at least: ?round=ID&round=ID", field="round")
        chosen = [rounds[pk] for pk in asked]
        made = compare(chosen)
        return Response(
            {
                "images": made.images,
                "groups": made.groups,
                "by_group": made.by_group,
                "sentences": made.sentences,
                "measures": {
                    row.measure: [
                        {
                            "round": f.round.pk,
                            "mean": f.mean,
                            "low": number(f.low),
                            "high": number(f.high),
                            "against_first": {name: number(value) for name, value in (f.against or {}).items()},
                        }
                        for f in row.figures
                    ]
                    for row in made.rows
                },
                "configuration": [
                    {"name": name, "first": a, "last": b}
                    for name, a, b in differences(chosen[0].parameters, chosen[-1].parameters)
                ],
            }
        )


class ByOrigin(APIView):
    """A finished round by scanner, site, stain and slide; empty for one that has not finished."""

    def get(self, request: Request, round: int) -> Response:
        found = reach(_rounds(person(request)), person(request), "see", pk=round)
        made = of_round(found)
        factors = [
            {
                "factor": factor.name,
                "sentences": factor.sentences,
                "groups": [
                    {
                        "name": group.name,
                        "images": group.images,
                        "measures": {measure: mean_json(mean) for measure, mean in group.means.items()},
                    }
                    for group in factor.groups
                ],
            }
            for factor in made.factors
        ]
        return Response({"stated": made.stated, "sentences": made.sentences, "factors": factors})


class RoundTuning(APIView):
    """GET the table of settings tried on a round's validation images; POST asks for it."""

    def get(self, request: Request, round: int) -> Response:
        found = reach(_rounds(person(request)), person(request), "see", pk=round)
        asked = Tuning.objects.filter(round=found).first()
        return Response(tuning_json(asked) if asked else {"state": None})

    def post(self, request: Request, round: int) -> Response:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return Response(tuning_json(request_tuning(round_=found, by=person(request))), status=202)


class ReferenceSets(APIView):
    """GET the locked reference sets, the newest first; POST locks one."""

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        return Response([described(one).as_json() for one in found.reference_sets.order_by("-number")])

    def post(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        asked = request.data if isinstance(request.data, dict) else {}
        readers = asked.get("readers", 1)
        made = lock(
            project=found,
            by=person(request),
            origin=str(asked.get("origin", "scratch")),
            readers=readers if type(readers) is int else 0,
            note=str(asked.get("note", "")),
        )
        return Response(described(made).as_json(), status=201)


class ReferenceMasks(APIView):
    """GET the images with reference masks; POST label maps (multipart: masks, several; replace), matched by name."""

    parser_classes = [MultiPartParser]

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        rows = [
            {"image": row.image.pk, "name": row.image.name, "split": row.image.split, "locked": row.locked}
            for row in referenced(found)
        ]
        return Response(rows)

    def post(self, request: Request, project: int) -> Response:
        """201 with what was stored and what was not; when nothing was, the first reason as the error."""
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        files, replace = request.FILES.getlist("masks"), _confirmed(request, "replace")
        added, declined = add_references(project=found, files=files, replace=replace)
        if not added:
            raise declined[0]
        declined_json = [{"code": error.code, "detail": str(error)} for error in declined]
        return Response({"added": [added_json(one) for one in added], "declined": declined_json}, status=201)


class ImageReferenceMasks(APIView):
    """POST one label map (multipart: masks, replace) as an image's reference masks; DELETE takes them away."""

    parser_classes = [MultiPartParser]

    def post(self, request: Request, image: int) -> Response:
        found = reach(Image.objects.visible_to(person(request)), person(request), "manage", pk=image)
        files, replace = request.FILES.getlist("masks"), _confirmed(request, "replace")
        added, declined = add_references(project=found.project, files=files, image=found, replace=replace)
        if declined:
            raise declined[0]
        return Response(added_json(added[0]), status=201)

    def delete(self, request: Request, image: int) -> Response:
        found = reach(Image.objects.visible_to(person(request)), person(request), "manage", pk=image)
        return Response({"image": found.pk, "notes": remove_reference(image=found, confirmed=True)})


def added_json(added: Added) -> dict[str, Any]:
    return {
        "file": added.file,
        "image": added.image.pk,
        "cells": added.cells,
        "replaced": added.replaced,
        "notes": added.notes,
    }


def _confirmed(request: Request, name: str) -> bool:
    """A yes of a multipart form. Raises Invalid for what is neither yes nor no."""
    value = str(request.POST.get(name, "false")).lower()
    if value not in ("true", "false", "1", "0"):
        raise Invalid(f"{name} must be true or false", field=name)
    return value in ("true", "1")


class Cancel(APIView):
    def post(self, request: Request, round: int) -> Response:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return Response(round_json(cancel_round(round_=found)), status=202)


class Retry(APIView):
    def post(self, request: Request, round: int) -> Response:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return Response(round_json(try_again(round_=found)), status=202)
