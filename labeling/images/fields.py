"""Fields: rectangles of a slide that become images of work, with their place on the slide.

Drawn by somebody, all of a grid, or a random part of a grid: of N squares with tissue n are drawn without replacement,
each with probability n / N, from a seed that is stored, so that figures of the fields can be turned into figures of the
slide and the draw can be repeated. A job cuts the fields at full resolution, each in a transaction of its own.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import JsonValue

from inference.documents.base import JsonObject
from inference.documents.reading import Tissue
from inference.reading.slide_entry import tissue_mask
from labeling.accounts.models import User
from labeling.errors import Archived, Invalid, LabelingError
from labeling.images.documents import FieldChoice, FieldsRequest, UploadFacts
from labeling.images.facts import change_image
from labeling.images.models import Image, SlideField
from labeling.images.planes import model_display
from labeling.images.services import AlreadyThere, CannotRead, add_image
from labeling.images.slides import SlideProblem, region
from labeling.jobs.handlers import Result, Tell, describes, handles
from labeling.jobs.items import End, each_item
from labeling.jobs.models import Job, JobItem
from labeling.jobs.services import NewItem, create_job
from labeling.projects.models import Project

SMALLEST, LARGEST = 64, 8192  # px of a field's side
MOST = 2000  # fields of one request
MOST_SQUARES = 1_000_000  # of a grid, with or without tissue: each costs the request some microseconds
SEEDS = 2**31


@dataclass(frozen=True)
class Rectangle:
    """Pixels of the slide's level 0."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Grid:
    """Squares over the whole slide.

    size     px of a side
    overlap  px that neighbours share
    tissue   least share of a square that must show tissue, 0 to 1; 0 for all squares
    """

    size: int = 500
    overlap: int = 0
    tissue: float = 0.25


class NoField(Invalid):
    """What was asked for gives no field."""

    code = "no_field"


# -- which rectangles


def squares(slide: Image, grid: Grid) -> list[Rectangle]:
    """The squares of a grid, row by row; what is left at the right and lower rim is no square. Raises Invalid."""
    _check_side(grid.size, "size")
    if not 0 <= grid.overlap < grid.size:
        raise Invalid(_("the overlap must be from 0 to less than the size"), field="overlap")
    step = grid.size - grid.overlap
    across = range(0, slide.width - grid.size + 1, step)
    down = range(0, slide.height - grid.size + 1, step)
    count = len(across) * len(down)
    if count > MOST_SQUARES:
        words = _("the grid has {n} squares; at most {most} are possible: make them larger, or the overlap smaller")
        raise Invalid(words.format(n=f"{count:,}", most=f"{MOST_SQUARES:,}"), field="size")
    shares = _Tissue(slide)
    found = []
    for y in down:
        for x in across:
            square = Rectangle(x, y, grid.size, grid.size)
            if grid.tissue == 0 or shares.of(square) >= grid.tissue:
                found.append(square)
    return found


class _Tissue:
    """Shares of tissue by an integral picture of the slide's tissue mask."""

    def __init__(self, slide: Image) -> None:
        mask = tissue_mask(Tissue.stored(slide.slide_file.tissue))
        self.scale_x, self.scale_y = mask.shape[1] / slide.width, mask.shape[0] / slide.height
        self.sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
        self.sums[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)

    def of(self, square: Rectangle) -> float:
        height, width = (side - 1 for side in self.sums.shape)
        x0 = min(width - 1, int(square.x * self.scale_x))
        y0 = min(height - 1, int(square.y * self.scale_y))
        x1 = min(width, max(x0 + 1, round((square.x + square.width) * self.scale_x)))
        y1 = min(height, max(y0 + 1, round((square.y + square.height) * self.scale_y)))
        rows = self.sums[y1] - self.sums[y0]
        inside = rows[x1] - rows[x0]
        area = (x1 - x0) * (y1 - y0)
        return float(inside / area)


def drawn(among: Sequence[Rectangle], count: int, seed: int) -> tuple[list[Rectangle], float]:
    """`count` of the rectangles without replacement, in their order -> them, and the probability of each.

    Raises NoField where there is none to draw from.
    """
    if not among:
        raise NoField(_("no square of the grid has so much tissue"), field="tissue")
    count = min(count, len(among))
    places = random.Random(seed).sample(range(len(among)), count)
    chosen = [among[place] for place in sorted(places)]
    return chosen, count / len(among)


def check_slide(image: Image) -> None:
    """Raises Invalid for an image that is no slide."""
    if not image.is_slide:
        words = _("{name} is a picture; fields are made of whole slides")
        raise Invalid(words.format(name=image.name), field="image")


def _check_side(side: int, name: str) -> None:
    if not SMALLEST <= side <= LARGEST:
        words = _("a field’s side must be from {least} to {most} pixels")
        raise Invalid(words.format(least=SMALLEST, most=LARGEST), field=name)


# -- asking for them


def ask_for_drawn(*, slide: Image, owner: User, rectangles: Sequence[Rectangle]) -> Job:
    """Create fields of rectangles that somebody drew. Raises Invalid for one that leaves the slide."""
    for rectangle in rectangles:
        _check_side(rectangle.width, "rectangles")
        _check_side(rectangle.height, "rectangles")
        right, bottom = rectangle.x + rectangle.width, rectangle.y + rectangle.height
        if rectangle.x < 0 or rectangle.y < 0 or right > slide.width or bottom > slide.height:
            words = _("a field must lie inside the slide, which is {width} x {height} pixels")
            raise Invalid(words.format(width=slide.width, height=slide.height), field="rectangles")
    return _ask(slide, owner, rectangles, SlideField.Method.DRAWN)


