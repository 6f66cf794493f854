"""The gallery as the API says it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from labeling.annotations.contract import Box, MaskAnswer
from labeling.contract import Answer, Body, Id, InDecimals, InDigits, OneOf, Query
from labeling.gallery.likeness import MOST_LIKE, PROJECTIONS
from labeling.gallery.likeness import ORDERS as LIKENESS_ORDERS
from labeling.gallery.listing import ORDERS

MOST_CROPS = 100
MOST_SHOWN = 500
Keys = Annotated[list[Annotated[int, InDigits]], Field(max_length=1000)]
Milliseconds = Annotated[float, Field(ge=0, le=1e9)]


class GalleryQuery(Query):
    """Open proposals of these classes and images; none named: of all."""

    order: Annotated[str, OneOf(ORDERS)] = "doubt"
    label_class: Keys = []
    image: Keys = []


class GalleryAnswer(Answer):
    """The first cells in the order that was asked for, one entry of each list a cell, and how many there are.

    `images`: key of the image of each cell; `classes`: 0 for none; `doubts`: null where the models said nothing.
    `diameter`: of the usual cell, µm where images have a scale, else image pixels. `least_pixels`, `least_ms`: how
    large and how long a cell was in view before it is accepted with the rest.
    """

    cells: list[UUID]
    images: list[int]
    classes: list[int]
    doubts: list[float | None]
    total: int
    diameter: float
    least_pixels: int
    least_ms: int


class LikenessQuery(Query):
    """The open proposals by what they look like. `like`: cells that others are to look like, decided ones among them;
    without any, the class that the verdicts so far suggest orders them, the most certain first. `duplicates`: pairs
    that look alike side by side. `errors`: those first whose proposed class is least likely. `map`: with `places`,
    by `projection`: the principal components, or the map that a job has made (gallery/map/).
    `of`: these cells alone, as long as they are open."""

    order: Annotated[str, OneOf(LIKENESS_ORDERS)] = "likeness"
    like: Annotated[list[UUID], Field(max_length=MOST_LIKE)] = []
    of: Annotated[list[UUID], Field(max_length=MOST_LIKE)] = []
    projection: Annotated[str, OneOf(PROJECTIONS)] = "pca"
    label_class: Keys = []
    image: Keys = []


class LikenessAnswer(GalleryAnswer):
    """`suggested`: key of a class, -1 for no cell, 0 for nothing, one a cell; `chances`: of that, 0..1. `places`: on
    the map, x and y in 0..1, in the order "map". `learned`: verdicts that the suggestions follow from. `missing`:
    images whose cells nobody has compared yet; `outdated`: images on which people have drawn cells since they were
    compared, not said where `of` names cells; `job`: what compares them, while it is at work, with `percent` done."""

    suggested: list[int]
    chances: list[float]
    places: list[tuple[float, float]]
    learned: int
    missing: list[int]
    outdated: list[int]
    job: int | None
    percent: int
    error: str


class MapAnswer(Answer):
    """The map of neighbours (UMAP). `cells`: that have a place of their own on the one that is kept, of so many that
    were compared when it was made at `made_at`; 0 and null where none is kept. `job`: what makes one, while it is at
    work, with `percent` done; `error`: why the last one failed."""

    cells: int
    of: int
    made_at: datetime | None
    job: int | None
    percent: int
    error: str


class SheetQuery(Query):
    """Up to 100 cells in one picture. `side`: of a crop, as `diameter`; `pixels`: of a crop on the sheet."""

    cell: Annotated[list[UUID], Field(min_length=1, max_length=MOST_CROPS)]
    side: Annotated[float, Field(gt=0, le=1e5), InDecimals]
    pixels: Annotated[int, Field(ge=16, le=512), InDigits] = 128


class CropAnswer(Answer):
    """A cell on a sheet; `at`: its column and row. `corner`, `side`: of the crop, image pixels."""

    cell: UUID
    image: int
    at: tuple[int, int]
    corner: tuple[float, float]
    side: float
    box: Box
    mask: MaskAnswer | None
    label_class: int | None


class SheetAnswer(Answer):
    """`picture`: JPEG in base64. Cells that are gone are left out."""

    crops: list[CropAnswer]
    picture: str
    pixels: int
    columns: int


class ShownBody(Body):
    cell: UUID
    pixels: Annotated[float, Field(ge=0, le=1e5)]
    milliseconds: Milliseconds


class GivenBody(Body):
    """`label_class`: what the cell is accepted with; left out: as proposed."""

    cell: UUID
    verdict: Literal["accept", "reject", "cannot_tell"]
    label_class: Id | None = None


class ScreenBody(Body):
    """What was in view, and what was decided by one act. `milliseconds`: of the whole screen, which all cells share."""

    id: UUID
    order: Annotated[str, OneOf([*ORDERS, *LIKENESS_ORDERS])]
    milliseconds: Milliseconds
    shown: Annotated[list[ShownBody], Field(min_length=1, max_length=MOST_SHOWN)]
    verdicts: Annotated[list[GivenBody], Field(max_length=MOST_SHOWN)] = []
    accepts_rest: bool = False


class ScreenAnswer(Answer):
    """`decided`: verdict -> how many cells. `left_out`: cell -> why it was not decided."""

    id: UUID
    decided: dict[str, int]
    left_out: dict[UUID, str]
    is_undone: bool


class UndoneAnswer(Answer):
    """`changed`: cells that stay as they are, because somebody has changed them since or their image is finished."""

    undone: int
    changed: int
