"""Imports over HTTP."""

from typing import Any

from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.errors import Invalid, WrongState
from labeling.exchange.importing.services import confirm, take_import
from labeling.jobs.access import reach_job
from labeling.jobs.api import job_as_json, job_in_full
from labeling.jobs.models import Job
from labeling.projects.access import person, reach
from labeling.projects.models import Project

FIELDS = frozenset({"aim", "format", "file"})


class Imports(APIView):
    """POST `file`, `aim` (working, layer, reference) and maybe `format`: a dry run as a job. -> 202 and the job, whose
    `import` says what would be created, updated and declined. `jobs/N/confirm/` does it."""

    parser_classes = [MultiPartParser]

    def post(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        given: Any = request.data
        unknown = sorted(set(given) - FIELDS)
        if unknown:
            raise Invalid(f"there is no field {unknown[0]!r}; there are {', '.join(sorted(FIELDS))}", field=unknown[0])
        file = request.FILES.get("file")
        if file is None:
            raise Invalid("send the annotations as file", field="file")
        job = take_import(
            project=found,
            owner=person(request),
            file=file,
            aim=str(given.get("aim", "working")),
            format=str(given.get("format", "")),
        )
        return Response(job_as_json(job), status=202, headers={"Location": f"/api/v1/jobs/{job.pk}/"})


class ImportConfirm(APIView):
    """Do what the dry run of an import said. -> 202 and the job"""

    def post(self, request: Request, job: int) -> Response:
        found = reach_job(person(request), job, Job.CHANGED_BY)
        if found.kind != Job.Kind.IMPORT:
            raise WrongState("this job is no import, so there is nothing to confirm")
        return Response(job_in_full(confirm(found)), status=202)
