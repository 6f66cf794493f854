"""Everything but pixels and cells that the workspace needs to open an image."""

from typing import Any
from uuid import UUID

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.reading import tile_client
from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer, Opinion
from labeling.annotations.services import own_layer, working_layer
from labeling.contract import contract
from labeling.images.models import Image
from labeling.images.tiles import SIDE, is_tiled, sizes
from labeling.projects.access import person, reach
from labeling.projects.contract import class_answers
from labeling.projects.models import Project
from labeling.rounds.models import Publication
from labeling.rounds.results.outcome import on_images
from labeling.rounds.weights.promotion import current_publications
from labeling.studies.models import Item
from labeling.workspace.contract import WorkspaceAnswer
from labeling.workspace.work import work_of


class Workspace(APIView):
    """GET: the image as it is, for everybody who sees it. POST: the same, after making the layer that this person
    writes, where there is none yet: opening an image to look at it writes nothing."""

    @contract(answer=WorkspaceAnswer)
    def get(self, request: Request, image: int) -> WorkspaceAnswer:
        return self._answer(request, self._reach(request, "see", image))

    @contract(answer=WorkspaceAnswer)
    def post(self, request: Request, image: int) -> WorkspaceAnswer:
        found = self._reach(request, "annotate", image)
        working_layer(image=found, user=person(request))
        return self._answer(request, found)

    def _reach(self, request: Request, act: str, image: int) -> Image:
        images = Image.objects.visible_to(person(request)).select_related("project")
        return reach(images, person(request), act, pk=image)

    def _answer(self, request: Request, found: Image) -> WorkspaceAnswer:
        project, user = found.project, person(request)
        siblings = list(project.images.order_by("position").values_list("pk", flat=True))
        place = siblings.index(found.pk)
        role, study = project.role_of(user), study_of(project)
        layers = layers_of(image=found, user=user, is_sheet=study is not None)
        return WorkspaceAnswer.model_validate(
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
                    "role": role,
                    "archived_at": project.archived_at,
                    "records_activity": project.records_activity and project.archived_at is None,
                    "url": reverse("project", args=[project.pk]),
                    "classes": class_answers(project),
                    "attributes": [{"name": name, "values": values} for name, values in project.attributes],
                },
                "person": {"id": user.pk, "name": user.display_name},
                "layers": layers,
                "study": study,
                "work": work_of(found, user, role),
                "people": people_of([UUID(layer["id"]) for layer in layers]),
            }
        )


def described(image: Image) -> dict[str, Any]:  # untyped: WorkspaceAnswer reads it
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


def tiles_of(image: Image) -> dict[str, Any] | None:  # untyped: WorkspaceAnswer reads it
    """Where a large image's tiles are: `url` + "level/column/row/", level 0 the image itself. None: fetch it whole."""
    if not is_tiled(image):
        return None
    if image.is_slide:
        tile_client.prepare()
    url = reverse("image-tile", args=[image.pk, 0, 0, 0]).removesuffix("0/0/0/")
    return {"url": url, "size": SIDE, "levels": len(sizes(image.width, image.height))}


def layers_of(*, image: Image, user: User, is_sheet: bool) -> list[dict[str, Any]]:  # untyped: as above
    """The layers of an image that `user` sees: working layers, imports, and the current round's proposals.

    is_sheet  of a study's item: its proposals are shown without their models

    `base` is the layer whose decisions and counts are this person's picture: the shared one, or the person's own. It is
    the one that is `writable`, when the role allows it and the project is in use.
    """
    mine = own_layer(image=image, user=user)
    publications = current_publications(Image.objects.filter(pk=image.pk))
    proposed = publications.select_related("round", "image", "layer__head").first()
    layers = (
        Layer.objects.visible_to(user)
        .filter(image=image)
        .exclude(kind=Layer.Kind.PREDICTION)
        .select_related("annotator", "head")
        .order_by("created_at")
    )
    in_use = image.project.archived_at is None
    shown = []
    for layer in layers:
        writable = layer == mine and in_use and layer.head.frozen_at is None
        base = is_base(layer, project=image.project, user=user)
        shown.append(_layer(layer, writable=writable, base=base))
    if is_sheet:  # shown without their models: what made them is not the reader's to know
        sheet = Layer.objects.filter(image=image, kind=Layer.Kind.PREDICTION).select_related("annotator", "head")
        shown += [_layer(layer) for layer in sheet]
    elif proposed is not None:
        shown.append(_layer(proposed.layer) | {"publication": _publication(proposed)})
    return shown


def is_base(layer: Layer, *, project: Project, user: User) -> bool:
    """Whether a layer is the one that `user` works on, or would if the role and the project allowed it."""
    shared = project.layering == Project.Layering.SHARED
    return layer.kind == Layer.Kind.WORKING and layer.annotator_id == (None if shared else user.pk)


def people_of(layers: list[UUID]) -> list[dict[str, Any]]:  # untyped: WorkspaceAnswer reads it
    """Who has drawn, decided or given an opinion on these layers, or has one of them: nobody hears of others than those
    whose layers they see."""
    annotations = Annotation.objects.filter(layer_id__in=layers)
    authors = annotations.filter(author__isnull=False).values("author")
    deciders = annotations.filter(decided_by__isnull=False).values("decided_by")
    others = Opinion.objects.filter(annotation__layer_id__in=layers).values("author")
    owners = Layer.objects.filter(pk__in=layers, annotator__isnull=False).values("annotator")
    people = User.objects.filter(pk__in=authors.union(deciders, others, owners)).order_by("pk")
    return [{"id": person.pk, "name": person.display_name} for person in people]


def study_of(project: Project) -> dict[str, Any] | None:  # untyped: WorkspaceAnswer reads it
    """For the sheet of a study's item: what its arm has, and nothing that names the arm."""
    item = Item.objects.filter(sheet=project).select_related("arm").first()
    return {"tools": item.arm.tools, "accepts_many": item.arm.accepts_many} if item else None


def _layer(layer: Layer, *, writable: bool = False, base: bool = False) -> dict[str, Any]:  # untyped: as above
    return {
        "id": str(layer.pk),
        "kind": layer.kind,
        "annotator": layer.annotator and {"id": layer.annotator.pk, "name": layer.annotator.display_name},
        "seq": layer.head.seq,
        "writable": writable,
        "base": base,
        "publication": None,
    }


def _publication(publication: Publication) -> dict[str, Any]:  # untyped: WorkspaceAnswer reads it
    proof = publication.proof
    (outcome,) = on_images([publication])
    shown = ("objective", "flow", "cut", "closed", "ambiguous_share", "components", "free_pixels")
    return {
        "id": str(publication.pk),
        "round": publication.round_id,
        "round_number": publication.round.number,
        "published_at": publication.published_at,
        "models": publication.model_names,
        "proposals": outcome.proposals,
        "why": outcome.why,
        "certificate": {name: getattr(proof, name, None) for name in shown}
        | {"milliseconds": proof.total_milliseconds if proof else 0.0},
    }