def ask_for_grid(*, slide: Image, owner: User, grid: Grid) -> Job:
    """Make a field of every square of a grid. Raises Invalid, NoField."""
    found = squares(slide, grid)
    if not found:
        raise NoField(_("no square of the grid has so much tissue"), field="tissue")
    return _ask(slide, owner, found, SlideField.Method.GRID)


def ask_for_random(*, slide: Image, owner: User, grid: Grid, count: int, seed: int | None = None) -> Job:
    """Create fields of a random part of a grid without overlap. Without a seed one is drawn.

    Raises Invalid, NoField.
    """
    if grid.overlap:
        raise Invalid(_("random fields do not overlap"), field="overlap")
    chosen_seed = random.SystemRandom().randrange(SEEDS) if seed is None else seed
    found, probability = drawn(squares(slide, grid), count, chosen_seed)
    return _ask(slide, owner, found, SlideField.Method.RANDOM, probability=probability, seed=chosen_seed)


@transaction.atomic
def _ask(
    slide: Image,
    owner: User,
    rectangles: Sequence[Rectangle],
    method: str,
    *,
    probability: float | None = None,
    seed: int | None = None,
) -> Job:
    """Raises Archived, TooManyJobs, and Invalid for an image that is no slide, or too many fields."""
    check_slide(slide)
    if not 1 <= len(rectangles) <= MOST:
        words = _("{n} fields are too many at once; up to {most} can be made")
        raise Invalid(words.format(n=len(rectangles), most=MOST), field="rectangles")
    Project.objects.for_change(slide.project_id)
    request = FieldsRequest(slide=slide.pk, method=str(method), probability=probability, seed=seed).as_json()
    items = []
    for rectangle in rectangles:
        name = name_of(slide, rectangle)
        choice = FieldChoice(**asdict(rectangle)).as_json()
        items.append(NewItem(name, rectangle.width * rectangle.height, choice=choice))
    return create_job(kind=Job.Kind.FIELDS, project=slide.project, owner=owner, request=request, items=items)


def name_of(slide: Image, rectangle: Rectangle) -> str:
    """The slide's name and the place: names of fields sort by it."""
    stem = slide.name.rpartition(".")[0] or slide.name
    return f"{stem[:200]}_x{rectangle.x:06d}_y{rectangle.y:06d}.png"


# -- cutting them


@handles(Job.Kind.FIELDS)
def cut_fields(job: Job, folder: Path, tell: Tell) -> Result:
    """Cut the fields of the job, one after the other."""
    each_item(job, tell, lambda item, end: cut_field(job, item, end))
    return Result()


def cut_field(job: Job, item: JobItem, end: End) -> None:
    """Make the image of one field; `end` says what came of it, with the image itself or not at all.

    Raises Archived and CannotRead, which no other field of the job would escape.
    """
    asked = FieldsRequest.stored(job.request)
    slide = with_a_patient(Image.objects.select_related("slide_file", "project").get(pk=asked.slide))
    rectangle = Rectangle(**FieldChoice.stored(item.choice).given())
    there = SlideField.objects.filter(slide=slide, **asdict(rectangle)).first()
    if there is not None:
        end(JobItem.State.DONE, facts=UploadFacts(image=there.image_id, code="already_there").as_json())
        return
    box = (float(rectangle.x), float(rectangle.y), float(rectangle.width), float(rectangle.height))
    try:
        channels = job.project.model_channels
        display = model_display(slide.slide_file, channels)
        pixels = region(slide, box, (rectangle.width, rectangle.height), kind="png", display=display, waits=True)

        def stored(image: Image) -> None:
            how = {"method": asked.method, "probability": asked.probability, "seed": asked.seed}
            SlideField.objects.create(image=image, slide=slide, channels=channels, **how, **asdict(rectangle))
            end(JobItem.State.DONE, facts=UploadFacts(image=image.pk).as_json())

        add_image(
            project=job.project, name=item.name, content=pixels, is_original=False, open_as="picture", stored=stored,
            split=slide.split, um_per_px=slide.um_per_px, scale_source=slide.scale_source, scanner=slide.scanner,
            stain=slide.stain, tags=slide.tags, **asdict(slide.specimen),
        )  # fmt: skip
    except (Archived, CannotRead):
        raise
    except AlreadyThere as error:
        end(JobItem.State.DONE, facts=UploadFacts(code=error.code, image=error.image.pk).as_json())
    except (SlideProblem, LabelingError) as error:
        end(JobItem.State.DECLINED, facts=UploadFacts(code=error.code).as_json(), error=str(error))


def with_a_patient(slide: Image) -> Image:
    """A slide of an unknown patient is named as a slide, so that its fields and it share a split from then on.

    By its number: the name of a file may be that of a person.
    """
    if slide.patient is None:
        change_image(image=slide, slide=f"no. {slide.position}")
    return Image.objects.with_specimens().select_related("slide_file", "project").get(pk=slide.pk)


@describes(Job.Kind.FIELDS)
def described(job: Job) -> JsonObject:
    asked = FieldsRequest.stored(job.request)
    items: list[JsonValue] = [_as_json(item) for item in job.items.all()]
    return {"items": items, "method": asked.method, "probability": asked.probability, "seed": asked.seed}


def _as_json(item: JobItem) -> JsonObject:
    return {
        "id": item.pk,
        "name": item.name,
        "state": item.state,
        "detail": item.error,
        "image": UploadFacts.stored(item.facts).image,
        "rectangle": item.choice,
    }


def fields_of(slide: Image) -> Iterator[SlideField]:
    """The fields of a slide with their images, in their order."""
    yield from slide.fields.select_related("image").order_by("image__position")
