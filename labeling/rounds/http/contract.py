"""Rounds, their models and their judges as the API takes and says them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema, create_model

from inference.documents.configuration import RoundConfiguration
from inference.documents.methods import DEFAULT, METHODS, PROMPTERS
from inference.documents.publication import TuningRow
from inference.documents.snapshot import SnapshotSummary
from inference.documents.stage_reports import (
    EvaluationFacts,
    Facts,
    Figures,
    FusionFacts,
    InstanceFacts,
    MissingKind,
    PredictionFacts,
    PseudoMaskFacts,
    TrainingFacts,
    Usage,
)
from labeling.contract import Answer, Body, File, Form, Given, OneOf, Query, QueryId, ShortText, Text
from labeling.numbers import LARGEST
from labeling.paging import Listing
from labeling.rounds.configuration import CHOICES, DEVICES, OWN_PROMPTER, PRESETS, WORDS
from labeling.rounds.methods import Offered
from labeling.rounds.models import ModelVersion, Promotion, ReferenceSet, Round, Stage, Tuning, WeightsImport
from labeling.rounds.weights.starting import FROM_CURRENT, FROM_SHIPPED, Start, Starts

PresetName = Annotated[str, OneOf(PRESETS)]
DeviceName = Annotated[str, OneOf(DEVICES)]


def _prompter(value: object) -> str:
    if isinstance(value, str) and (value in PROMPTERS or OWN_PROMPTER.fullmatch(value)):
        return value
    raise ValueError(f"{{field}} must be one of {', '.join(PROMPTERS)}, or version:ID of a prompter of this project")


_PROMPTER_SCHEMA = {"anyOf": [{"enum": list(PROMPTERS)}, {"type": "string", "pattern": "^version:[1-9][0-9]{0,17}$"}]}
PrompterName = Annotated[str, BeforeValidator(_prompter), WithJsonSchema(_PROMPTER_SCHEMA)]
MethodName = Annotated[str, OneOf(METHODS)]


# -- what is sent


def _changes() -> type[Body]:
    """The settings that people may change, with the bounds that form and engine have; null: as the preset has it."""
    fields: dict[str, Any] = {}
    for choice in CHOICES:
        limit = choice.limit
        bounds = Field(ge=limit.kind(limit.low), le=limit.kind(limit.high), description=choice.help)
        fields[choice.name] = (Annotated[limit.kind, bounds] | None, None)
    for name, words in WORDS.items():
        fields[name] = (Annotated[str, OneOf(words)] | None, None)
    fields["prompter"] = (PrompterName | None, None)
    return create_model("RoundChanges", __base__=Body, __doc__=_changes.__doc__, **fields)


RoundChanges = _changes()


def _weights(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST:
        return str(value)
    if value in (FROM_SHIPPED, FROM_CURRENT):
        return str(value)
    raise ValueError(f"{{field}} must be {FROM_SHIPPED}, {FROM_CURRENT} or the id of a version of this project")


_WEIGHTS_SCHEMA = {"anyOf": [{"enum": [FROM_SHIPPED, FROM_CURRENT]}, {"type": "integer", "minimum": 1}]}
Weights = Annotated[str, BeforeValidator(_weights), WithJsonSchema(_WEIGHTS_SCHEMA)]


class ModelStart(Body):
    """What one model of a round begins with. `as_is`: nothing is trained."""

    weights: Weights = Field(default=FROM_SHIPPED, alias="from")
    as_is: bool = False


class StartBody(Body):
    detector: ModelStart | None = None
    segmenter: ModelStart | None = None

    def as_starts(self) -> Starts:
        given = {"detector": self.detector, "segmenter": self.segmenter}
        return {kind: Start(one.weights, one.as_is) for kind, one in given.items() if one is not None}


class RoundStart(Body):
    """A round to be started. `line_up`: it starts when the round at work has ended."""

    preset: PresetName = "quick"
    changes: RoundChanges | None = None  # type: ignore[valid-type]
    same_patient: bool = False
    start: StartBody | None = None
    line_up: bool = False


class RoundListing(Listing):
    ordering: Literal["-number", "number", "-id", "id"] = "-number"
    state: Annotated[str, OneOf(Round.State)] | None = None
    preset: ShortText | None = None


class VersionListing(Listing):
    ordering: Literal["-id", "id", "-number", "number"] = "-id"
    kind: Annotated[str, OneOf(ModelVersion.Kind)] | None = None
    origin: Annotated[str, OneOf(ModelVersion.Origin)] | None = None


class WeightsListing(Listing):
    ordering: Literal["-id", "id", "name", "-name"] = "-id"
    state: Annotated[str, OneOf(WeightsImport.State)] | None = None


class SetListing(Listing):
    ordering: Literal["-number", "number"] = "-number"


class MaskListing(Listing):
    ordering: Literal["position", "-position", "name", "-name"] = "position"


class BeforeQuery(Query):
    preset: PresetName = "quick"
    device: DeviceName = "auto"
    method: MethodName = DEFAULT
    prompter: PrompterName | None = None


class CompareQuery(Query):
    round: Annotated[list[QueryId], Field(min_length=2, max_length=20)]


class LockBody(Body):
    """`readers`: how many people read each image independently. `origin`: where the masks are from."""

    origin: Annotated[str, OneOf(ReferenceSet.Origin)] = ReferenceSet.Origin.SCRATCH.value
    readers: Annotated[int, Field(ge=1, le=100)] = 1
    note: ShortText = ""


class WeightsForm(Form):
    """Files, and what the data that the weights learned from may be used for."""

    files: list[File] = []
    data_licence: Text = ""
    note: Text = ""


class MasksForm(Form):
    """Label maps; `replace`: those that are there already are replaced."""

    masks: list[File] = []
    replace: bool = False


# -- what is said


class SnapshotAnswer(Answer):
    sha256: str
    summary: Given[SnapshotSummary]


class WaitsAnswer(Answer):
    """Why a stage waits and when it is tried again; `again_at` null: when a worker is there."""

    what: MissingKind
    worker: str | None = None
    queue: str | None = None
    needs: int | None = None
    free: int | None = None
    reason: str
    remedy: str
    again_at: datetime | None


# Of a stage without small results: Facts.
StageFacts = PseudoMaskFacts | TrainingFacts | PredictionFacts | FusionFacts | InstanceFacts | EvaluationFacts | Facts


class StageAnswer(Answer):
    kind: Annotated[str, OneOf(Stage.Kind)]
    name: str
    state: Annotated[str, OneOf(Stage.State)]
    done: int
    total: int
    note: str
    error: str
    attempts: int
    queue: str
    waits: WaitsAnswer | None
    usage: Given[Usage]
    started_at: datetime | None
    finished_at: datetime | None
    facts: Given[StageFacts]


class RoundAnswer(Answer):
    id: int
    project: int
    number: int
    state: Annotated[str, OneOf(Round.State)]
    preset: str
    configuration: Given[RoundConfiguration]
    snapshot: SnapshotAnswer
    cancel_requested: bool
    error: str
    created_at: datetime
    finished_at: datetime | None
    stages: list[StageAnswer]


class LimitAnswer(Answer):
    """What limits a round that is started now, and what helps."""

    code: str
    text: str
    remedy: str


class StartedRound(RoundAnswer):
    limits: list[LimitAnswer]


class EmptyImage(Answer):
    image: int
    why: list[str]


class OutcomeAnswer(Answer):
    """What a finished round proposes; `empty` are the images on which it proposes nothing."""

    images: int
    proposals: int
    boxless: int
    crumbs: int
    empty: list[EmptyImage]
    headline: str


class RoundInFull(RoundAnswer):
    outcome: OutcomeAnswer | None


class EstimateAnswer(Answer):
    """Seconds."""

    low: float
    high: float
    source: str
    load: float
    cores: int


class MethodAnswer(Answer):
    """A method, and the cells that it needs and that there are. `missing` 0: it can start; else `sentence` says why
    not. `prompters`: the nets that it can compose; empty where it takes any prompter, or none."""

    name: str
    title: str
    description: str
    labels: list[str]
    prompters: list[str]
    least: int
    usable: int
    missing: int
    sentence: str


class BeforeAnswer(Answer):
    """`estimate` null: nothing is known of the time. `methods`: all, those that cannot start yet too."""

    limits: list[LimitAnswer]
    estimate: EstimateAnswer | None
    methods: list[MethodAnswer]


def method_answer(one: Offered) -> MethodAnswer:
    return MethodAnswer(
        name=one.method.name,
        title=one.method.title,
        description=one.method.description,
        labels=list(one.method.labels),
        prompters=list(one.method.nets),
        least=one.method.least,
        usable=one.usable,
        missing=one.missing,
        sentence=one.sentence,
    )


class LicenceAnswer(Answer):
    version: str
    licence: str


class VersionAnswer(Answer):
    id: int
    kind: Annotated[str, OneOf(ModelVersion.Kind)]
    number: int
    origin: Annotated[str, OneOf(ModelVersion.Origin)]
    model: str
    architecture: str
    class_names: list[str]
    size: int
    sha256: str
    parent: int | None
    round: int | None
    source: int | None = Field(serialization_alias="import")
    licences: list[LicenceAnswer]
    metrics: Given[Figures]


class ImportAnswer(Answer):
    id: int
    name: str
    state: Annotated[str, OneOf(WeightsImport.State)]
    error: str
    size: int
    data_licence: str
    note: str
    imported_at: datetime
    imported_by: str | None
    versions: list[int]


class PromotionAnswer(Answer):
    round: int
    reason: Annotated[str, OneOf(Promotion.Reason)]
    at: datetime


class FigureAnswer(Answer):
    """A mean with its 95 % interval, null where it cannot be computed, and the difference to the first round."""

    round: int
    mean: float
    low: float | None
    high: float | None
    against_first: dict[str, float | None]


class DifferenceAnswer(Answer):
    name: str
    first: JsonValue
    last: JsonValue


class CostAnswer(Answer):
    """What a round's method learned from and took. Null: not measured, not known, or time of too few people to show."""

    round: int
    method: Annotated[str, OneOf(METHODS)]
    labels: str
    cells: int | None
    trained_parameters: int | None
    training_seconds: float | None
    annotation_seconds: float | None


