"""What a study's report and its frozen protocol hold, by name: the documents that only studies use.

They are objects of JSON with named keys (TypedDict) and no models, because the protocol is hashed and signed to the
letter: what is frozen must come back as it was written, also the odd values of older versions. `check_frozen` holds a
protocol against its type, unknown keys included, before it is frozen.

Whatever an analysis may not be able to give is a `Figure`: its other keys are absent where `not_computed` is there, and
figures.not_computed is asked first.
"""

from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, JsonValue, TypeAdapter, with_config
from typing_extensions import TypedDict  # that of Python 3.11 cannot be checked by pydantic

Design = Literal["crossover", "williams", "parallel"]
STRICT = ConfigDict(extra="forbid")

# -- the protocol


@with_config(STRICT)
class Measurement(TypedDict):
    idle_after_s: float
    blur_is_away: bool


@with_config(STRICT)
class DeclaredRules(TypedDict, total=False):
    """What every protocol declares (declared.py); absent in a protocol of before."""

    definition: int
    empty_fields: str
    missing_data: str
    multiplicity: str


@with_config(STRICT)
class AnalysisRules(DeclaredRules):
    """What decides a number."""

    reference: str
    confidence: float
    inference: str
    seed: int
    outlier_iqr: float | None
    quality_measure: str
    quality_margin: float


@with_config(STRICT)
class ArmDocument(TypedDict):
    """What a reader has in an arm."""

    name: str
    tools: list[str]
    assistance: str
    accepts_many: NotRequired[bool]
    instructions: NotRequired[str]
    second_tools: NotRequired[list[str]]


@with_config(STRICT)
class FieldDocument(TypedDict):
    """proposals: the layer that the reader sees, in the arms that show proposals.

    cell, frame: of a sampled single cell its number in the reference, and cells.Frame of what is shown
    """

    field: int
    sha256: str
    reference_cells: int
    stratum: str
    training: bool
    proposals: NotRequired[str | None]
    cell: NotRequired[int]
    frame: NotRequired[dict[str, list[int]]]


@with_config(STRICT)
class AllocationRow(TypedDict):
    """design.Planned: item `position` of reader `reader`. part: models.Item.Part, absent for a whole item."""

    reader: int
    position: int
    sequence: str
    period: int
    arm: str
    field: int
    training: bool
    repeat: bool
    part: NotRequired[str]


@with_config(STRICT)
class Conduct(TypedDict):
    """How readers go through the study: what they read, breaks, practice, and the gap between two sittings.

    unit              models.Unit
    time_box_minutes  after which the clock ends a field; absent before there were time boxes
    practice_quality  Dice to be reached in practice before the measured items; None: no criterion
    """

    unit: str
    time_box_minutes: NotRequired[int | None]
    gap_days: int
    sitting_minutes: int | None
    break_minutes: int
    practice_quality: float | None


@with_config(STRICT)
class InterimLookEntry(TypedDict):
    """A look at results by arm before the lock; by: the role in the project."""

    at: str
    by: str
    reason: str


@with_config(STRICT)
class AmendmentEntry(TypedDict, total=False):
    """One changed value of the frozen protocol; entries of before hold less, and odd values.

    at            ISO 8601
    by            pseudonym or role, where it is known
    what          the field of the protocol, or amending.EXCLUDED or OUTSIDE_ARM
    label         the same in words, English
    before, after values as the protocol holds them; before is null for what happened rather than changed
    results_seen  whether results by arm had been seen by then; null: not recorded
    applied       false for a value that the protocol would not take, which is read and has no effect
    """

    at: str
    by: str
    what: str
    label: str
    before: JsonValue
    after: JsonValue
    reason: str
    results_seen: bool | None
    applied: bool


@with_config(STRICT)
class FrozenProtocol(TypedDict):
    """Everything that decides the result, as it is hashed.

    version      of this document; absent in the first one (upgrades.py says what an older one means)
    mask_models  what makes masks from readers' own boxes, as masks.frozen_models says
    """

    version: NotRequired[int]
    conduct: NotRequired[Conduct]
    size_justification: NotRequired[str]
    controller: NotRequired[str]
    contact: NotRequired[str]
    name: str
    hypothesis: str
    outcome: str
    measurement: Measurement
    analysis: AnalysisRules
    exclusion_rules: str
    design: Design
    seed: int
    washout_days: int
    strata: str
    public_title: NotRequired[str]
    models_trained_elsewhere: NotRequired[list[str]]
    mask_models: NotRequired[JsonValue]
    arms: list[ArmDocument]
    fields: list[FieldDocument]
    allocation: list[AllocationRow]
    consent_text: str
    ethics_reference: str
    retention_until: str | None
    withdrawal_after_lock: str


