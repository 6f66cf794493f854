"""Images over HTTP: uploads, pixels, and everything the workspace needs to open one."""

from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.errors import Invalid
from labeling.images.documents import UploadRequest
from labeling.images.models import Image, ScaleSource, Split
from labeling.images.originals import fetch_original
from labeling.images.sentences import note_sentences
from labeling.images.services import SETTABLE, change_image, change_images
from labeling.images.similar import Alike, in_other_splits, sentence
from labeling.images.slides import decline_slide
from labeling.images.tiles import NoSuchTile, read_tile
from labeling.images.uploads import choose_picture, take_files
from labeling.jobs.access import reach_job
from labeling.jobs.api import job_in_full
from labeling.jobs.models import Job
from labeling.projects.access import person, reach
from labeling.projects.models import Project

# How long a browser shows an image without asking whether its reader may still see it. Long enough for one sitting at a
# field, in which tiles come and go; signing out empties the cache at once (labeling/site/sign_in.py).
IMAGE_SECONDS = 600


class ImageSerializer(serializers.ModelSerializer[Image]):
    notes = serializers.SerializerMethodField(help_text="what people should know of how the file was read")
    has_original = serializers.SerializerMethodField(help_text="whether the file is kept as it came")

    class Meta:
        model = Image
        fields = [
            "id", "name", "kind", "position", "width", "height", "um_per_px", "scale_source", "magnification", "group",
            "scanner", "site", "stain", "split", "synthetic", "low", "high", "notes", "has_original",
        ]  # fmt: skip

    def get_notes(self, image: Image) -> list[str]:
        return note_sentences(image.reading.get("notes", []))

    def get_has_original(self, image: Image) -> bool:
        return bool(image.original)


class FactsSerializer(serializers.Serializer[Any]):
    """What can be said of an image after its upload; what is left out stays as it is."""

    group = serializers.CharField(required=False, allow_blank=True, max_length=200)
    scanner = serializers.CharField(required=False, allow_blank=True, max_length=200)
    site = serializers.CharField(required=False, allow_blank=True, max_length=200)
    stain = serializers.CharField(required=False, allow_blank=True, max_length=200)
    um_per_px = serializers.FloatField(required=False, allow_null=True, min_value=0.001, max_value=1000)
    scale_source = serializers.ChoiceField(choices=[source.value for source in SETTABLE], required=False)
    split = serializers.ChoiceField(choices=Split.choices, required=False)


class ManyFactsSerializer(FactsSerializer):
    images = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), allow_empty=False, max_length=100_000
    )


class UploadSerializer(serializers.Serializer[Any]):
    image = serializers.FileField(allow_empty_file=True)  # an empty one is declined like any other bad file
    group = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    scanner = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    site = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    stain = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    um_per_px = serializers.FloatField(required=False, default=None, allow_null=True, min_value=0.001, max_value=1000)
    scale_source = serializers.ChoiceField(
        choices=[source.value for source in SETTABLE], required=False, default=ScaleSource.TYPED
    )
    split = serializers.ChoiceField(choices=Split.choices, required=False, default=Split.TRAIN)
    page = serializers.IntegerField(required=False, default=None, allow_null=True, min_value=1, max_value=100_000)
    channel = serializers.IntegerField(required=False, default=None, allow_null=True, min_value=1, max_value=10_000)
    open_as = serializers.ChoiceField(choices=["auto", "picture", "slide"], required=False, default="auto")


def alike_json(pairs: list[Alike]) -> list[dict[str, Any]]:
    """Pictures that are nearly the same, each with a sentence; after a change of split those in two splits alone."""
    return [{"images": [pair.image.pk, pair.other.pk], "detail": sentence(pair)} for pair in pairs]


