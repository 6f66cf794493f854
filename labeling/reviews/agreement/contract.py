"""Agreement of readers as the API says it, and as a job's facts keep it."""

from typing import Annotated, Literal

from pydantic import Field

from inference.agreement.readings import LEAST_IOU, MOST_UM
from labeling.contract import Answer, Body, Query

SightName = Literal["blind", "proposals", "others"]
# How classes of a hierarchy are compared: as they were given, so that a class differs from its parent, or each as the
# class at the top above it.
LevelName = Literal["given", "top"]
Um = Annotated[float, Field(gt=0, le=1000)]
Iou = Annotated[float, Field(gt=0, lt=1)]


class AgreementQuery(Query):
    """Which readings are compared, and when two cells are one: by the pixels that they share, or by the distance of
    their centres in µm. `level` "top": each class counts as the one at the top of its hierarchy."""

    sight: SightName = "blind"
    by: Literal["iou", "distance"] = "iou"
    iou: Iou = LEAST_IOU
    um: Um = MOST_UM
    level: LevelName = "given"


class AgreementBody(Body):
    """As AgreementQuery."""

    sight: SightName = "blind"
    by: Literal["iou", "distance"] = "iou"
    iou: Iou = LEAST_IOU
    um: Um = MOST_UM
    level: LevelName = "given"


class MatchingAnswer(Answer):
    by: Literal["iou", "distance"]
    iou: float
    um: float


class AgreementFigure(Answer):
    """`value` null: it is not defined, and `why` says in a word what is missing. `low` and `high` null: no interval,
    and `no_interval` says why. `n` is what the figure rests on."""

    value: float | None
    n: int
    low: float | None
    high: float | None
    why: str
    no_interval: str


class PairAnswer(Answer):
    """Two readers, by the ids of their accounts as text."""

    first: str
    second: str
    images: int
    f1: AgreementFigure
    f1_near: AgreementFigure
    dice: AgreementFigure
    pq: AgreementFigure
    aji: AgreementFigure
    outline_distance: AgreementFigure
    unmatched: AgreementFigure
    kappa: AgreementFigure
    alpha: AgreementFigure
    alpha_no_cell: AgreementFigure


class ClassFigure(Answer):
    name: str
    cells: int
    f1: AgreementFigure


class ImageFigure(Answer):
    image: str
    cells: int
    f1: AgreementFigure
    alpha_no_cell: AgreementFigure
    outline_distance: AgreementFigure


class PlaceFigure(Answer):
    """`votes`: reader -> class, "" for no cell, "?" for a cell without a class."""

    image: str
    kind: Literal["missing", "class", "outline"]
    x: float
    y: float
    worst: float
    votes: dict[str, str]


class AgreementReport(Answer):
    """f1: detection at the IoU; f1_near: by the distance of centres. dice, pq, aji, outline_distance: of cells found by
    both. alpha: Krippendorff's, of the classes of matched cells; alpha_no_cell: with "no cell" as a class; fleiss:
    where every reader has judged. `confusion` has the rows and columns `classes`, each ordered pair of readers
    counted."""

    matching: MatchingAnswer
    readers: list[str]
    images: int
    patients: int
    cells: int
    unit: str
    f1: AgreementFigure
    f1_near: AgreementFigure
    dice: AgreementFigure
    pq: AgreementFigure
    aji: AgreementFigure
    outline_distance: AgreementFigure
    unmatched: AgreementFigure
    alpha: AgreementFigure
    alpha_no_cell: AgreementFigure
    fleiss: AgreementFigure
    pairs: list[PairAnswer]
    by_class: list[ClassFigure]
    classes: list[str]
    confusion: list[list[int]]
    worst_images: list[ImageFigure]
    worst_places: list[PlaceFigure]


class AgreementAnswer(Answer):
    """`images`: how many images have all readings closed, by what their readers had in sight. `report` null: nobody has
    computed it yet; `is_stale`: readings have changed since. `job` is at work on it. `people`: id -> name. `models`:
    which models' proposals were in sight of these readings."""

    images: dict[SightName, int]
    report: AgreementReport | None
    is_stale: bool
    job: int | None
    people: dict[str, str]
    models: list[str]
