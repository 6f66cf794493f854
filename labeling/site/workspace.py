"""Everything but pixels and cells that the workspace needs to open an image."""

from typing import Any
from uuid import UUID

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.access import person, reach
from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import own_layer, working_layer
from labeling.images.models import Image
from labeling.images.tiles import SIDE, is_tiled, sizes
from labeling.projects.api import LabelClassSerializer
from labeling.projects.models import Project
from labeling.rounds.models import Publication
from labeling.rounds.outcome import on_images
from labeling.rounds.promotion import current_publications
from labeling.studies.models import Item


class Workspace(APIView):
    """GET: the image as it is, for everybody who sees it. POST: the same, after making the layer that this person
    writes, where there is none yet: opening an image to look at it writes nothing."""

    def get(self, request: Request, image: int) -> Response:
        return self._answer(request, self._reach(request, "see", image))

    def post(self, request: Request, image: int) -> Response:
        found = self._reach(request, "annotate", image)
        working_layer(image=found, user=person(request))
        return self._answer(request, found)

    def _reach(self, request: Request, act: str, image: int) -> Image:
        images = Image.objects.visible_to(person(request)).select_related("project")
        return reach(images, person(request), act, pk=image)

    def _answer(self, request: Request, found: Image) -> Response:
        project, user = found.project, person(request)
        siblings = list(project.images.order_by("position").values_list("pk", flat=True))
        place = siblings.index(found.pk)
        layers = layers_of(image=found, user=user)
        return Response(
            {
                "image": described(found)
                | {
                    "position": place + 1,
                    "count": len(siblings),
                    "previous": siblings[place - 1] if place else None,
                    "next": siblings[place + 1] if place + 1 < len(siblings) else None,
                },
                "project": {
                    "id": project.pk,
                    "name": project.name,
                    "role": project.role_of(user),
                    "archived_at": project.archived_at,
                    "records_activity": project.records_activity and project.archived_at is None,
                    "url": reverse("project", args=[project.pk]),
                    "classes": LabelClassSerializer(project.classes.all(), many=True).data,
                    "attributes": [{"name": name, "values": values} for name, values in project.attributes],
                },
                "person": {"id": user.pk, "name": user.display_name},
                "layers": layers,
                "study": study_of(project),
                "people": people_of([UUID(layer["id"]) for layer in layers]),
            }
        )


def described(image: Image) -> dict[str, Any]:
    """What a stage needs to show an image's tissue."""
    return {
        "id": image.pk,
        "name": image.name,
        "width": image.width,
        "height": image.height,
        "um_per_px": image.um_per_px,
        "synthetic": image.synthetic,
        "pixels_url": reverse("image-pixels", args=[image.pk]),
        "tiles": tiles_of(image),
        "thumbnail_url": reverse("image-thumbnail", args=[image.pk]),
    }


def tiles_of(image: Image) -> dict[str, Any] | None:
    """Where a large image's tiles are: `url` + "level/column/row/", level 0 the image itself. None: fetch it whole."""
    if not is_tiled(image):
        return None
    url = reverse("image-tile", args=[image.pk, 0, 0, 0]).removesuffix("0/0/0/")
    return {"url": url, "size": SIDE, "levels": len(sizes(image.width, image.height))}


def layers_of(*, image: Image, user: User) -> list[dict[str, Any]]:
    """The layers of an image that `user` sees: working layers, imports, and the current round's proposals."""
    mine = own_layer(image=image, user=user)
    proposed = (
        current_publications(Image.objects.filter(pk=image.pk)).select_related("round", "image", "layer__head").first()
    )
    layers = (
        Layer.objects.visible_to(user)
        .filter(image=image)
        .exclude(kind=Layer.Kind.PREDICTION)
        .select_related("annotator", "head")
        .order_by("created_at")
    )
    in_use = image.project.archived_at is None
    shown = [_layer(layer, writable=layer == mine and in_use) for layer in layers]
    if study_of(image.project):  # shown without their models: what made them is not the reader's to know
        sheet = Layer.objects.filter(image=image, kind=Layer.Kind.PREDICTION).select_related("annotator", "head")
        shown += [_layer(layer, writable=False) for layer in sheet]
    elif proposed is not None:
        shown.append(_layer(proposed.layer, writable=False) | {"publication": _publication(proposed)})
    return shown


def people_of(layers: list[UUID]) -> list[dict[str, Any]]:
    """Whose annotations stand on these layers: nobody hears of others than those whose layers they see."""
    authors = Annotation.objects.filter(layer_id__in=layers, author__isnull=False).values("author").distinct()
    return [{"id": p.pk, "name": p.display_name} for p in User.objects.filter(pk__in=authors).order_by("pk")]


def study_of(project: Project) -> dict[str, Any] | None:
    """For the sheet of a study's item: what its arm has, and nothing that names the arm."""
    item = Item.objects.filter(sheet=project).select_related("arm").first()
    return {"tools": item.arm.tools, "accepts_many": item.arm.accepts_many} if item else None


def _layer(layer: Layer, *, writable: bool) -> dict[str, Any]:
    return {
        "id": str(layer.pk),
        "kind": layer.kind,
        "annotator": layer.annotator and {"id": layer.annotator.pk, "name": layer.annotator.display_name},
        "seq": layer.head.seq,
        "writable": writable,
        "publication": None,
    }


def _publication(publication: Publication) -> dict[str, Any]:
    certificate = publication.certificate
    (said,) = on_images([publication])
    shown = ("objective", "flow", "cut", "closed", "ambiguous_share", "components", "free_pixels")
    return {
        "id": str(publication.pk),
        "round": publication.round_id,
        "round_number": publication.round.number,
        "published_at": publication.published_at,
        "models": publication.model_names,
        "proposals": said.proposals,
        "why": said.why,
        "certificate": {name: certificate.get(name) for name in shown} | {"milliseconds": milliseconds_of(certificate)},
    }


def milliseconds_of(certificate: dict[str, Any]) -> float:
    """How long the fusion took; the certificate may hold it per step."""
    milliseconds = certificate.get("milliseconds", 0)
    if isinstance(milliseconds, dict):
        milliseconds = milliseconds.get("total", sum(milliseconds.values()))
    return float(milliseconds)