class Protocol(FrozenProtocol):
    """The protocol as amended, with its amendments and the looks at results (amending.effective)."""

    amendments: list[AmendmentEntry]
    looks: list[InterimLookEntry]


_FROZEN = TypeAdapter(FrozenProtocol)


def check_frozen(protocol: FrozenProtocol) -> None:
    """Hold a protocol against its type before it is hashed. Raises pydantic.ValidationError, which names the path."""
    _FROZEN.validate_python(protocol)


class OutsideReading(TypedDict):
    """A field that was read in another program.

    saved_at  when its file was last written; outside.NEVER where that says nothing
    timing    where its time is from (other_programs.py); absent: the gap since the saving before
    seconds   its time; None where there is none
    """

    field: int
    layer: str
    file: str
    cells: int
    left_out: int
    saved_at: str
    timing: NotRequired[str]
    seconds: NotRequired[float | None]


class OutsideArm(TypedDict):
    name: str
    tool: str
    readings: list[OutsideReading]


# -- the numbers of a report (analysis/report.py)


class Figure(TypedDict):
    """Something that may not be computable; `not_computed` is then the only key, with the reason."""

    not_computed: NotRequired[str]


def not_known(reason: str) -> Any:
    """A Figure of any kind that could not be computed."""
    return {"not_computed": reason}


class Interval(Figure):
    """An end that the data do not bound is a Figure with its reason."""

    low: float | Figure
    high: float | Figure


class Summary(Figure):
    n: int
    mean: float
    sd: float
    median: float | None
    low: float
    high: float
    geometric_mean: NotRequired[float | None]
    confidence: NotRequired[float]


class CellCounts(TypedDict):
    """What became of reference cells (quality.Detection), at an intersection over union of 0.5."""

    found: int
    merged: int
    split: int
    missed: int
    false: int
    pieces: int


class CountedArm(TypedDict):
    """What is counted of an arm, whether it was read here or in another program."""

    fields: int
    reference_cells: int
    seconds_per_cell: Summary
    dice: float | Figure
    pq: float | Figure
    detection: CellCounts
    empty_fields: NotRequired[int]


class ArmNumbers(CountedArm):
    mean: float
    of_readers: Summary
    phases_per_cell: dict[str, float]
    beside_per_cell: dict[str, float]
    phases: dict[str, Summary]
    machine_s_per_cell: float | None


class OutsideNumbers(CountedArm):
    """An arm that was read in another program: described, never compared."""

    arm: str
    tool: str
    cells: int
    left_out: int
    timed_fields: int
    timing: str
    reservation: str


class Quality(Figure):
    measure: str
    reference_mean: float
    arm_mean: float
    difference: float
    low: float
    margin: float
    p: float
    df: int
    passed: bool


class Test(Figure):
    p: float
    p_adjusted: float


class TTest(Test):
    df: float


class Permutation(Test):
    allocations: int
    drawn: int


class GeometricRatio(TypedDict):
    ratio: float
    interval: Interval


class Time(Figure):
    reference: str
    arm: str
    readers: int
    mean_reference: float
    mean_arm: float
    difference: float
    ratio: float
    reduction: float
    interval: Interval
    reduction_interval: Interval
    test: TTest
    permutation: Permutation
    bootstrap: Interval
    geometric: GeometricRatio
    method: str


class FixedQuality(Figure):
    estimate: float
    low: float


class FixedReaders(Figure):
    """A comparison that speaks of these readers alone."""

    title: str
    readers: int
    fields: int
    ratio: float
    interval: Interval
    df: int
    p: float | Figure
    quality: FixedQuality
    margin: float | None
    passed: bool


class ContrastNumbers(TypedDict):
    arm: str
    quality: Quality
    time: Time
    fixed_readers: FixedReaders


class Scenario(Figure):
    name: str
    readers: int
    ratio: float
    interval: Interval


class MissingNumbers(Figure):
    arm: str
    unfinished: int
    scenarios: list[Scenario]


class MixedNumbers(Figure):
    """analysis.mixed.Mixed."""

    measure: str
    estimate: float
    low: float
    high: float
    df: float
    p: float
    reader: float | None
    slope: float | None
    field: float | None
    field_slope: float | None
    residual: float
    fit: str
    at_zero: list[str]
    fields: int
    readers: int


class FullyCrossedNumbers(Figure):
    """analysis.fully_crossed.FullyCrossed."""

    difference: float
    low: float
    high: float
    df: float
    p: float
    readers: int
    fields: int


class JointNumbers(Figure):
    """analysis.joint.Joint."""

    arm: str
    measure: str
    log_ratio: float
    difference: float
    covariance: list[list[float]]
    reach: float
    df: int
    readers: int


class SpecificationNumbers(Figure):
    """analysis.specifications.Specification."""

    arm: str
    idle_after_s: float
    outlier_iqr: float | None
    start: str
    declared: bool
    readers: int
    fields: int
    ratio: float
    interval: Interval