class ImageList(APIView):
    parser_classes = [MultiPartParser, JSONParser]

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        return Response(ImageSerializer(found.images.all(), many=True).data)

    def post(self, request: Request, project: int) -> Response:
        """Files in the field "image" (one or more) are stored, and read by the job that is the answer."""
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        upload = UploadSerializer(data=request.data)
        upload.is_valid(raise_exception=True)
        facts = upload.validated_data
        del facts["image"]
        job = take_files(project=found, owner=person(request), files=files_of(request), facts=UploadRequest(**facts))
        answer = Response(job_in_full(job), status=202)
        answer["Location"] = reverse("job-detail", args=[job.pk])
        return answer

    def patch(self, request: Request, project: int) -> Response:
        """The same facts for many images: {"images": [id, ...], "scanner": "..."}; all are changed, or none."""
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        asked = ManyFactsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = change_images(project=found, **asked.validated_data)
        images = list(found.images.filter(pk__in=asked.validated_data["images"]))
        moved = in_other_splits(found, images) if "split" in asked.validated_data else []
        return Response({"changed": changed, "alike": alike_json(moved)})


def files_of(request: Request) -> list[UploadedFile]:
    """The files of the field "image". Raises Invalid for one in another field, which would otherwise be dropped."""
    others = [name for name in request.FILES if name != "image"]
    if others:
        words = _("there is a file in the field “{name}”; files are taken from the field “image”, as many as you like")
        raise Invalid(words.format(name=others[0]), field=others[0])
    return list(request.FILES.getlist("image"))


class ChoiceSerializer(serializers.Serializer[Any]):
    items = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), allow_empty=False, max_length=1000
    )
    page = serializers.IntegerField(required=False, default=None, allow_null=True, min_value=1, max_value=100_000)
    channel = serializers.IntegerField(required=False, default=None, allow_null=True, min_value=1, max_value=10_000)


class Choice(APIView):
    """Which picture of a file is meant, for files of a job that hold several: {"items": [id, ...], "page": 2}."""

    def post(self, request: Request, job: int) -> Response:
        found = reach_job(person(request), job, Job.CHANGED_BY)
        asked = ChoiceSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(job_in_full(choose_picture(job=found, **asked.validated_data)), status=202)


class ImageDetail(APIView):
    def get(self, request: Request, image: int) -> Response:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        return Response(ImageSerializer(found).data)

    def patch(self, request: Request, image: int) -> Response:
        found = reach(Image.objects.visible_to(person(request)), person(request), "manage", pk=image)
        asked = FactsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = change_image(image=found, **asked.validated_data)
        moved = in_other_splits(found.project, [changed]) if "split" in asked.validated_data else []
        return Response(ImageSerializer(changed).data | {"alike": alike_json(moved)})


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
    def get(self, request: Request, image: int) -> HttpResponseBase:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        decline_slide(found)
        return _file(request, found, "pixels", lambda: found.pixels.open("rb"), "image/png")


class Original(APIView):
    """The file as it came. It may name a patient: few may fetch it, it is written down, and no cache keeps it.

    A POST, since it writes: a GET is repeated by caches and followed by whatever looks ahead.
    """

    parser_classes = [FormParser, MultiPartParser, JSONParser]  # the settings page sends a plain form

    def post(self, request: Request, image: int) -> FileResponse:
        found = reach(Image.objects.visible_to(person(request)), person(request), "originals", pk=image)
        original = fetch_original(image=found, by=person(request))
        response = FileResponse(
            original.open("rb"), as_attachment=True, filename=found.name, content_type="application/octet-stream"
        )
        response["Cache-Control"] = "no-store"
        return response


class Thumbnail(APIView):
    def get(self, request: Request, image: int) -> HttpResponseBase:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        return _file(request, found, "thumbnail", lambda: found.thumbnail.open("rb"), "image/jpeg")


class Tile(APIView):
    """One tile of an image's pyramid (labeling.images.tiles), as a JPEG."""

    def get(self, request: Request, image: int, level: int, column: int, row: int) -> HttpResponseBase:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        try:
            part = f"{level}-{column}-{row}"
            return _file(request, found, part, lambda: read_tile(found, level, column, row), "image/jpeg")
        except NoSuchTile:
            raise Http404 from None
