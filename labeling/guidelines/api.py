"""Guidelines over HTTP."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.contract import contract
from labeling.guidelines import services
from labeling.guidelines.contract import (
    CurrentGuidelineAnswer,
    GuidelineAnswer,
    GuidelineBody,
    GuidelineListing,
    GuidelineReadBody,
    PictureAnswer,
    PictureForm,
    PictureListing,
    guideline_answer,
    picture_answer,
)
from labeling.guidelines.models import Guideline, GuidelinePicture
from labeling.paging import Page, page
from labeling.projects.access import person, reach_project


class CurrentGuideline(APIView):
    """The version that holds. POST writes a new one."""

    @contract(answer=CurrentGuidelineAnswer)
    def get(self, request: Request, project: int) -> CurrentGuidelineAnswer:
        now = services.current_guideline(reach_project(request, "see", project))
        return CurrentGuidelineAnswer(guideline=guideline_answer(now, person(request)) if now else None)

    @once
    @contract(body=GuidelineBody, answer=GuidelineAnswer, status=201)
    def post(self, request: Request, project: int, *, body: GuidelineBody) -> GuidelineAnswer:
        found = reach_project(request, "manage", project)
        written = services.write_guideline(
            project=found,
            by=person(request),
            text=body.text,
            note=body.note,
            must_acknowledge=body.must_acknowledge,
        )
        return guideline_answer(written, person(request))


class GuidelineVersions(APIView):
    @contract(query=GuidelineListing, answer=Page[GuidelineAnswer])
    def get(self, request: Request, project: int, *, query: GuidelineListing) -> Page[GuidelineAnswer]:
        rows = Guideline.objects.filter(project=reach_project(request, "see", project)).select_related("written_by")
        answer = lambda row: guideline_answer(row, person(request))  # noqa: E731
        return page(rows, request, query, ordering=query.ordering, answer=answer)


class GuidelineRead(APIView):
    """I was shown this version; with `acknowledges` I confirm that I have read it."""

    @contract(body=GuidelineReadBody, answer=GuidelineAnswer, scope="annotate")
    def post(self, request: Request, project: int, *, body: GuidelineReadBody) -> GuidelineAnswer:
        found = reach_project(request, "comment", project)
        guideline = get_object_or_404(Guideline, project=found, version=body.version)
        services.read_guideline(guideline=guideline, person=person(request), acknowledges=body.acknowledges)
        return guideline_answer(guideline, person(request))


class GuidelinePictures(APIView):
    """The pictures that the text can name. POST adds one."""

    @contract(query=PictureListing, answer=Page[PictureAnswer])
    def get(self, request: Request, project: int, *, query: PictureListing) -> Page[PictureAnswer]:
        rows = GuidelinePicture.objects.filter(project=reach_project(request, "see", project)).defer("content")
        return page(rows, request, query, ordering=query.ordering, answer=picture_answer)

    @once
    @contract(form=PictureForm, answer=PictureAnswer, status=201)
    def post(self, request: Request, project: int, *, form: PictureForm) -> PictureAnswer:
        found = reach_project(request, "manage", project)
        name = form.name or form.file.name or ""
        added = services.add_picture(project=found, by=person(request), name=name, content=form.file.read())
        return picture_answer(added)


class OnePicture(APIView):
    """A picture of the guidelines, as it was sent."""

    @contract(files=("image/png", "image/jpeg", "image/gif"))
    def get(self, request: Request, project: int, picture: str) -> HttpResponse:
        found = get_object_or_404(GuidelinePicture, project=reach_project(request, "see", project), name=picture)
        return HttpResponse(bytes(found.content), content_type=found.content_type)
