"""Slides and their fields as the API says them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from labeling.contract import Answer, Body, Query, ShortText, Text, Whole
from labeling.images.models import SlideField, SlideFile
from labeling.paging import Listing

Path = Annotated[Text, Field(min_length=1, max_length=1000)]
Side = Annotated[int, Field(ge=64, le=8192)]


class Registration(Body):
    """Slides that lie below a root of the server's setting SLIDE_ROOTS, and what holds for all of them."""

    root: ShortText
    paths: Annotated[list[Path], Field(min_length=1, max_length=1000)]
    centre: ShortText = ""
    patient: ShortText = ""
    block: ShortText = ""
    slide: ShortText = ""
    scanner: ShortText = ""
    stain: ShortText = ""
    split: Literal["train", "val", "test"] = "train"
    page: Annotated[int, Field(ge=1, le=100_000)] | None = None
    channel: Annotated[int, Field(ge=1, le=10_000)] | None = None


class JobStarted(Answer):
    """The job that does it; GET /api/v1/jobs/N/ says how far it is."""

    job: int


class Place(Query):
    root: ShortText = ""
    path: Annotated[Text, Field(max_length=1000)] = ""


class Entry(Answer):
    name: str
    folder: bool


class Below(Answer):
    """What can be registered: the roots, and what lies in a folder below one of them."""

    roots: list[str]
    entries: list[Entry]


class SlideAnswer(Answer):
    """What a slide is. `info` is what `boxwise slide info --json` says; `removed` names what was not kept."""

    image: int
    reader: str
    root: str
    info: dict[str, Any]
    removed: list[str]


class RectangleBody(Body):
    x: Whole
    y: Whole
    width: Side
    height: Side


class GridBody(Body):
    size: Side = 500
    overlap: Annotated[int, Field(ge=0, le=8191)] = 0
    tissue: Annotated[float, Field(ge=0, le=1)] = 0.25


class RandomBody(Body):
    count: Annotated[int, Field(ge=1, le=2000)]
    size: Side = 500
    tissue: Annotated[float, Field(ge=0, le=1)] = 0.25
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class NewFields(Body):
    """One of the three."""

    rectangles: Annotated[list[RectangleBody], Field(min_length=1, max_length=2000)] | None = None
    grid: GridBody | None = None
    random: RandomBody | None = None


MethodName = Literal["drawn", "grid", "random"]


class FieldListing(Listing):
    ordering: Literal["id", "-id"] = "id"
    method: MethodName | None = None


class FieldAnswer(Answer):
    image: int
    name: str
    x: int
    y: int
    width: int
    height: int
    method: MethodName
    probability: float | None
    seed: int | None


def slide_answer(slide: SlideFile) -> SlideAnswer:
    return SlideAnswer(
        image=slide.image_id, reader=slide.reader, root=slide.root, info=slide.info, removed=slide.removed
    )


def field_answer(field: SlideField) -> FieldAnswer:
    return FieldAnswer.model_validate(
        {
            "image": field.image_id,
            "name": field.image.name,
            "x": field.x,
            "y": field.y,
            "width": field.width,
            "height": field.height,
            "method": field.method,
            "probability": field.probability,
            "seed": field.seed,
        }
    )
