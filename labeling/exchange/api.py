"""Exports over HTTP."""

import tempfile
from pathlib import Path
from typing import Any

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.text import slugify
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.errors import Invalid
from labeling.exchange.exporting import ExportRequest, write_export
from labeling.exchange.image_tables import MOST_BYTES, as_table, take_table
from labeling.jobs.api import job_as_json
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.access import person, reach
from labeling.projects.models import Project

EXPORT_FIELDS = frozenset({"layout", "include", "segmentation", "images"})


class Export(APIView):
    """The annotations of a project as a file, at once. For a large project POST to exports/, which is a job.

    Query: include=masks&include=boxes ... (default: masks, boxes, regions, cannot_tell), segmentation=rle|polygons,
    images=1|0.
    """

    def get(self, request: Request, project: int, layout: str) -> HttpResponseBase:
        found = reach(Project.objects.visible_to(person(request)), person(request), "export", project="", pk=project)
        query = request.query_params
        wanted = ExportRequest.of(
            layout,
            include=query.getlist("include"),
            segmentation=query.get("segmentation", ""),
            pictures=query.get("images", ""),
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "export"
            written = write_export(found, wanted, path)
            file = path.open("rb")  # stays readable when the folder is gone
        return FileResponse(file, as_attachment=True, filename=written.file_name, content_type=written.content_type)


class Exports(APIView):
    """POST {"layout", "include", "segmentation", "images"}: an export as a job. -> 202 and the job."""

    def post(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "export", project="", pk=project)
        wanted = requested(request.data)
        job = create_job(kind=Job.Kind.EXPORT, project=found, owner=person(request), request=wanted.as_json())
        return Response(job_as_json(job), status=202, headers={"Location": f"/api/v1/jobs/{job.pk}/"})


def requested(data: Any) -> ExportRequest:
    """The request in a JSON body. Raises Invalid that names the field."""
    if not isinstance(data, dict):
        raise Invalid('the body must be an object, for example {"layout": "coco"}')
    for name in data:
        if name not in EXPORT_FIELDS:
            raise Invalid(f"there is no field {name!r}; there are {', '.join(sorted(EXPORT_FIELDS))}", field=str(name))
    include = data.get("include", [])
    if not isinstance(include, list) or not all(isinstance(name, str) for name in include):
        raise Invalid("include must be a list of names", field="include")
    pictures = data.get("images", "")
    if not isinstance(pictures, bool) and pictures != "":
        raise Invalid("images must be true or false", field="images")
    words = {name: data.get(name, "") for name in ("layout", "segmentation")}
    for name, word in words.items():
        if not isinstance(word, str):
            raise Invalid(f"{name} must be text", field=name)
    return ExportRequest.of(
        words["layout"],
        include=include,
        segmentation=words["segmentation"],
        pictures={True: "1", False: "0", "": ""}[pictures],
    )


class ImageTable(APIView):
    """GET what is said of the images, as CSV; POST such a file as `table`: all of it is taken, or nothing."""

    parser_classes = [MultiPartParser]

    def get(self, request: Request, project: int) -> HttpResponse:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        response = HttpResponse(as_table(found), content_type="text/csv; charset=utf-8")
        name = slugify(found.name) or "project"
        response["Content-Disposition"] = f'attachment; filename="{name}-images.csv"'
        return response

    def post(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        file = request.FILES.get("table")
        if file is None:
            raise Invalid("send a CSV file as table", field="table")
        return Response({"changed": take_table(project=found, content=file.read(MOST_BYTES + 1))})
