"""The gallery over HTTP: which cells, sheets of crops, a screen judged by one act, that act taken back; likeness."""

import uuid

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.contract import contract
from labeling.gallery import services
from labeling.gallery.contract import (
    CropAnswer,
    GalleryAnswer,
    GalleryQuery,
    LikenessAnswer,
    LikenessQuery,
    MapAnswer,
    ScreenAnswer,
    ScreenBody,
    SheetAnswer,
    SheetQuery,
    UndoneAnswer,
)
from labeling.gallery.likeness import Wanted, likeness_of
from labeling.gallery.listing import Gallery, gallery_of, open_proposals, written_layers
from labeling.gallery.maps import ask_map, map_job, map_of
from labeling.gallery.models import Screen
from labeling.gallery.sheets import Crop, make_sheet
from labeling.gallery.vectors import ask_vectors, outdated, vectors_job
from labeling.jobs.contract import JobAnswer, job_answer
from labeling.jobs.models import Job
from labeling.projects.access import person, reach
from labeling.projects.models import Project


def _project(request: Request, act: str, project: int) -> Project:
    """Not the sheet of a study's item: its reader sees the field in the workspace, as the arm shows it."""
    visible = Project.objects.visible_to(person(request)).filter(is_sheet=False)
    return reach(visible, person(request), act, project="", pk=project)


class GalleryCells(APIView):
    """The open proposals of a project in an order, as names; sheets have their pictures."""

    @contract(query=GalleryQuery, answer=GalleryAnswer)
    def get(self, request: Request, project: int, *, query: GalleryQuery) -> GalleryAnswer:
        found = _project(request, "see", project)
        gallery = gallery_of(found, person(request), query.order, query.label_class, query.image)
        return GalleryAnswer.model_validate(_listed(gallery))


class Likeness(APIView):
    """The open proposals ordered by what they look like, with what the verdicts so far suggest for each."""

    @contract(query=LikenessQuery, answer=LikenessAnswer)
    def get(self, request: Request, project: int, *, query: LikenessQuery) -> LikenessAnswer:
        found = _project(request, "see", project)
        wanted = Wanted(query.order, query.like, query.of, query.label_class, query.image, query.projection)
        alike = likeness_of(found, person(request), wanted)
        job = vectors_job(found)
        is_active = job is not None and job.is_active
        return LikenessAnswer.model_validate(
            {
                **_listed(alike.gallery),
                "suggested": alike.suggested,
                "chances": alike.chances,
                "places": alike.places,
                "learned": alike.learned,
                "missing": alike.covered.missing,
                "outdated": [] if query.of else outdated(written_layers(found, person(request))),
                "job": job.pk if job is not None and is_active else None,
                "percent": job.percent if job is not None and is_active else 0,
                "error": job.error if job is not None and job.state == Job.State.FAILED else "",
            }
        )

    @once
    @contract(answer=JobAnswer, scope="annotate", status=202)
    def post(self, request: Request, project: int) -> JobAnswer:
        """Compare the cells of images that were not compared yet. While a job does it, it is that one."""
        found = _project(request, "annotate", project)
        return job_answer(ask_vectors(project=found, by=person(request)))


class NeighbourMap(APIView):
    """The map of neighbours (UMAP) that the person has made, and the job that makes one."""

    @contract(answer=MapAnswer)
    def get(self, request: Request, project: int) -> MapAnswer:
        found = _project(request, "see", project)
        kept = map_of(found, person(request))
        job = map_job(found, person(request))
        at_work = job if job is not None and job.is_active else None
        return MapAnswer(
            cells=kept.cells if kept else 0,
            of=kept.of if kept else 0,
            made_at=kept.made_at if kept else None,
            job=at_work.pk if at_work else None,
            percent=at_work.percent if at_work else 0,
            error=job.error if job is not None and job.state == Job.State.FAILED else "",
        )

    @once
    @contract(answer=JobAnswer, scope="annotate", status=202)
    def post(self, request: Request, project: int) -> JobAnswer:
        """Make a map of at most 20,000 cells. While one is being made, it is that job."""
        found = _project(request, "annotate", project)
        return job_answer(ask_map(project=found, by=person(request)))


class GallerySheet(APIView):
    """Crops of up to 100 cells with their outlines, in one picture."""

    @contract(query=SheetQuery, answer=SheetAnswer)
    def get(self, request: Request, project: int, *, query: SheetQuery) -> SheetAnswer:
        found = _project(request, "see", project)
        rows = open_proposals(found, person(request)).filter(uid__in=query.cell)
        by_uid = {row.uid: row for row in rows.select_related("layer__image__slide_file")}
        present = [by_uid[uid] for uid in query.cell if uid in by_uid]
        sheet = make_sheet(present, query.side, query.pixels)
        crops = [_crop(crop) for crop in sheet.crops]
        return SheetAnswer(crops=crops, picture=sheet.picture, pixels=sheet.pixels, columns=sheet.columns)


class Screens(APIView):
    """Verdicts on a whole screen by one act."""

    @contract(body=ScreenBody, answer=ScreenAnswer, scope="annotate")
    def post(self, request: Request, project: int, *, body: ScreenBody) -> ScreenAnswer:
        found = _project(request, "annotate", project)
        shown = [services.Shown(one.cell, one.pixels, one.milliseconds) for one in body.shown]
        given = []
        for one in body.verdicts:
            sets_class = "label_class" in one.model_fields_set
            given.append(services.Given(one.cell, one.verdict, one.label_class, sets_class))
        screen = services.judge_screen(
            project=found,
            by=person(request),
            screen=body.id,
            order=body.order,
            milliseconds=body.milliseconds,
            shown=shown,
            given=given,
            accepts_rest=body.accepts_rest,
        )
        return _screen(screen)


class ScreenUndo(APIView):
    """Take back exactly what the act on one screen did."""

    @contract(answer=UndoneAnswer, scope="annotate")
    def post(self, request: Request, project: int, screen: uuid.UUID) -> UndoneAnswer:
        found = _project(request, "annotate", project)
        return UndoneAnswer(**services.undo_screen(project=found, by=person(request), screen=screen))


def _listed(gallery: Gallery) -> dict[str, object]:
    """The fields of GalleryAnswer."""
    return {
        "cells": [one.cell for one in gallery.cells],
        "images": [one.image for one in gallery.cells],
        "classes": [one.label_class or 0 for one in gallery.cells],
        "doubts": [one.doubt for one in gallery.cells],
        "total": gallery.total,
        "diameter": gallery.diameter,
        "least_pixels": services.LEAST_PIXELS,
        "least_ms": services.LEAST_MS,
    }


def _crop(crop: Crop) -> CropAnswer:
    return CropAnswer.model_validate(
        {
            "cell": crop.row.uid,
            "image": crop.image.pk,
            "at": crop.at,
            "corner": (crop.square.x, crop.square.y),
            "side": crop.square.side,
            "box": crop.state["box"],
            "mask": crop.state["mask"],
            "label_class": crop.state["label_class"],
        }
    )


def _screen(screen: Screen) -> ScreenAnswer:
    return ScreenAnswer.model_validate(
        {
            "id": screen.pk,
            "decided": screen.verdicts["decided"],
            "left_out": screen.verdicts["left_out"],
            "is_undone": screen.undone_at is not None,
        }
    )
