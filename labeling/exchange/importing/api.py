"""Imports over HTTP."""

from typing import Annotated

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.contract import File, Form, OneOf, Reply, Text, contract
from labeling.errors import WrongState
from labeling.exchange.importing.services import confirm, take_import
from labeling.jobs.access import reach_job
from labeling.jobs.contract import JobAnswer, JobInFull, job_answer, job_in_full
from labeling.jobs.models import Job
from labeling.projects.access import person, reach_project


class ImportForm(Form):
    """`aim`: where the annotations go; `format` is found out where it is empty."""

    file: File
    aim: Annotated[str, OneOf(["working", "layer", "reference"])] = "working"
    format: Text = ""


class Imports(APIView):
    """A dry run as a job, whose `import` says what would be created, updated, declined. `jobs/N/confirm/` does it."""

    @once
    @contract(form=ImportForm, answer=JobAnswer, status=202)
    def post(self, request: Request, project: int, *, form: ImportForm) -> Reply:
        found = reach_project(request, "manage", project)
        job = take_import(project=found, owner=person(request), file=form.file, aim=form.aim, format=form.format)
        return Reply(job_answer(job), headers={"Location": reverse("job-detail", args=[job.pk])})


class ImportConfirm(APIView):
    """Do what the dry run of an import said."""

    @contract(answer=JobInFull, status=202)
    def post(self, request: Request, job: int) -> JobInFull:
        found = reach_job(person(request), job, Job.CHANGED_BY)
        if found.kind != Job.Kind.IMPORT:
            raise WrongState("this job is not an import, so there is nothing to confirm")
        return job_in_full(confirm(found))
