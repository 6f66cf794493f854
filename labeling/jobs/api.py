"""Jobs over HTTP: what is at work, how far it is, its result, cancel."""

from typing import Any

from django.http import FileResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.errors import WrongState
from labeling.jobs import services
from labeling.jobs.models import Job
from labeling.projects.access import person, reach
from labeling.projects.models import Project

MOST_SHOWN = 100


def job_as_json(job: Job) -> dict[str, Any]:
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
        "result": f"/api/v1/jobs/{job.pk}/result/" if job.state == Job.State.DONE else None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
    }


def reach_job(request: Request, job: int) -> Job:
    """A job that is one's own, or of a project that one oversees, for somebody who may still export there."""
    visible = Job.objects.visible_to(person(request)).select_related("project", "owner")
    return reach(visible, person(request), "export", pk=job)


class JobList(APIView):
    """The newest jobs of a project: one's own, or all for those who oversee it."""

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "export", project="", pk=project)
        rows = Job.objects.visible_to(person(request)).filter(project=found).select_related("owner")[:MOST_SHOWN]
        return Response({"jobs": [job_as_json(job) for job in rows]})


class JobDetail(APIView):
    def get(self, request: Request, job: int) -> Response:
        return Response(job_as_json(reach_job(request, job)))


class JobCancel(APIView):
    def post(self, request: Request, job: int) -> Response:
        return Response(job_as_json(services.cancel(reach_job(request, job).pk)))


class JobResult(APIView):
    def get(self, request: Request, job: int) -> HttpResponseBase:
        found = reach_job(request, job)
        if found.state == Job.State.EXPIRED:
            raise WrongState("the result of this job has expired and was removed; start the job again")
        if found.state != Job.State.DONE:
            raise WrongState(f"this job is {found.state} and has no result")
        return FileResponse(
            found.result.open("rb"),
            as_attachment=True,
            filename=found.result_name,
            content_type=found.result_type,
        )
