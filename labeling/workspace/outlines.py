"""The outlines of an image's cells as a small picture that lies over its thumbnail."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.masks import unpack
from inference.types import Mask, is_point
from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer, LayerHead
from labeling.annotations.outlines import UNCLASSIFIED, Colour, outline_of
from labeling.contract import contract
from labeling.images.models import Image
from labeling.projects.access import person, reach
from labeling.rounds.weights.promotion import current_publications

MOST_CELLS = 3000  # in a thumbnail more would cover the tissue
MOST_ROWS = 10  # of a mask that give its outline corners: it is seen a few pixels large
DECIDED = (Annotation.Status.CONFIRMED, Annotation.Status.CANNOT_TELL)
COLUMNS = (
    "label_class__color", "x0", "y0", "x1", "y1", "mask_x", "mask_y", "mask_width", "mask_height", "mask_bits",
)  # fmt: skip

Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """Widths in pixels of the screen, further attributes of both paths, and the dashes of the core.

    A dashed core lies on a casing without gaps: dashes of both together make a speckled thumbnail, in which the tissue
    is no longer seen.
    """

    casing: float
    core: float
    more: str = ""
    dashes: str = ""


LINE = Stroke(casing=2, core=1)
DASHED = Stroke(casing=1.2, core=0.8, dashes=' stroke-dasharray="6 2"')
DOT = Stroke(casing=6, core=4, more=' stroke-linecap="round"')


@dataclass(frozen=True)
class Outlines:
    """Outlines by colour, in image pixels: what people drew or accepted, and what is proposed and not decided. That of
    a cell that is a point has one corner."""

    decided: dict[str, list[list[Point]]] = field(default_factory=dict)
    proposed: dict[str, list[list[Point]]] = field(default_factory=dict)


class ThumbnailOutlines(APIView):
    """The cells that this person sees on an image, as outlines of an SVG with the measures of the image. Proposals
    without a verdict are dashed. At most 3,000 cells are drawn."""

    @contract(files=("image/svg+xml",))
    def get(self, request: Request, image: int) -> HttpResponseBase:
        user = person(request)
        found = reach(Image.objects.visible_to(user), user, "see", pk=image)
        layers = shown_layers(found, user)
        tag = tag_of(found, layers)
        if tag in request.headers.get("If-None-Match", "").split(", "):
            answer = HttpResponse(status=304)
        else:
            answer = HttpResponse(as_svg(found, outlines_of(layers)), content_type="image/svg+xml")
        answer["ETag"] = tag
        answer["Cache-Control"] = "private, no-cache"
        return answer


@dataclass(frozen=True)
class ShownLayers:
    """The working layers that a person sees, and the layer of what is proposed now."""

    working: list[Layer]
    proposed: list[Layer]


def shown_layers(image: Image, user: User) -> ShownLayers:
    """What blinding keeps from the person is in neither list."""
    visible = Layer.objects.visible_to(user).filter(image=image)
    publications = current_publications(Image.objects.filter(pk=image.pk)).values_list("layer", flat=True)
    return ShownLayers(
        working=list(visible.filter(kind=Layer.Kind.WORKING).order_by("pk")),
        proposed=list(visible.filter(pk__in=list(publications))),
    )


def tag_of(image: Image, layers: ShownLayers) -> str:
    """Another one after every change of what is drawn."""
    every = [*layers.working, *layers.proposed]
    heads = LayerHead.objects.filter(layer__in=every).order_by("pk")
    changes = list(heads.values_list("pk", "seq"))
    drawn = sorted(str(layer.pk) for layer in every)
    classes = list(image.project.classes.order_by("pk").values_list("pk", "color"))
    state = f"{image.sha256} {drawn} {changes} {classes}"
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:32]}-outlines"'


def outlines_of(layers: ShownLayers) -> Outlines:
    own = Annotation.objects.filter(layer__in=layers.working, deleted=False)
    decisions = own.filter(derived_from__isnull=False).values_list("derived_from", flat=True)
    decided = [uid for uid in decisions if uid is not None]
    cells = own.filter(kind=Annotation.Kind.CELL, status__in=DECIDED)
    proposals = Annotation.objects.filter(layer__in=layers.proposed, kind=Annotation.Kind.CELL, deleted=False)
    drawn = _by_colour(cells, most=MOST_CELLS)
    left = MOST_CELLS - sum(map(len, drawn.values()))
    return Outlines(decided=drawn, proposed=_by_colour(proposals.exclude(uid__in=decided), most=left))


def _by_colour(cells: QuerySet[Annotation], *, most: int) -> dict[str, list[list[Point]]]:
    found: dict[str, list[list[Point]]] = {}
    rows = cells.order_by("pk").values_list(*COLUMNS)[:most]
    for colour, x0, y0, x1, y1, mask_x, mask_y, width, height, bits in rows:
        if bits:
            corners = mask_outline(mask_x, mask_y, unpack(bytes(bits), width, height))
        elif is_point((x0, y0, x1, y1)):
            corners = [(x0, y0)]
        else:
            corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        found.setdefault(colour or UNCLASSIFIED, []).append(corners)
    return found


def mask_outline(x: int, y: int, mask: Mask) -> list[Point]:
    """A rough outline: down the right ends of some rows of the mask, and up their left ends.

    x, y  of the mask's corner, image pixels
    mask  (H, W) bool, with a pixel set at least
    ->    corners, image pixels; a hollow side of the mask is cut off
    """
    filled = np.flatnonzero(mask.any(axis=1))
    rows = filled[np.unique(np.linspace(0, len(filled) - 1, MOST_ROWS).round().astype(int))]
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1)
    tops = rows.astype(float)
    tops[-1] += 1  # the lower edge of the last row
    down = [(float(x + end), float(y + top)) for end, top in zip(right, tops, strict=True)]
    up = [(float(x + start), float(y + top)) for start, top in zip(left, tops, strict=True)]
    return down + up[::-1]


def as_svg(image: Image, outlines: Outlines) -> str:
    """Each outline is a core on its casing, in the colours of the workspace; a point is a dot."""
    paths = []
    for line, by_colour in ((LINE, outlines.decided), (DASHED, outlines.proposed)):
        for colour, cells in sorted(by_colour.items()):
            paths += paths_of([corners for corners in cells if len(corners) > 1], colour, line)
            paths += paths_of([corners for corners in cells if len(corners) == 1], colour, DOT)
    style = "<style>path{fill:none;vector-effect:non-scaling-stroke}</style>"
    size = f'width="{image.width}" height="{image.height}" viewBox="0 0 {image.width} {image.height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{"".join(paths)}</svg>'


def paths_of(cells: Sequence[Sequence[Point]], colour: str, stroke: Stroke) -> list[str]:
    """The casing and the core of these cells; nothing for none."""
    if not cells:
        return []
    drawn = " ".join(map(path_of, cells))
    colours = outline_of(colour)
    casing = f'stroke="{_hex(colours.casing)}" stroke-width="{stroke.casing}"{stroke.more}'
    core = f'stroke="{_hex(colours.core)}" stroke-width="{stroke.core}"{stroke.more}{stroke.dashes}'
    return [f'<path d="{drawn}" {casing}/>', f'<path d="{drawn}" {core}/>']


def _hex(colour: Colour) -> str:
    return f"#{bytes(colour).hex()}"


def path_of(corners: Sequence[Point]) -> str:
    """A closed line; of one corner a line without a length, which round ends make a dot."""
    if len(corners) == 1:
        x, y = corners[0]
        return f"M{x:g} {y:g}h0"
    places = (f"{x:g} {y:g}" for x, y in corners)
    return f"M{'L'.join(places)}Z"
