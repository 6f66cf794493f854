"""Images over HTTP: uploads, pixels, and everything the workspace needs to open one."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import transaction
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.contract import Nothing, Reply, contract
from labeling.editions import require_match, tag_of, tagged
from labeling.errors import Invalid
from labeling.images import planes
from labeling.images.contract import (
    ButtonForm,
    ChangedImage,
    ChangedImages,
    ChoiceBody,
    ImageAnswer,
    ImageChange,
    ImageListing,
    ManyImagesChange,
    RegistrationIn,
    TileQuery,
    UploadForm,
    alike_answers,
    image_answer,
    image_fields,
)
from labeling.images.documents import UploadRequest
from labeling.images.facts import change_image, change_images
from labeling.images.filters import filtered
from labeling.images.models import Image
from labeling.images.originals import fetch_original
from labeling.images.registration import register_image, unregister_image
from labeling.images.similar import in_other_splits
from labeling.images.slides import decline_slide
from labeling.images.tiles import NoSuchTile, read_tile
from labeling.images.uploads import choose_picture, take_files
from labeling.jobs.access import reach_job
from labeling.jobs.contract import JobInFull, job_in_full
from labeling.jobs.models import Job
from labeling.paging import Page, page
from labeling.projects.access import person, reach, reach_project
from labeling.projects.models import Project

# How long a browser shows an image without asking whether its reader may still see it. Long enough for one sitting at a
# field, in which tiles come and go; signing out empties the cache at once (labeling/site/sign_in.py).
IMAGE_SECONDS = 600


class ImageList(APIView):
    @contract(query=ImageListing, answer=Page[ImageAnswer])
    def get(self, request: Request, project: int, *, query: ImageListing) -> Page[ImageAnswer]:
        found = reach_project(request, "see", project)
        images = filtered(found, query).with_specimens()
        return page(images, request, query, ordering=query.ordering, answer=image_answer)

    @once
    @contract(form=UploadForm, answer=JobInFull, status=202)
    def post(self, request: Request, project: int, *, form: UploadForm) -> Reply:
        """Files in the field "image" (one or more) are stored, and read by the job that is the answer."""
        found = reach_project(request, "manage", project)
        facts = UploadRequest(**form.model_dump(exclude={"image"}))
        job = take_files(project=found, owner=person(request), files=form.image, facts=facts)
        return Reply(job_in_full(job), headers={"Location": reverse("job-detail", args=[job.pk])})

    @contract(body=ManyImagesChange, answer=ChangedImages)
    def patch(self, request: Request, project: int, *, body: ManyImagesChange) -> ChangedImages:
        """The same facts for many images; all are changed, or none."""
        found = reach_project(request, "manage", project)
        changed = change_images(project=found, by=person(request), **body.model_dump(exclude_unset=True))
        images = list(found.images.filter(pk__in=body.images))
        moved = in_other_splits(found, images) if "split" in body.model_fields_set else []
        return ChangedImages(changed=changed, alike=alike_answers(moved))


class Choice(APIView):
    """Which picture of a file is meant, for files of a job that hold several."""

    @contract(body=ChoiceBody, answer=JobInFull, status=202)
    def post(self, request: Request, job: int, *, body: ChoiceBody) -> JobInFull:
        found = reach_job(person(request), job, Job.CHANGED_BY)
        return job_in_full(choose_picture(job=found, items=body.items, page=body.page, channel=body.channel))


class ImageDetail(APIView):
    @contract(answer=ImageAnswer)
    def get(self, request: Request, image: int) -> Reply:
        images = Image.objects.visible_to(person(request)).with_specimens()
        return tagged(image_answer(reach(images, person(request), "see", pk=image)))

    @contract(body=ImageChange, answer=ChangedImage)
    @transaction.atomic
    def patch(self, request: Request, image: int, *, body: ImageChange) -> Reply:
        found = reach(Image.objects.visible_to(person(request)), person(request), "manage", pk=image)
        Project.objects.for_change(found.project_id)  # before the image, as in images/facts.py: else two wait for ever
        locked = Image.objects.select_for_update(of=("self",)).select_related("project")
        found = locked.with_specimens().get(pk=found.pk)
        require_match(request, image_answer(found))
        if "registration" in body.model_fields_set:
            _register(found, body.registration)
        facts = body.model_dump(exclude_unset=True, exclude={"registration"})
        changed = change_image(image=found, by=person(request), **facts)
        moved = in_other_splits(found.project, [changed]) if "split" in body.model_fields_set else []
        answer = ChangedImage.model_validate({**image_fields(changed), "alike": alike_answers(moved)})
        return Reply(answer, headers={"ETag": tag_of(image_answer(changed))})


def _register(image: Image, registration: RegistrationIn | None) -> None:
    if registration is None:
        unregister_image(image=image)
    else:
        register_image(image=image, other=registration.image, landmarks=registration.landmarks)


def _file(request: Request, image: Image, part: str, read: Callable[[], Any], content_type: str) -> HttpResponseBase:
    """An image's pixels in some form, kept by this browser for IMAGE_SECONDS; then it asks whether they are the same.

    part  names the form: two forms of one image have different tags
    read  opens the file; not called when the browser has it already
    """
    tag = f'"{image.sha256[:32]}-{part}"'
    answer: HttpResponseBase
    if tag in request.headers.get("If-None-Match", "").split(", "):
        answer = HttpResponse(status=304)
    else:
        answer = FileResponse(read(), content_type=content_type)
    answer["ETag"] = tag
    answer["Cache-Control"] = f"private, max-age={IMAGE_SECONDS}, must-revalidate"
    return answer


class Pixels(APIView):
    @contract(files=("image/png",))
    def get(self, request: Request, image: int) -> HttpResponseBase:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        decline_slide(found)
        return _file(request, found, "pixels", lambda: found.pixels.open("rb"), "image/png")


class Original(APIView):
    """The file as it came. It may name a patient: few may fetch it, it is written down, and no cache keeps it.

    A POST, since it writes: a GET is repeated by caches and followed by whatever looks ahead.
    """

    @contract(body=Nothing, form=ButtonForm, files=("application/octet-stream",))
    def post(self, request: Request, image: int, **given: ButtonForm) -> FileResponse:
        found = reach(Image.objects.visible_to(person(request)), person(request), "originals", pk=image)
        original = fetch_original(image=found, by=person(request))
        response = FileResponse(
            original.open("rb"), as_attachment=True, filename=found.name, content_type="application/octet-stream"
        )
        response["Cache-Control"] = "no-store"
        return response


class Thumbnail(APIView):
    @contract(files=("image/jpeg",))
    def get(self, request: Request, image: int) -> HttpResponseBase:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        return _file(request, found, "thumbnail", lambda: found.thumbnail.open("rb"), "image/jpeg")


def _chosen(image: Image, query: TileQuery) -> tuple[planes.Source | None, planes.Display | None]:
    """What of an image's slide somebody wants to see; (None, None) for the image as it is. Raises Invalid."""
    if query == TileQuery():
        return None, None
    source = planes.source_of(image)
    if source is None:
        words = _("{name} has no channels, planes or colour profile to choose from")
        raise Invalid(words.format(name=image.name), field="channels")
    return source, planes.requested_display(source, page=query.page, channels=query.channels, icc=query.icc == "1")


def _mark(query: TileQuery) -> str:
    """Tells two ways of showing one tile apart, in its ETag."""
    return hashlib.sha256(query.model_dump_json().encode()).hexdigest()[:16]


class Tile(APIView):
    """One tile of an image's pyramid (labeling.images.tiles), as a JPEG.

    Of a slide with several channels or planes, and of its fields, the query says which.
    """

    @contract(query=TileQuery, files=("image/jpeg",))
    def get(
        self, request: Request, image: int, level: int, column: int, row: int, *, query: TileQuery
    ) -> HttpResponseBase:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        source, display = _chosen(found, query)
        part = f"{level}-{column}-{row}{'-' + _mark(query) if display is not None else ''}"
        try:
            tile = partial(read_tile, found, level, column, row, display, source)
            return _file(request, found, part, tile, "image/jpeg")
        except NoSuchTile:
            raise Http404 from None
