"""What is drawn on one image over HTTP: as JSON, as GeoJSON for QuPath, and the simple verbs."""

import base64
from collections.abc import Sequence
from dataclasses import replace

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.masks import pack
from labeling.annotations.models import Layer
from labeling.contract import Reply, contract
from labeling.exchange import verbs
from labeling.exchange.geojson import as_feature_collection
from labeling.exchange.image_contract import (
    AcceptBody,
    DecidedCells,
    DrawnAnswer,
    DrawnQuery,
    RejectBody,
    RelabelBody,
)
from labeling.exchange.selection import ExportedCell, ExportedImage, classes_of, export_image, parts_of
from labeling.images.models import Image
from labeling.projects.access import person, reach


def _image(request: Request, act: str, image: int) -> Image:
    """Not on the sheet of a study's item: its reader sees the field in the workspace, as the arm shows it."""
    images = Image.objects.visible_to(person(request)).filter(project__is_sheet=False)
    return reach(images.select_related("project"), person(request), act, pk=image)


def _drawn(request: Request, image: int, include: Sequence[str]) -> ExportedImage:
    """What this person sees of it: where annotators read apart, their own layer and no other's."""
    found = _image(request, "see", image)
    visible = Layer.objects.visible_to(person(request)).filter(image=found)
    return export_image(found, stem=found.name, file_name=found.name, parts=parts_of(include), seen=visible)


class Drawn(APIView):
    """The cells and regions of an image that you see."""

    @contract(query=DrawnQuery, answer=DrawnAnswer)
    def get(self, request: Request, image: int, *, query: DrawnQuery) -> DrawnAnswer:
        exported = _drawn(request, image, query.include)
        regions = [
            {"id": one.uid, "kind": one.kind, "box": one.box, "author": one.author, "reader": one.reader}
            for one in exported.regions
        ]
        return DrawnAnswer.model_validate(
            {
                "image": exported.image.pk,
                "width": exported.image.width,
                "height": exported.image.height,
                "cells": [_cell(one) for one in exported.cells],
                "regions": regions,
                "log": exported.log,
            }
        )


class DrawnGeoJson(APIView):
    """The same as GeoJSON, as QuPath reads it (docs/exchange.md)."""

    @contract(query=DrawnQuery, files=("application/geo+json",))
    def get(self, request: Request, image: int, *, query: DrawnQuery) -> HttpResponse:
        exported = _drawn(request, image, query.include)
        content = as_feature_collection(exported, classes_of(exported.image.project))
        return HttpResponse(content, content_type="application/geo+json")


class Accept(APIView):
    """Proposals become cells of your layer, cells are confirmed."""

    @contract(body=AcceptBody, answer=DecidedCells, also={409: DecidedCells, 422: DecidedCells}, scope="annotate")
    def post(self, request: Request, image: int, *, body: AcceptBody) -> Reply:
        found = _image(request, "annotate", image)
        return _reply(verbs.accept(image=found, by=person(request), ids=body.ids, label_class=body.label_class))


class Reject(APIView):
    """Proposals and cells are no cells."""

    @contract(body=RejectBody, answer=DecidedCells, also={409: DecidedCells, 422: DecidedCells}, scope="annotate")
    def post(self, request: Request, image: int, *, body: RejectBody) -> Reply:
        found = _image(request, "annotate", image)
        return _reply(verbs.reject(image=found, by=person(request), ids=body.ids, reason=body.reason))


class Relabel(APIView):
    """Another class for cells of your layer."""

    @contract(body=RelabelBody, answer=DecidedCells, also={409: DecidedCells, 422: DecidedCells}, scope="annotate")
    def post(self, request: Request, image: int, *, body: RelabelBody) -> Reply:
        found = _image(request, "annotate", image)
        return _reply(verbs.relabel(image=found, by=person(request), ids=body.ids, label_class=body.label_class))


def _reply(made: verbs.Result) -> Reply:
    """200 where all are as was asked, 409 where one is stale or kept apart, 422 where one is invalid."""
    kinds = {one.verdict.verdict for one in made.decided}
    status = 409 if kinds & {"stale", "kept"} else 422 if "invalid" in kinds else 200
    results = [
        {"id": one.id, "annotation": one.annotation, "verdict": one.verdict.verdict, "error": one.verdict.error}
        for one in made.decided
    ]
    return Reply({"layer": made.layer.pk, "seq": made.seq, "results": results}, status)


def _cell(cell: ExportedCell) -> dict[str, object]:
    mask = None
    if cell.mask is not None:
        height, width = cell.mask.bits.shape
        bits = base64.b64encode(pack(cell.mask.bits)).decode()
        mask = {"x": cell.mask.x, "y": cell.mask.y, "width": width, "height": height, "bits": bits}
    plain = replace(cell, mask=None)
    return {
        "id": plain.uid,
        "part": str(plain.part),
        "box": plain.box,
        "mask": mask,
        "label_class": plain.label_class,
        "author": plain.author,
        "reader": plain.reader,
        "reason": plain.reason,
        "attributes": plain.attributes,
        "parent": plain.parent,
        "score": plain.score,
        "provenance": dict(plain.provenance),
    }
