"""Jobs over HTTP: what is at work, how far it is, its result, cancel."""

from typing import Any

from django.http import FileResponse
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.errors import WrongState
from labeling.jobs import items, services
from labeling.jobs.access import reach_job
from labeling.jobs.handlers import DESCRIPTIONS
from labeling.jobs.models import Job
from labeling.projects.access import person, reach
from labeling.projects.models import Project

MOST_SHOWN = 100


def job_as_json(job: Job) -> dict[str, Any]:
    """A job in a list; `job_in_full` adds its files and what only its kind has."""
    return {
        "id": job.pk,
        "kind": job.kind,
        "project": job.project_id,
        "owner": job.owner.display_name,
        "state": job.state,
        "request": job.request,
        "done": job.done,
        "total": job.total,
        "error": job.error,
        "cancel_requested": job.cancel_requested,
        "facts": job.facts,
        "result": f"/api/v1/jobs/{job.pk}/result/" if job.result else None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
    }


def job_in_full(job: Job) -> dict[str, Any]:
    describe = DESCRIPTIONS.get(job.kind)
    return job_as_json(job) | dict(describe(job) if describe else {})


class ItemsSerializer(serializers.Serializer[Any]):
    items = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), required=False, default=None, max_length=1000
    )


class JobList(APIView):
    """The newest jobs of a project: one's own, or all for those who oversee it."""

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "export", project="", pk=project)
        rows = Job.objects.visible_to(person(request)).filter(project=found).select_related("owner")[:MOST_SHOWN]
        return Response({"jobs": [job_as_json(job) for job in rows]})


class JobDetail(APIView):
    def get(self, request: Request, job: int) -> Response:
        return Response(job_in_full(reach_job(person(request), job, Job.SEEN_BY)))


class JobCancel(APIView):
    def post(self, request: Request, job: int) -> Response:
        return Response(job_in_full(services.cancel(reach_job(person(request), job, Job.CHANGED_BY).pk)))


class JobRetry(APIView):
    """Read declined and cancelled files again: all of them, or {"items": [id, ...]}."""

    def post(self, request: Request, job: int) -> Response:
        found = reach_job(person(request), job, Job.CHANGED_BY)
        asked = ItemsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(job_in_full(items.retry(found.pk, items=asked.validated_data["items"])), status=202)


class JobDiscard(APIView):
    """Remove the files that were not read, before their time."""

    def post(self, request: Request, job: int) -> Response:
        return Response(job_in_full(items.discard(reach_job(person(request), job, Job.CHANGED_BY).pk)))


class JobResult(APIView):
    def get(self, request: Request, job: int) -> HttpResponseBase:
        found = reach_job(person(request), job, Job.SEEN_BY)
        if found.state == Job.State.EXPIRED:
            raise WrongState("the result of this job has expired and was removed; start the job again")
        if not found.result:
            raise WrongState(f"this job is {found.state} and has no result")
        return FileResponse(
            found.result.open("rb"),
            as_attachment=True,
            filename=found.result_name,
            content_type=found.result_type,
        )
