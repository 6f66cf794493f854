"""Which cells the gallery shows, in which order: the open proposals that a person sees and may decide."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Exists, F, FloatField, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import has_own_layers
from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.rounds.weights.promotion import current_publications

MOST_LISTED = 20_000  # cells of one gallery; the first ones in its order
CONTEXT = 4.0  # side of a crop, in diameters of the usual cell
SAMPLED = 2000  # cells whose sizes say what the usual cell is
ORDERS = ("doubt", "class", "size", "place")


@dataclass(frozen=True)
class Listed:
    """uid, key of its image, class, doubt; doubt is None where the models said nothing."""

    cell: uuid.UUID
    image: int
    label_class: int | None
    doubt: float | None


@dataclass(frozen=True)
class Gallery:
    """total: open proposals; cells: the first of them. diameter: of the usual cell, µm or image pixels."""

    cells: list[Listed]
    total: int
    diameter: float


def gallery_of(
    project: Project,
    user: User,
    order: str,
    classes: Sequence[int],
    images: Sequence[int],
    cells: Sequence[uuid.UUID] = (),
) -> Gallery:
    """The open proposals of a project. classes, images, cells: keys; empty for all."""
    rows = open_proposals(project, user)
    if cells:
        rows = rows.filter(uid__in=cells)
    if classes:
        rows = rows.filter(label_class__in=classes)
    if images:
        rows = rows.filter(layer__image__in=images)
    undecided = rows.exclude(Exists(decisions(project, user).filter(derived_from=OuterRef("uid"))))
    columns = ordered(undecided, order).values_list("uid", "layer__image_id", "label_class_id", "score")
    listed = [Listed(*row) for row in columns[:MOST_LISTED]]
    total = len(listed) if len(listed) < MOST_LISTED else undecided.count()
    return Gallery(listed, total, usual_diameter(rows))


def open_proposals(project: Project, user: User) -> QuerySet[Annotation]:
    """What is proposed now on the images of a project, as far as the person sees it; decided ones among them."""
    visible = proposal_layers(project, user)
    return Annotation.objects.filter(layer__in=visible, kind=Annotation.Kind.CELL, deleted=False)


def proposal_layers(project: Project, user: User) -> QuerySet[Layer]:
    images = Image.objects.filter(project=project)
    layers = current_publications(images).values_list("layer", flat=True)
    return Layer.objects.visible_to(user).filter(pk__in=list(layers))


def written_layers(project: Project, user: User) -> QuerySet[Layer]:
    """The layers that the person writes: their own, and the shared ones of images on which nobody has one."""
    working = Layer.objects.filter(image__project=project, kind=Layer.Kind.WORKING)
    apart = [image.pk for image in project.images.select_related("work_item", "project") if has_own_layers(image)]
    return working.filter(Q(annotator=user) | Q(annotator__isnull=True) & ~Q(image__in=apart))


def decisions(project: Project, user: User) -> QuerySet[Annotation]:
    """What became of proposals on the layers that the person writes."""
    rows = Annotation.objects.filter(deleted=False, derived_from__isnull=False)
    return rows.filter(layer__in=list(written_layers(project, user)), kind=Annotation.Kind.CELL)


def verdicts_by(project: Project, user: User) -> dict[uuid.UUID, int]:
    """Proposal -> what was decided of it on the layers that the person writes: the key of a class, 0 for a cell without
    one, -1 for no cell. Of what somebody could not tell nothing is said, and no retired class is named."""
    found = {}
    columns = ("derived_from", "status", "label_class", "label_class__retired_at")
    for uid, status, label_class, retired_at in decisions(project, user).values_list(*columns):
        if uid is None or status == Annotation.Status.CANNOT_TELL:
            continue
        if status == Annotation.Status.REJECTED:
            found[uid] = -1
        elif retired_at is None:
            found[uid] = label_class or 0
    return found


def ordered(rows: QuerySet[Annotation], order: str) -> QuerySet[Annotation]:
    """Equal ones in the order of their keys, so that a gallery opened twice is the same."""
    doubt = Coalesce(F("score"), 0.0, output_field=FloatField()).desc()
    if order == "class":
        return rows.order_by(F("label_class__position").asc(nulls_last=True), doubt, "pk")
    if order == "size":
        area = (F("x1") - F("x0")) * (F("y1") - F("y0"))
        return rows.annotate(area=area).order_by("-area", "pk")
    if order == "place":
        return rows.order_by("layer__image__position", "pk")
    return rows.order_by(doubt, "pk")


def usual_diameter(rows: QuerySet[Annotation]) -> float:
    """The median of the square roots of the boxes' areas, µm where images have a scale."""
    found = []
    columns = ("x0", "y0", "x1", "y1", "layer__image__um_per_px")
    for x0, y0, x1, y1, scale in rows.order_by("pk").values_list(*columns)[:SAMPLED]:
        side = float(np.sqrt((x1 - x0) * (y1 - y0)))
        found.append(side * (scale or 1.0))
    return float(np.median(found)) if found else 1.0
