"""Missed cells of a lot: random fields in which somebody points at every cell without seeing the proposals.

The images of the lot are divided into fields of about FIELD diameters of the usual cell. Drawn fields are annotated in
a random order; a cell is missed where no proposal, and no cell that a person drew, can be matched to its point. Only
fields before the first one without points count: a sample from which somebody skips the crowded ones is no random one.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product, takewhile

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from inference.certificates.whole_fields import missed_share
from labeling.accounts.models import User
from labeling.annotations.models import Annotation
from labeling.errors import Invalid, WrongState
from labeling.images.crops import Cutter, Square, as_jpeg
from labeling.images.models import Image
from labeling.reviews.certificates.freezing import OpenProposals
from labeling.reviews.certificates.models import Lot, LotField, LotState, layer_of

FIELD = 12.0  # side of a field, in diameters of the usual cell
RIM = 2.0  # diameters of tissue around a field, so that a cell at its edge is seen whole
PICTURE = 1024  # pixels
MOST_FIELDS = 300
MOST_POINTS = 1000  # of a field

Floats = npt.NDArray[np.float64]
Rectangle = tuple[float, float, float, float]  # x0, y0, x1, y1, image pixels


class TooFewFields(WrongState):
    """The images of the lot have fewer fields than are to be drawn."""

    code = "too_few_fields"


class AnnotatedAlready(WrongState):
    """Somebody has pointed at the cells of this field."""

    code = "annotated_already"


@dataclass(frozen=True)
class Missed:
    """fields: drawn; annotated: of these, so far; cells, missed: in those that count. limit: upper confidence limit of
    the share of missed cells, averaged over all fields of the lot's images; None while nothing is certified."""

    fields: int
    annotated: int
    cells: int
    missed: int
    limit: float | None


def draw_fields(
    lot: Lot, proposals: Sequence[OpenProposals], wanted: int, generator: np.random.Generator
) -> list[LotField]:
    """`wanted` random fields of the images of a lot, in the order of annotating; the lot keeps of how many they were
    drawn. Raises TooFewFields."""
    diameter = _usual_diameter(proposals)
    places: list[tuple[Image, Rectangle]] = []
    for one in proposals:
        image = one.image
        side = FIELD * diameter / (image.um_per_px or 1.0)
        places += [(image, rectangle) for rectangle in divided(image.width, image.height, side)]
    if len(places) < wanted:
        words = _("these images have only {n} fields; draw fewer, or choose more images")
        raise TooFewFields(words.format(n=len(places)))
    lot.fields_total = len(places)
    rows = []
    drawn = generator.choice(len(places), wanted, replace=False)
    for position, place in enumerate(drawn.tolist(), start=1):
        image, (x0, y0, x1, y1) = places[place]
        rows.append(LotField(lot=lot, position=position, image=image, x0=x0, y0=y0, x1=x1, y1=y1))
    return rows


def _usual_diameter(proposals: Sequence[OpenProposals]) -> float:
    """µm where the images have a scale; else image pixels."""
    sides = [one.side * (one.image.um_per_px or 1.0) for one in proposals]
    return float(np.median(np.concatenate(sides)))


def divided(width: int, height: int, side: float) -> list[Rectangle]:
    """An image in fields of about side x side, which cover it and do not overlap."""
    columns = max(1, round(width / side))
    rows = max(1, round(height / side))
    across = width / columns
    down = height / rows
    found: list[Rectangle] = []
    for row, column in product(range(rows), range(columns)):
        left = column * across
        top = row * down
        found.append((left, top, left + across, top + down))
    return found


@dataclass(frozen=True)
class ShownField:
    """picture: JPEG in base64, a square; frame: the field in it, x0, y0, x1, y1 from 0 to 1. Where it lies is not
    said."""

    position: int
    picture: str
    frame: Rectangle


def shown_field(lot: Lot) -> ShownField | None:
    """The first field without points, with no proposal drawn; None where none is left or its image is deleted."""
    row = lot.fields.filter(points__isnull=True).select_related("image__slide_file").order_by("position").first()
    if row is None or row.image.deleted_at is not None:
        return None
    square = square_of(row)
    picture = Cutter(row.image).cut(square, PICTURE)
    encoded = base64.b64encode(as_jpeg(picture))
    left = (row.x0 - square.x) / square.side
    top = (row.y0 - square.y) / square.side
    right = (row.x1 - square.x) / square.side
    bottom = (row.y1 - square.y) / square.side
    return ShownField(row.position, encoded.decode(), (left, top, right, bottom))