class CompareAnswer(Answer):
    images: int
    patients: int
    by_patient: bool
    sentences: list[str]
    measures: dict[str, list[FigureAnswer]]
    costs: list[CostAnswer]
    configuration: list[DifferenceAnswer]


class MeanAnswer(Answer):
    """Over the images of a group; the interval is null where it cannot be computed."""

    mean: float
    low: float | None
    high: float | None
    images: int
    patients: int
    stands_out: bool


class GroupAnswer(Answer):
    name: str
    images: int
    measures: dict[str, MeanAnswer]


class FactorAnswer(Answer):
    factor: str
    sentences: list[str]
    groups: list[GroupAnswer]


class DriftAnswer(Answer):
    stated: bool
    sentences: list[str]
    factors: list[FactorAnswer]


class TuningAnswer(Answer):
    """`state` null: nobody has asked. `base` and `best`: parameter -> value, as it was and that of the highest PQ."""

    state: Annotated[str, OneOf(Tuning.State)] | None
    error: str = ""
    requested_at: datetime | None = None
    images: int | None = None
    base: dict[str, float] | None = None
    rows: tuple[TuningRow, ...] | None = None
    best: dict[str, float] | None = None
    seconds: float | None = None


class SetAnswer(Answer):
    """A locked reference set."""

    number: int
    images: int
    patients: int
    origin: Annotated[str, OneOf(ReferenceSet.Origin)]
    readers: int
    note: str
    locked_at: datetime
    locked_by: str | None


class ReferencedImage(Answer):
    image: int
    name: str
    split: str
    locked: bool


class AddedMasks(Answer):
    file: str
    image: int
    cells: int
    replaced: bool
    notes: list[str]


class DeclinedMasks(Answer):
    code: str
    detail: str


class StoredMasks(Answer):
    added: list[AddedMasks]
    declined: list[DeclinedMasks]


class MasksRemoved(Answer):
    image: int
    notes: list[str]
