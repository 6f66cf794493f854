"""Exports over HTTP."""

import tempfile
from pathlib import Path
from typing import Annotated

from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.text import slugify
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.audit.downloads import download
from labeling.contract import Answer, Body, File, Form, OneOf, Query, Reply, contract
from labeling.exchange.coco import Segmentation
from labeling.exchange.exporting import write_export
from labeling.exchange.image_tables import MOST_BYTES, as_table, take_table
from labeling.exchange.request import ExportRequest, Layout
from labeling.exchange.selection import Part
from labeling.images.contract import Reason
from labeling.jobs.contract import JobAnswer, job_answer
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.access import person, reach_project

PartName = Annotated[str, OneOf(Part)]
SegmentationName = Annotated[str, OneOf(Segmentation)]


class ExportQuery(Query):
    """`include` is masks, boxes, regions and cannot_tell where nothing is named; `images`: the pictures go along."""

    include: list[PartName] = []
    segmentation: SegmentationName = Segmentation.RLE.value
    images: bool | None = None


class ExportBody(Body):
    """As ExportQuery. `images` null: as the layout has it, with a label map and without others."""

    layout: Annotated[str, OneOf(Layout)]
    include: list[PartName] = []
    segmentation: SegmentationName = Segmentation.RLE.value
    images: bool | None = None


class TableForm(Form):
    """`reason`: why patients move into or out of test after the first round has started."""

    table: File
    reason: Reason = ""


class TableChanges(Answer):
    changed: int


class Export(APIView):
    """The annotations of a project as a file, at once. For a large project POST to exports/, which is a job."""

    @contract(query=ExportQuery, files=("application/json", "application/geo+json", "application/zip"))
    def get(self, request: Request, project: int, layout: str, *, query: ExportQuery) -> HttpResponseBase:
        found = reach_project(request, "export", project)
        wanted = asked(layout, query)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "export"
            written = write_export(found, wanted, path)
            file = path.open("rb")  # stays readable when the folder is gone
        return download(file, name=written.file_name, content_type=written.content_type, project=found, layout=layout)


class Exports(APIView):
    """An export as a job."""

    @once
    @contract(body=ExportBody, answer=JobAnswer, status=202, scope="annotate")
    def post(self, request: Request, project: int, *, body: ExportBody) -> Reply:
        found = reach_project(request, "export", project)
        wanted = asked(body.layout, body)
        job = create_job(kind=Job.Kind.EXPORT, project=found, owner=person(request), request=wanted.as_json())
        return Reply(job_answer(job), headers={"Location": reverse("job-detail", args=[job.pk])})


def asked(layout: str, given: ExportQuery | ExportBody) -> ExportRequest:
    """Raises Invalid for a layout that there is not: in an address no model has read it."""
    pictures = "" if given.images is None else str(given.images).lower()
    return ExportRequest.of(layout, include=given.include, segmentation=given.segmentation, pictures=pictures)


class ImageTable(APIView):
    """GET what is said of the images, as CSV; POST such a file as `table`: all of it is taken, or nothing."""

    @contract(files=("text/csv",))
    def get(self, request: Request, project: int) -> HttpResponseBase:
        found = reach_project(request, "see", project)
        name = f"{slugify(found.name) or 'project'}-images.csv"
        return download(as_table(found), name=name, content_type="text/csv; charset=utf-8", project=found)

    @contract(form=TableForm, answer=TableChanges)
    def post(self, request: Request, project: int, *, form: TableForm) -> TableChanges:
        found = reach_project(request, "manage", project)
        content = form.table.read(MOST_BYTES + 1)
        changed = take_table(project=found, content=content, by=person(request), reason=form.reason)
        return TableChanges(changed=changed)
