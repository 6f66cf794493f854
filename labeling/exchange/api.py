"""Exports over HTTP."""

import json

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from django.utils.text import slugify
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.access import person, reach
from labeling.errors import Invalid
from labeling.exchange.cells import accepted_cells
from labeling.exchange.coco import as_coco
from labeling.exchange.geojson import as_geojson
from labeling.exchange.image_tables import MOST_BYTES, as_table, take_table
from labeling.exchange.labels import as_label_maps
from labeling.projects.models import Project


class Export(APIView):
    """The accepted masks of a project, as a file to keep."""

    def get(self, request: Request, project: int, layout: str) -> HttpResponse:
        found = reach(Project.objects.visible_to(person(request)), person(request), "export", project="", pk=project)
        if layout == "coco":
            body = json.dumps(as_coco(found, accepted_cells(found)), cls=DjangoJSONEncoder).encode()
            response = HttpResponse(body, content_type="application/json")
            ending = "coco.json"
        elif layout == "labels":
            response = HttpResponse(as_label_maps(accepted_cells(found)), content_type="application/zip")
            ending = "labels.zip"
        elif layout == "geojson":
            response = HttpResponse(as_geojson(found, accepted_cells(found)), content_type="application/zip")
            ending = "geojson.zip"
        else:
            raise Invalid(f"layout must be coco, geojson or labels, not {layout!r}", field="layout")
        response["Content-Disposition"] = f'attachment; filename="{slugify(found.name) or "project"}-{ending}"'
        return response


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
