"""What is drawn on one image, as the API says it in JSON, and the simple verbs on it."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from labeling.annotations.contract import Box, MaskAnswer, Reason, VerdictError
from labeling.contract import Answer, Body, Id, OneOf, Query
from labeling.exchange.selection import Part

MOST_NAMED = 2000  # annotations a request: as many as one operation may touch


class DrawnQuery(Query):
    """`include` is masks, boxes, points, regions and cannot_tell where nothing is named."""

    include: list[Annotated[str, OneOf(Part)]] = []


class CellAnswer(Answer):
    """`box` is x0, y0, x1, y1 in image pixels, half-open; x, y, x, y of a cell that is a point. `part` says what it is;
    `score` is a proposal's doubt.

    `mask` is packed: width * height bits row by row, high bit first, in base64 (docs/api.md).
    """

    id: UUID
    part: Annotated[str, OneOf(Part)]
    box: Box
    mask: MaskAnswer | None
    label_class: int | None
    author: str
    reader: str
    reason: str
    attributes: dict[str, str]
    parent: UUID | None
    score: float | None
    provenance: dict[str, Any]


class RegionAnswer(Answer):
    id: UUID
    kind: str
    box: Box
    author: str
    reader: str


class DrawnAnswer(Answer):
    """`log` is how far the log of each layer had gone: two answers with the same positions say the same."""

    image: int
    width: int
    height: int
    cells: list[CellAnswer]
    regions: list[RegionAnswer]
    log: dict[str, int]


Named = Annotated[list[UUID], Field(min_length=1, max_length=MOST_NAMED)]


class AcceptBody(Body):
    """`ids` are of proposals or of your layer's cells. `label_class` null leaves the class."""

    ids: Named
    label_class: Id | None = None


class RejectBody(Body):
    ids: Named
    reason: Reason = "not_a_cell"


class RelabelBody(Body):
    """`label_class` null takes the class away."""

    ids: Named
    label_class: Id | None


class DecidedCell(Answer):
    """`id` as it was sent, `annotation` the cell on your layer. `verdict`: accepted, unchanged (it was so already),
    stale, invalid or kept, as for operations."""

    id: UUID
    annotation: UUID | None
    verdict: str
    error: VerdictError | None


class DecidedCells(Answer):
    layer: UUID
    seq: int
    results: list[DecidedCell]
