"""Slides and their fields over HTTP."""

from django.conf import settings
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.contract import contract
from labeling.errors import Invalid
from labeling.images import fields, slide_roots
from labeling.images.documents import UploadRequest
from labeling.images.models import Image
from labeling.images.slide_contract import (
    Below,
    FieldAnswer,
    FieldListing,
    JobStarted,
    NewFields,
    Place,
    Registration,
    SlideAnswer,
    field_answer,
    slide_answer,
)
from labeling.images.uploads import register_slides
from labeling.jobs.models import Job
from labeling.paging import Page, page
from labeling.projects.access import person, reach, reach_project


class Slides(APIView):
    """Registering slides where they lie."""

    @contract(query=Place, answer=Below)
    def get(self, request: Request, project: int, *, query: Place) -> Below:
        reach_project(request, "oversee", project)
        entries = slide_roots.listed(query.root, query.path) if query.root else []
        return Below.model_validate({"roots": sorted(settings.SLIDE_ROOTS), "entries": entries})

    @once
    @contract(body=Registration, answer=JobStarted, status=202)
    def post(self, request: Request, project: int, *, body: Registration) -> JobStarted:
        found = reach_project(request, "manage", project)
        facts = UploadRequest.model_validate(body.model_dump(exclude={"root", "paths"}))
        job = register_slides(project=found, owner=person(request), root=body.root, paths=body.paths, facts=facts)
        return JobStarted(job=job.pk)


class SlideDetail(APIView):
    @contract(answer=SlideAnswer)
    def get(self, request: Request, image: int) -> SlideAnswer:
        found = _image(request, "see", image)
        if not found.is_slide:
            raise Http404
        return slide_answer(found.slide_file)


class Fields(APIView):
    """The fields of a slide, and making more of them."""

    @contract(query=FieldListing, answer=Page[FieldAnswer])
    def get(self, request: Request, image: int, *, query: FieldListing) -> Page[FieldAnswer]:
        rows = _image(request, "see", image).fields.select_related("image")
        if query.method is not None:
            rows = rows.filter(method=query.method)
        return page(rows, request, query, ordering=query.ordering, answer=field_answer)

    @once
    @contract(body=NewFields, answer=JobStarted, status=202)
    def post(self, request: Request, image: int, *, body: NewFields) -> JobStarted:
        found = _image(request, "manage", image)
        return JobStarted(job=_asked(request, found, body).pk)


def _image(request: Request, act: str, image: int) -> Image:
    user = person(request)
    images = Image.objects.visible_to(user).select_related("project")
    return reach(images, user, act, pk=image)


def _asked(request: Request, slide: Image, body: NewFields) -> Job:
    """Raises Invalid unless exactly one way of making fields is asked for."""
    if sum(way is not None for way in (body.rectangles, body.grid, body.random)) != 1:
        raise Invalid(_("say one of rectangles, grid and random"), field="rectangles")
    owner = person(request)
    fields.check_slide(slide)
    if body.rectangles is not None:
        drawn = [fields.Rectangle(**one.model_dump()) for one in body.rectangles]
        return fields.ask_for_drawn(slide=slide, owner=owner, rectangles=drawn)
    if body.grid is not None:
        return fields.ask_for_grid(slide=slide, owner=owner, grid=fields.Grid(**body.grid.model_dump()))
    assert body.random is not None
    grid = fields.Grid(size=body.random.size, tissue=body.random.tissue)
    return fields.ask_for_random(slide=slide, owner=owner, grid=grid, count=body.random.count, seed=body.random.seed)
