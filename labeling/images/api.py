"""Images over HTTP: uploads, pixels, and everything the workspace needs to open one."""

from typing import Any

from django.http import FileResponse, Http404
from rest_framework import serializers
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.access import person, reach
from labeling.errors import Invalid
from labeling.images.models import Image, Split
from labeling.images.services import add_image, change_image, change_images
from labeling.images.similar import Alike, in_other_splits, pairs_with, sentence
from labeling.images.tiles import NoSuchTile, read_tile
from labeling.projects.models import Project

MOST_BYTES = 512 * 1024 * 1024


class ImageSerializer(serializers.ModelSerializer[Image]):
    class Meta:
        model = Image
        fields = [
            "id", "name", "position", "width", "height", "um_per_px", "group", "scanner", "site", "stain", "split",
            "synthetic",
        ]  # fmt: skip


class FactsSerializer(serializers.Serializer[Any]):
    """What can be said of an image after its upload; what is left out stays as it is."""

    group = serializers.CharField(required=False, allow_blank=True, max_length=200)
    scanner = serializers.CharField(required=False, allow_blank=True, max_length=200)
    site = serializers.CharField(required=False, allow_blank=True, max_length=200)
    stain = serializers.CharField(required=False, allow_blank=True, max_length=200)
    um_per_px = serializers.FloatField(required=False, allow_null=True, min_value=0.001, max_value=1000)
    split = serializers.ChoiceField(choices=Split.choices, required=False)


class ManyFactsSerializer(FactsSerializer):
    images = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), allow_empty=False, max_length=100_000
    )


class UploadSerializer(serializers.Serializer[Any]):
    image = serializers.FileField()
    group = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    scanner = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    site = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    stain = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    um_per_px = serializers.FloatField(required=False, default=None, allow_null=True, min_value=0.001, max_value=1000)
    split = serializers.ChoiceField(choices=Split.choices, required=False, default=Split.TRAIN)


def alike_json(pairs: list[Alike]) -> list[dict[str, Any]]:
    """Pictures that are nearly the same, each with a sentence; after a change of split those in two splits alone."""
    return [{"images": [pair.image.pk, pair.other.pk], "detail": sentence(pair)} for pair in pairs]


class ImageList(APIView):
    parser_classes = [MultiPartParser, JSONParser]

    def get(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "see", project="", pk=project)
        return Response(ImageSerializer(found.images.all(), many=True).data)

    def post(self, request: Request, project: int) -> Response:
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        upload = UploadSerializer(data=request.data)
        upload.is_valid(raise_exception=True)
        file = upload.validated_data.pop("image")
        if file.size > MOST_BYTES:
            raise Invalid(f"{file.name} is larger than {MOST_BYTES // 2**20} MiB", field="image")
        image = add_image(project=found, name=file.name, content=file.read(), **upload.validated_data)
        return Response(ImageSerializer(image).data | {"alike": alike_json(pairs_with(found, [image]))}, status=201)

    def patch(self, request: Request, project: int) -> Response:
        """The same facts for many images: {"images": [id, ...], "scanner": "..."}; all are changed, or none."""
        found = reach(Project.objects.visible_to(person(request)), person(request), "manage", project="", pk=project)
        asked = ManyFactsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = change_images(project=found, **asked.validated_data)
        images = list(found.images.filter(pk__in=asked.validated_data["images"]))
        moved = in_other_splits(found, images) if "split" in asked.validated_data else []
        return Response({"changed": changed, "alike": alike_json(moved)})


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


def _file(file: Any, content_type: str) -> FileResponse:
    """An image's pixels in some form: they never change, so the browser keeps them for a year."""
    response = FileResponse(file, content_type=content_type)
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


class Pixels(APIView):
    def get(self, request: Request, image: int) -> FileResponse:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        return _file(found.pixels.open("rb"), "image/png")


class Thumbnail(APIView):
    def get(self, request: Request, image: int) -> FileResponse:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        return _file(found.thumbnail.open("rb"), "image/jpeg")


class Tile(APIView):
    """One tile of an image's pyramid (labeling.images.tiles), as a JPEG."""

    def get(self, request: Request, image: int, level: int, column: int, row: int) -> FileResponse:
        found = reach(Image.objects.visible_to(person(request)), person(request), "see", pk=image)
        try:
            return _file(read_tile(found, level, column, row), "image/jpeg")
        except NoSuchTile:
            raise Http404 from None