class Trend(Figure):
    arm: str
    per_field: float
    low: float
    high: float
    fields: int


class CarryOver(Figure):
    p: float
    difference: float
    sequences: tuple[str, str]


class Rereading(Figure):
    n: int
    bias: float
    bias_low: float
    bias_high: float
    low: float
    high: float


class AgreementGroup(Figure):
    sequence: str
    icc: float
    fields: int
    readers: int


class CutOffContrast(Figure):
    arm: str
    ratio: float
    interval: Interval


class CutOff(TypedDict):
    """Active and idle seconds of the fields analysed under one idle cut-off, and the comparisons."""

    idle_after_s: float
    active_s: float
    idle_s: float
    contrasts: list[CutOffContrast]


class SessionCheck(TypedDict):
    """What is wrong with the record of one session (attribution.Checks)."""

    session: str
    events: int
    duplicates: int
    gaps: int
    missing_events: int
    gap_ms: float
    lost_tail: int
    no_farewell: bool
    backwards: int
    clock_jumps: int
    frozen: int
    frozen_ms: float
    stalls: int
    resent: int


class ReaderFlow(TypedDict):
    """Measured items of one reader in one arm, and why some do not count: reason -> items."""

    allocated: int
    opened: int
    completed: int
    analysed: int
    left_out: dict[str, int]


class ArmFlow(TypedDict):
    """Measured items. by_reader: pseudonym -> the same of one reader."""

    allocated: int
    analysed: int
    by_reader: NotRequired[dict[str, ReaderFlow]]


class ReaderRow(TypedDict):
    """A reader in table 1. experience_years: None where the reader did not say."""

    participant: str
    profession: str
    experience_years: float | None
    sequence: str
    state: str


class FieldsRow(TypedDict):
    """The measured fields of an arm in table 1."""

    arm: str
    fields: int
    cells_least: int
    cells_median: float
    cells_most: int


class TableOne(TypedDict):
    readers: list[ReaderRow]
    fields: list[FieldsRow]


class Flow(TypedDict):
    """What a CONSORT diagram shows; excluded: reason -> items."""

    readers: int
    readers_withdrawn: int
    readers_analysed: int
    allocated: int
    opened: int
    completed: int
    analysed: int
    excluded: dict[str, int]
    by_arm: dict[str, ArmFlow]


class PlanNumbers(TypedDict):
    """analysis.plan.Plan."""

    reference: str
    others: list[str]
    kind: str
    confidence: float
    seed: int
    idle_after_s: float
    blur_is_away: bool
    outlier_iqr: float | None
    quality_measure: str
    quality_margin: float | None
    multiplicity: str
    definition: int
    notes: list[str]
    unit: str


class MeasuringRules(TypedDict):
    idle_after_s: float
    blur_is_away: bool


class Outlier(TypedDict):
    item: int
    arm: str
    participant: str


class ReaderRate(TypedDict):
    """Seconds per reference cell of a reader in an arm."""

    participant: str
    arm: str
    rate: float


class FieldRow(TypedDict):
    """An analysed field, of whose columns (dictionary.DICTIONARY, analysis/fields.py) these are read by name."""

    arm: str
    participant: str
    sequence: str
    period: int
    field: int
    position: int
    counts: bool
    active_s: float
    reference_cells: int


class GestureNumbers(TypedDict):
    """Gestures per finished cell, the keystroke-level model of them, and what was measured."""

    gestures: int
    cells: int
    gestures_per_cell: float | None
    model_s_per_cell: float | None
    measured_s_per_cell: float | None


class Numbers(TypedDict):
    """Every number of a report."""

    definition: int
    rules: MeasuringRules
    plan: PlanNumbers
    flow: Flow
    table_one: TableOne
    arms: dict[str, ArmNumbers]
    training_s: dict[str, float]
    contrasts: list[ContrastNumbers]
    missing: list[MissingNumbers]
    outliers: list[Outlier]
    with_outliers: Any  # a list of ContrastNumbers, or a Figure that says why there is none
    mixed: list[dict[str, MixedNumbers]]  # an arm each; by measure
    fully_crossed: list[dict[str, FullyCrossedNumbers]]
    joint: list[JointNumbers]
    trends: Any  # a list of Trend, or a Figure that says why there is none
    carry_over: list[CarryOver]
    sensitivity: list[CutOff]
    specifications: list[SpecificationNumbers]
    readers: list[ReaderRate]
    rereading: Rereading
    between_readers: dict[str, list[AgreementGroup]]
    gestures: dict[str, GestureNumbers]
    outside_arms: list[OutsideNumbers]
    checks: list[SessionCheck]
    fields: list[FieldRow]