def square_of(row: LotField) -> Square:
    """What is shown of a field: the field and RIM around it."""
    longer = max(row.x1 - row.x0, row.y1 - row.y0)
    magnified = 1 + 2 * RIM / FIELD
    return Square.around((row.x0, row.y0, row.x1, row.y1), longer * magnified)


@transaction.atomic
def annotate_field(*, lot_id: int, by: User, position: int, points: Sequence[tuple[float, float]]) -> LotField:
    """Keep where somebody saw cells in a field, and match them with what is proposed. Sent twice it is one.

    points  x, y in the picture, 0 to 1, one for each cell whose middle lies in the field

    Raises AnnotatedAlready, WrongState, Archived, Invalid for a point outside the field.
    """
    lot = Lot.objects.select_for_update(of=("self",)).select_related("project").get(pk=lot_id)
    lot.project.decline_if_archived()
    if lot.state != LotState.OPEN:
        raise WrongState(_("this lot is not being judged any more"))
    row = lot.fields.select_related("image__project").filter(position=position).first()
    if row is None:
        raise Invalid(_("the sample has no field {n}").format(n=position), field="position")
    square = square_of(row)
    in_picture = np.array(points, np.float64).reshape(-1, 2)
    placed = in_picture * square.side + (square.x, square.y)
    kept = np.round(placed, 2).tolist()
    if row.points is not None:
        is_same = row.points == kept
        if is_same and row.annotated_by_id == by.pk:
            return row
        raise AnnotatedAlready(_("field {n} of the sample is annotated already").format(n=position))
    if not _are_inside(row, placed):
        raise Invalid(_("a point lies outside the field"), field="points")
    row.points = kept
    row.annotated_by = by
    row.annotated_at = timezone.now()
    row.cells = len(kept)
    row.missed = unmatched(placed, _boxes(lot, row))
    row.save(update_fields=["points", "annotated_by", "annotated_at", "cells", "missed"])
    return row


def _are_inside(row: LotField, points: Floats) -> bool:
    least = (row.x0 - 1, row.y0 - 1)  # 1 px: where the picture was rounded
    most = (row.x1 + 1, row.y1 + 1)
    is_inside = (points >= least) & (points <= most)
    return bool(is_inside.all())


def _boxes(lot: Lot, row: LotField) -> Floats:
    """(n, 4): what is proposed on the layer of the lot, and what people drew, where it touches the field."""
    working = layer_of(row.image)
    cells = Annotation.objects.filter(kind=Annotation.Kind.CELL, deleted=False)
    near = cells.filter(x0__lte=row.x1, x1__gte=row.x0, y0__lte=row.y1, y1__gte=row.y0)
    frozen = lot.images.get(image=row.image_id)
    corners = ("x0", "y0", "x1", "y1")
    found = list(near.filter(layer=frozen.layer).values_list(*corners))
    if working is not None:
        drawn = near.filter(layer=working, derived_from__isnull=True)
        found += drawn.filter(status=Annotation.Status.CONFIRMED).values_list(*corners)
    return np.array(found, np.float64).reshape(-1, 4)


def unmatched(points: Floats, boxes: Floats) -> int:
    """How many points are left when as many as possible are matched with a box that holds them, each box once.

    points  (n, 2); boxes: (m, 4), x0, y0, x1, y1 in the same frame
    """
    if not len(points) or not len(boxes):
        return len(points)
    left, top, right, bottom = boxes.T
    x = points[:, :1]
    y = points[:, 1:]
    is_across = (x >= left) & (x <= right)
    is_down = (y >= top) & (y <= bottom)
    is_inside = is_across & is_down
    matched = maximum_bipartite_matching(csr_array(is_inside), perm_type="column")
    return int((matched < 0).sum())


def missed_of(lot: Lot, alpha: float) -> Missed:
    """What the annotated fields show so far. alpha: of this claim alone."""
    rows = list(lot.fields.order_by("position"))
    counting = list(takewhile(is_annotated, rows))
    cells = [row.cells or 0 for row in counting]
    missed = [row.missed or 0 for row in counting]
    limit = missed_share(missed, cells, lot.fields_total, alpha)
    return Missed(len(rows), sum(map(is_annotated, rows)), sum(cells), sum(missed), limit)


def is_annotated(row: LotField) -> bool:
    return row.points is not None
