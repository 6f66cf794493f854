"""Made by `python -m tools.client_core` from docs/openapi.json. Change nothing here."""

# ruff: noqa: E501

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, Protocol, TypeAlias, TypedDict
from uuid import uuid4

JsonValue: TypeAlias = Any
Files = Sequence[tuple[str, Any]]


class AcceptBody(TypedDict):
    """`ids` are of proposals or of your layer's cells. `label_class` null leaves the class."""

    ids: "list[str]"
    label_class: "NotRequired[int | None]"


class ActBody(TypedDict):
    """`accept` the rest of the classes whose claim is shown, `reverse` that, or `withdraw` the lot."""

    act: "Literal['accept', 'reverse', 'withdraw']"


class ActivityBody(TypedDict):
    """Events of a session, numbered without a gap from `first`. Times are milliseconds."""

    session: "str"
    image: "int"
    wall_ms: "float"
    mono_ms: "float"
    first: "int"
    events: "list[Sequence[float | Literal['pointer_down', 'pointer_up', 'pointer_move', 'key', 'wheel', 'viewport', 'tool', 'target_presented', 'target_opened', 'target_committed', 'mask_shown', 'decision', 'focus', 'blur', 'visible', 'hidden', 'stall_begin', 'stall_end', 'wait_begin', 'wait_end']] | Sequence[float | Literal['pointer_down', 'pointer_up', 'pointer_move', 'key', 'wheel', 'viewport', 'tool', 'target_presented', 'target_opened', 'target_committed', 'mask_shown', 'decision', 'focus', 'blur', 'visible', 'hidden', 'stall_begin', 'stall_end', 'wait_begin', 'wait_end'] | Any]]"


class AddedMasks(TypedDict):
    file: "str"
    image: "int"
    cells: "int"
    replaced: "bool"
    notes: "list[str]"


class AddedMember(TypedDict):
    """`link` is how somebody new comes in, said once; null for a colleague."""

    id: "int"
    user: "int | None"
    name: "str"
    role: "Literal['owner', 'manager', 'reviewer', 'annotator', 'viewer']"
    seniority: "Literal['', 'student', 'resident', 'pathologist']"
    centre: "int | None"
    skills: "list[str]"
    link: "str | None"


class AdmissionAnswer(TypedDict):
    """`admitted_by` is null for somebody who passed a test; `withdrawn_at` since when it holds no longer."""

    id: "int"
    person: "PersonAnswer"
    label_class: "int"
    centre: "int | None"
    admitted_by: "PersonAnswer | None"
    admitted_at: "str"
    withdrawn_at: "str | None"


class AdmissionBody(TypedDict):
    """`centre` null: at all centres."""

    person: "int"
    label_class: "int"
    centre: "NotRequired[int | None]"


class AgreementAnswer(TypedDict):
    """`images`: how many images have all readings closed, by what their readers had in sight. `report` null: nobody
    has computed it yet; `is_stale`: readings have changed since. `job` is at work on it. `people`: id -> name.
    `models`: which models' proposals were in sight of these readings.
    """

    images: "dict[str, int]"
    report: "AgreementReport | None"
    is_stale: "bool"
    job: "int | None"
    people: "dict[str, str]"
    models: "list[str]"


class AgreementBody(TypedDict):
    """As AgreementQuery."""

    sight: "NotRequired[Literal['blind', 'proposals', 'others']]"
    by: "NotRequired[Literal['iou', 'distance']]"
    iou: "NotRequired[float]"
    um: "NotRequired[float]"
    level: "NotRequired[Literal['given', 'top']]"


class AgreementFigure(TypedDict):
    """`value` null: it is not defined, and `why` says in a word what is missing. `low` and `high` null: no interval,
    and `no_interval` says why. `n` is what the figure rests on.
    """

    value: "float | None"
    n: "int"
    low: "float | None"
    high: "float | None"
    why: "str"
    no_interval: "str"


class AgreementNumbers(TypedDict):
    """Readings of different `sight` are never pooled."""

    at: "str"
    sight: "str"
    f1: "float | None"
    alpha: "float | None"


class AgreementReport(TypedDict):
    """f1: detection at the IoU; f1_near: by the distance of centres. dice, pq, aji, outline_distance: of cells found
    by both. alpha: Krippendorff's, of the classes of matched cells; alpha_no_cell: with "no cell" as a class;
    fleiss: where every reader has judged. `confusion` has the rows and columns `classes`, each ordered pair of
    readers counted.
    """

    matching: "MatchingAnswer"
    readers: "list[str]"
    images: "int"
    patients: "int"
    cells: "int"
    unit: "str"
    f1: "AgreementFigure"
    f1_near: "AgreementFigure"
    dice: "AgreementFigure"
    pq: "AgreementFigure"
    aji: "AgreementFigure"
    outline_distance: "AgreementFigure"
    unmatched: "AgreementFigure"
    alpha: "AgreementFigure"
    alpha_no_cell: "AgreementFigure"
    fleiss: "AgreementFigure"
    pairs: "list[PairAnswer]"
    by_class: "list[ClassFigure]"
    classes: "list[str]"
    confusion: "list[list[int]]"
    worst_images: "list[ImageFigure]"
    worst_places: "list[PlaceFigure]"


class AlikeAnswer(TypedDict):
    """Two pictures that are nearly the same."""

    images: "Sequence[int]"
    detail: "str"


class Answered(TypedDict):
    """What the interactive worker says. `superseded`: it was asked something newer meanwhile; `ready`: as was asked."""

    mask: "MaskAnswer | None"
    score: "float | None"
    prompter: "str | None"
    certificate: "CertificateAnswer | None"
    milliseconds: "float | None"
    superseded: "bool"
    ready: "bool"


class AssignBody(TypedDict):
    items: "list[int]"
    readers: "list[int]"
    due_on: "NotRequired[str | None]"


class AssignSplitsAnswer(TypedDict):
    """`images`: split -> centre -> how many images; `kept_test`: the test part is sealed and stays as it is."""

    dry_run: "bool"
    moved: "int"
    kept_test: "bool"
    images: "dict[str, dict[str, int]]"


class AssignSplitsBody(TypedDict):
    """Only the proportions of `shares` count. `dry_run` says what would happen, and does nothing."""

    shares: "NotRequired[Shares]"
    seed: "NotRequired[int]"
    dry_run: "NotRequired[bool]"
    reason: "NotRequired[str]"


class AssignedAnswer(TypedDict):
    assigned: "int"


class AttemptAnswer(TypedDict):
    """`version` is that of the curriculum, `guideline` that of the guidelines that held."""

    id: "int"
    kind: "Literal['training', 'test']"
    person: "int"
    number: "int"
    version: "int"
    guideline: "int | None"
    begun_at: "str"
    finished_at: "str | None"
    fields: "list[AttemptFieldAnswer]"
    results: "list[ClassResultAnswer]"


class AttemptBody(TypedDict):
    kind: "Literal['training', 'test']"


class AttemptFieldAnswer(TypedDict):
    """`image` is the copy that the person draws on, once the field is open."""

    id: "int"
    position: "int"
    image: "int | None"
    is_done: "bool"


class AttributeAnswer(TypedDict):
    name: "str"
    values: "list[str]"


class AttributeBody(TypedDict):
    name: "str"
    values: "list[str]"


class AttributesAnswer(TypedDict):
    attributes: "list[AttributeAnswer]"


class AttributesBody(TypedDict):
    attributes: "list[AttributeBody]"


class BeforeAnswer(TypedDict):
    """`estimate` null: nothing is known of the time. `methods`: all, those that cannot start yet too."""

    limits: "list[LimitAnswer]"
    estimate: "EstimateAnswer | None"
    methods: "list[MethodAnswer]"


class BeforeProposalAnswer(TypedDict):
    """What proposing on these images would be. `estimate` in seconds; null where nothing is known."""

    images: "int"
    megapixels: "float"
    models: "list[ModelsAnswer]"
    estimate: "EstimateAnswer | None"


class Beginnings(TypedDict):
    """What stands beside the figures of a round because of the weights that it began with.  elsewhere  kinds whose
    weights somebody brought along seen       judging images that taught one of the weights
    """

    elsewhere: "NotRequired[list[str]]"
    seen: "NotRequired[list[int]]"


class Below(TypedDict):
    """What can be registered: the roots, and what lies in a folder below one of them."""

    roots: "list[str]"
    entries: "list[Entry]"


class ButtonForm(TypedDict):
    """The settings page has its button inside the form of the images' facts, whose fields come along unread."""


class CellAnswer(TypedDict):
    """`box` is x0, y0, x1, y1 in image pixels, half-open; x, y, x, y of a cell that is a point. `part` says what it
    is; `score` is a proposal's doubt.  `mask` is packed: width * height bits row by row, high bit first, in
    base64 (docs/api.md).
    """

    id: "str"
    part: "Literal['masks', 'boxes', 'points', 'regions', 'cannot_tell', 'rejected', 'proposals']"
    box: "Sequence[float]"
    mask: "MaskAnswer | None"
    label_class: "int | None"
    author: "str"
    reader: "str"
    reason: "str"
    attributes: "dict[str, str]"
    parent: "str | None"
    score: "float | None"
    provenance: "dict[str, Any]"


class CellTime(TypedDict):
    """Active seconds for each cell. `everyone` is null for few people, since it would tell how fast single ones are,
    and while a blinded reading is open.
    """

    own: "float | None"
    everyone: "float | None"


class CellsAnswer(TypedDict):
    cells: "list[ShownCell]"
    judged: "int"
    total: "int"


class CentreAnswer(TypedDict):
    id: "int"
    name: "str"


class CentreChange(TypedDict):
    name: "str"


class CertificateAnswer(TypedDict):
    """What proves one fusion (docs/fusion.md). null: the method that made the masks does not state it."""

    objective: "float | None"
    flow: "float | None"
    cut: "float | None"
    closed: "bool | None"
    milliseconds: "float | None"
    ambiguous_share: "float | None"
    components: "int | None"
    free_pixels: "int | None"


class ChangedImage(TypedDict):
    """`alike` are pictures that are nearly the same and lie in another split."""

    id: "int"
    name: "str"
    kind: "Literal['picture', 'slide']"
    position: "int"
    width: "int"
    height: "int"
    um_per_px: "float | None"
    scale_source: "Literal['', 'file', 'nominal', 'typed', 'measured']"
    magnification: "float | None"
    centre: "str"
    patient: "str"
    patient_id: "int | None"
    block: "str"
    slide: "str"
    scanner: "str"
    stain: "str"
    tags: "list[str]"
    split: "Literal['train', 'val', 'test']"
    deleted_at: "str | None"
    synthetic: "bool"
    low: "float | None"
    high: "float | None"
    notes: "list[str]"
    has_original: "bool"
    alike: "list[AlikeAnswer]"


class ChangedImages(TypedDict):
    changed: "int"
    alike: "list[AlikeAnswer]"


class ChannelAnswer(TypedDict):
    """A channel as it is shown at first: `low` and `high` are the samples that are black and of full colour, `least`
    and `most` the smallest and largest that were found. `colour` has six hexadecimal digits.
    """

    name: "str"
    colour: "str"
    low: "float"
    high: "float"
    least: "float"
    most: "float"
    shown: "bool"


class ChoiceAnswer(TypedDict):
    kind: "Literal['assigned', 'sent_back', 'mentioned', 'round_ended', 'retention_ends']"
    in_app: "bool"
    by_mail: "bool"


class ChoiceBody(TypedDict):
    """Which picture of a file is meant, for files of a job that hold several."""

    items: "list[int]"
    page: "NotRequired[int | None]"
    channel: "NotRequired[int | None]"


class ChoicesAnswer(TypedDict):
    choices: "list[ChoiceAnswer]"


class ChoicesBody(TypedDict):
    choices: "list[NotificationChoiceBody]"


class ClaimedAnswer(TypedDict):
    """`item` is null when nothing is left."""

    item: "ItemAnswer | None"


class ClassAnswer(TypedDict):
    """`parent` is the wider class that it belongs to. A retired class is not offered any more, and cells keep it.
    `merged_into` is the class that its cells have now.
    """

    id: "int"
    name: "str"
    color: "str"
    key: "int | None"
    parent: "int | None"
    is_retired: "bool"
    merged_into: "int | None"


class ClassChange(TypedDict):
    """What is left out stays as it is. `color` as in "#0072b2"; `parent` null: at the top."""

    name: "NotRequired[str | None]"
    color: "NotRequired[str | None]"
    parent: "NotRequired[int | None]"
    is_retired: "NotRequired[bool | None]"


class ClassFigure(TypedDict):
    name: "str"
    cells: "int"
    f1: "AgreementFigure"


class ClassMergeAnswer(TypedDict):
    id: "str"
    source: "int"
    target: "int"
    merged_by: "str"
    merged_at: "str"
    undone_by: "str | None"
    undone_at: "str | None"


class ClassResultAnswer(TypedDict):
    """`right` of `judged` cells, with the Clopper-Pearson interval of their share at 95 %."""

    name: "str"
    judged: "int"
    right: "int"
    share: "float"
    low: "float"
    high: "float"
    passed: "bool"


class ClassUsesAnswer(TypedDict):
    """What names a class. `cells` are those that you see on working layers, `proposals` those of other layers. With
    `hides_readings` there are blinded readings that are not closed, whose cells are in no count. Rounds,
    exports and certificates keep the name that the class had.
    """

    cells: "int"
    proposals: "int"
    hides_readings: "bool"
    children: "list[str]"
    rounds: "list[int]"
    rounds_at_work: "list[int]"
    exports: "list[int]"
    certificates: "list[int]"


class CleanUpAnswer(TypedDict):
    dry_run: "bool"
    removed: "list[RemovalAnswer]"


class CleanUpBody(TypedDict):
    """`dry_run` says what would be removed, and removes nothing."""

    kinds: "list[Literal['tiles', 'deleted', 'results']]"
    dry_run: "NotRequired[bool]"


class CommentAnswer(TypedDict):
    id: "int"
    author: "PersonAnswer"
    text: "str"
    made_at: "str"


class CommentBody(TypedDict):
    comment: "NotRequired[str]"


class CompareAnswer(TypedDict):
    images: "int"
    patients: "int"
    by_patient: "bool"
    sentences: "list[str]"
    measures: "dict[str, list[FigureAnswer]]"
    costs: "list[CostAnswer]"
    configuration: "list[DifferenceAnswer]"


class ComparedRound(TypedDict):
    """`layer` null: the round has published nothing on this image."""

    id: "int"
    number: "int"
    layer: "str | None"


class ComparisonAnswer(TypedDict):
    """`reference`: locked reference masks are there."""

    image: "ShownImage"
    rounds: "list[ComparedRound]"
    reference: "bool"


class ConsensusAnswer(TypedDict):
    """`open`: places that nobody has decided. `locked`: number of the reference set that holds it."""

    image: "int"
    layer: "str"
    parameters: "ParametersAnswer"
    readings: "int"
    made_by: "PersonAnswer"
    made_at: "str"
    open: "int"
    locked: "int | None"
    disagreements: "list[DisagreementAnswer]"


class ConsensusBody(TypedDict):
    """When cells are one, and how outlines and classes are decided from three readings on."""

    by: "NotRequired[Literal['iou', 'distance']]"
    iou: "NotRequired[float]"
    um: "NotRequired[float]"
    shapes: "NotRequired[Literal['majority', 'staple']]"
    classes: "NotRequired[Literal['majority', 'dawid_skene']]"


class ControlDriftAnswer(TypedDict):
    """A lower one-sided CUSUM. `target` and `spread` come from a reader's first controls, `values` from those that
    follow; `needed`: controls until an alarm once the mean has fallen by `drop`, on the average; `alarm`:
    number of the control, from 1, at which `values` went above `limit`.
    """

    target: "float"
    spread: "float"
    limit: "float"
    needed: "int"
    values: "list[float]"
    alarm: "int | None"


class ControlPlanAnswer(TypedDict):
    """`results` is null for everybody but the owner."""

    owner: "PersonAnswer"
    consequence: "str"
    control_percent: "int"
    repeat_percent: "int"
    repeat_days: "int"
    drop: "float"
    false_alarm: "int"
    declared_at: "str"
    results: "list[ReaderResultAnswer] | None"


class ControlPlanBody(TypedDict):
    """`owner`: the member who sees the results. `consequence`: what follows from them, as everybody reads it. `drop`:
    the loss of F1 that is to be seen; `false_alarm`: controls until a false alarm, on the average.
    """

    owner: "int"
    consequence: "str"
    control_percent: "NotRequired[int]"
    repeat_percent: "NotRequired[int]"
    repeat_days: "NotRequired[int]"
    drop: "NotRequired[float]"
    false_alarm: "NotRequired[int]"


class ControlPlanOfProject(TypedDict):
    """`plan` is null where nobody is checked."""

    plan: "ControlPlanAnswer | None"


class CostAnswer(TypedDict):
    """What a round's method learned from and took. Null: not measured, not known, or time of too few people to show."""

    round: "int"
    method: "Literal['boxcell', 'boxcell-points', 'cellboxify', 'des-sam', 'insta-sam', 'cfr-sam']"
    labels: "str"
    cells: "int | None"
    trained_parameters: "int | None"
    training_seconds: "float | None"
    annotation_seconds: "float | None"


class CropAnswer(TypedDict):
    """A cell on a sheet; `at`: its column and row. `corner`, `side`: of the crop, image pixels."""

    cell: "str"
    image: "int"
    at: "Sequence[int]"
    corner: "Sequence[float]"
    side: "float"
    box: "Sequence[float]"
    mask: "MaskAnswer | None"
    label_class: "int | None"


class CurrentAnswer(TypedDict):
    """An annotation as the server has it. `author` has acted on it last; `state` null: deleted, or never there."""

    annotation: "str"
    version: "int"
    last_op: "str | None"
    state: "StateAnswer | None"
    author: "PersonAnswer | None"
    decided_by: "int | None"


class CurrentGuidelineAnswer(TypedDict):
    """null: nobody has written any."""

    guideline: "GuidelineAnswer | None"


class CurriculumAnswer(TypedDict):
    """A class is passed where the lower end of the interval of its share of right cells reaches `least_share`."""

    version: "int"
    reference_set: "int"
    training: "list[int]"
    least_cells: "int"
    least_patients: "int"
    least_share: "float"
    declared_at: "str"


class CurriculumBody(TypedDict):
    """`training`: images of the locked reference set that people learn from; the others are for tests."""

    training: "NotRequired[list[int]]"
    least_cells: "NotRequired[int]"
    least_patients: "NotRequired[int]"
    least_share: "NotRequired[float]"


class CurriculumOfProject(TypedDict):
    """`curriculum` is null where nobody has declared one."""

    curriculum: "CurriculumAnswer | None"


class DashboardAnswer(TypedDict):
    """What this person may see; blinded readings that are not all closed are in no number."""

    states: "list[NamedNumber]"
    free: "int"
    days_left: "float | None"
    days: "list[DayNumbers]"
    by_person: "list[NamedNumber]"
    by_class: "list[NamedNumber]"
    rounds: "list[RoundNumbers]"
    agreement: "list[AgreementNumbers]"
    time: "CellTime"
    storage: "list[NamedNumber]"


class DayNumbers(TypedDict):
    day: "str"
    readings: "int"
    images: "int"


class DecidedAnswer(TypedDict):
    """Verdict of the log, or "discarded" -> number of operations."""

    verdicts: "dict[str, int]"


class DecidedCell(TypedDict):
    """`id` as it was sent, `annotation` the cell on your layer. `verdict`: accepted, unchanged (it was so already),
    stale, invalid or kept, as for operations.
    """

    id: "str"
    annotation: "str | None"
    verdict: "str"
    error: "VerdictError | None"


class DecidedCells(TypedDict):
    layer: "str"
    seq: "int"
    results: "list[DecidedCell]"


class DecisionBody(TypedDict):
    """`take`: "left", "right", "both", "neither", "edited" with the cells that stand there, or "side 3" and on where
    more than two differ.
    """

    take: "str"
    cells: "NotRequired[list[StateIn]]"


class DeclinedMasks(TypedDict):
    code: "str"
    detail: "str"


class DeletedAnswer(TypedDict):
    """`restorable_days`: for how long they can be restored."""

    deleted: "int"
    restorable_days: "int"


class DifferenceAnswer(TypedDict):
    name: "str"
    first: "JsonValue"
    last: "JsonValue"


class DisagreementAnswer(TypedDict):
    """`sides`: what stands beside each other, the left one first; null: no cell. Their order is drawn by chance, and
    nobody is named. `decision` "": nobody has decided yet. `edited`: the cells that somebody has put there
    instead.
    """

    id: "int"
    number: "int"
    kind: "Literal['missing', 'class', 'outline']"
    box: "Sequence[float]"
    sides: "list[SideCell | None]"
    edited: "list[SideCell]"
    decision: "Literal['', 'left', 'right', 'both', 'neither', 'edited']"
    decided_by: "PersonAnswer | None"
    decided_at: "str | None"


class DrawnAnswer(TypedDict):
    """`log` is how far the log of each layer had gone: two answers with the same positions say the same."""

    image: "int"
    width: "int"
    height: "int"
    cells: "list[CellAnswer]"
    regions: "list[RegionAnswer]"
    log: "dict[str, int]"


class DriftAnswer(TypedDict):
    stated: "bool"
    sentences: "list[str]"
    factors: "list[FactorAnswer]"


class EffectAnswer(TypedDict):
    """`decided_by`: who has given the cell the status that it has by now."""

    annotation: "str"
    version: "int"
    before: "StateAnswer | None"
    after: "StateAnswer | None"
    decided_by: "int | None"


class EffectIn(TypedDict):
    """What an operation does to one annotation; after null: deleted. `seen`: the last one the sender knows."""

    annotation: "str"
    seen: "NotRequired[str | None]"
    after: "NotRequired[StateIn | None]"


class EmptyImage(TypedDict):
    image: "int"
    why: "list[str]"


class Entry(TypedDict):
    name: "str"
    folder: "bool"


class EstimateAnswer(TypedDict):
    """Seconds."""

    low: "float"
    high: "float"
    source: "str"
    load: "float"
    cores: "int"


class EvaluationFacts(TypedDict):
    """split: the images that judge; rounds of before judged on the validation split and did not say so."""

    box_ap50: "NotRequired[float | None]"
    masks: "NotRequired[dict[str, Measures]]"
    sentence: "NotRequired[str | None]"
    optimistic: "NotRequired[str | None]"
    elsewhere: "NotRequired[str | None]"
    seen_before: "NotRequired[str | None]"
    split: "NotRequired[Literal['val', 'test']]"
    images: "NotRequired[int]"
    reference_images: "NotRequired[int]"
    repair: "NotRequired[dict[str, float]]"


class EventAnswer(TypedDict):
    act: "str"
    by: "PersonAnswer | None"
    reader: "PersonAnswer | None"
    state: "Literal['to_do', 'in_work', 'in_review', 'sent_back', 'done']"
    comment: "str"
    at: "str"


class EventsAnswer(TypedDict):
    """`last` is what `after` should be the next time; `more`: there is more already; `ended`: nothing follows."""

    round: "int"
    state: "Literal['planned', 'queued', 'running', 'cancelled', 'failed', 'published']"
    ended: "bool"
    lines: "list[LineAnswer]"
    last: "int"
    more: "bool"


class ExportBody(TypedDict):
    """As ExportQuery. `images` null: as the layout has it, with a label map and without others."""

    layout: "Literal['coco', 'geojson', 'labels', 'dataset', 'csv', 'parquet', 'yolo', 'voc', 'labelme', 'cvat', 'labelstudio', 'aperio', 'roi', 'cellpose', 'hovernet', 'consep', 'pannuke', 'ome', 'tiff', 'png', 'dicom']"
    include: "NotRequired[list[Literal['masks', 'boxes', 'points', 'regions', 'cannot_tell', 'rejected', 'proposals']]]"
    segmentation: "NotRequired[Literal['rle', 'polygons']]"
    images: "NotRequired[bool | None]"


class FactorAnswer(TypedDict):
    factor: "str"
    sentences: "list[str]"
    groups: "list[GroupAnswer]"


class Facts(TypedDict):
    """Small results worth showing, of any stage."""


class FeedbackAnswer(TypedDict):
    cells: "list[JudgedCell]"


class FieldAnswer(TypedDict):
    image: "int"
    name: "str"
    x: "int"
    y: "int"
    width: "int"
    height: "int"
    method: "Literal['drawn', 'grid', 'random']"
    probability: "float | None"
    seed: "int | None"


class FigureAnswer(TypedDict):
    """A mean with its 95 % interval, null where it cannot be computed, and the difference to the first round."""

    round: "int"
    mean: "float"
    low: "float | None"
    high: "float | None"
    against_first: "dict[str, float | None]"


class Figures(TypedDict):
    """What an evaluation says of a round. The sentences are shown as they are, and nothing compares them.  masks
    measures of the masks of each part, what is proposed under "fused" or "method"; empty where no reference
    was drawn without proposals repair      what a person still has to do, for each 100 cells of the reference
    (inference/repair.py) sentence    why something is not measured; optimistic, elsewhere, seen_before: why the
    figures flatter
    """

    box_ap50: "NotRequired[float | None]"
    masks: "NotRequired[dict[str, Measures]]"
    sentence: "NotRequired[str | None]"
    optimistic: "NotRequired[str | None]"
    elsewhere: "NotRequired[str | None]"
    seen_before: "NotRequired[str | None]"


class Found(TypedDict):
    """`where`: the project that it belongs to, "" of a project. `url`: of its page on this server."""

    kind: "Literal['project', 'image', 'person']"
    name: "str"
    where: "str"
    url: "str"


class Fusion(TypedDict):
    """Settings of inference.fusion.Parameters, which says what each means; what is not given has its default there."""

    lam: "NotRequired[float]"
    theta: "NotRequired[float]"
    grid: "NotRequired[int]"
    components: "NotRequired[int]"
    patch_px: "NotRequired[int | None]"
    bits: "NotRequired[int]"
    minimum_pixels: "NotRequired[int]"
    similarity: "NotRequired[Literal['exponential', 'gaussian']]"
    trust: "NotRequired[float]"


class FusionFacts(TypedDict):
    images: "NotRequired[int]"
    closed: "NotRequired[int]"
    ambiguous_share: "NotRequired[float]"
    median_milliseconds: "NotRequired[float]"


class GalleryAnswer(TypedDict):
    """The first cells in the order that was asked for, one entry of each list a cell, and how many there are.
    `images`: key of the image of each cell; `classes`: 0 for none; `doubts`: null where the models said
    nothing. `diameter`: of the usual cell, µm where images have a scale, else image pixels. `least_pixels`,
    `least_ms`: how large and how long a cell was in view before it is accepted with the rest.
    """

    cells: "list[str]"
    images: "list[int]"
    classes: "list[int]"
    doubts: "list[float | None]"
    total: "int"
    diameter: "float"
    least_pixels: "int"
    least_ms: "int"


class GivenBody(TypedDict):
    """`label_class`: what the cell is accepted with; left out: as proposed."""

    cell: "str"
    verdict: "Literal['accept', 'reject', 'cannot_tell']"
    label_class: "NotRequired[int | None]"


class GridBody(TypedDict):
    size: "NotRequired[int]"
    overlap: "NotRequired[int]"
    tissue: "NotRequired[float]"


class GroupAnswer(TypedDict):
    name: "str"
    images: "int"
    measures: "dict[str, MeanAnswer]"


class GuidelineAnswer(TypedDict):
    """One version. `is_seen` and `is_acknowledged` are about the person who asks."""

    version: "int"
    text: "str"
    html: "str"
    note: "str"
    must_acknowledge: "bool"
    written_by: "PersonAnswer"
    written_at: "str"
    is_seen: "bool"
    is_acknowledged: "bool"


class GuidelineBody(TypedDict):
    """`text` is Markdown (CommonMark with tables); a picture stands as ![what it shows](its-name.png)."""

    text: "str"
    note: "NotRequired[str]"
    must_acknowledge: "NotRequired[bool]"


class GuidelineReadBody(TypedDict):
    version: "int"
    acknowledges: "NotRequired[bool]"


class GuidelineState(TypedDict):
    """The guidelines that hold, and whether this person has seen and acknowledged them."""

    version: "int"
    must_acknowledge: "bool"
    is_seen: "bool"
    is_acknowledged: "bool"


class HeadAnswer(TypedDict):
    """What the log says of one annotation. `operation` null: the log never had it."""

    annotation: "str"
    version: "int"
    last_op: "str | None"
    state: "StateAnswer | None"
    author: "PersonAnswer | None"
    decided_by: "int | None"
    operation: "LastOperation | None"
    disputed: "bool"
    opinions: "list[OpinionAnswer]"


class HeadsAnswer(TypedDict):
    layer: "str"
    annotations: "list[HeadAnswer]"


class ImageAnswer(TypedDict):
    """`notes` is what people should know of how the file was read; `has_original`: it is kept as it came.  `patient`
    is the name, `patient_id` the key of what the image shares its split with: the patient, or, where nobody has
    named them, everything of the same block or slide. Null: the image is a unit of its own.
    """

    id: "int"
    name: "str"
    kind: "Literal['picture', 'slide']"
    position: "int"
    width: "int"
    height: "int"
    um_per_px: "float | None"
    scale_source: "Literal['', 'file', 'nominal', 'typed', 'measured']"
    magnification: "float | None"
    centre: "str"
    patient: "str"
    patient_id: "int | None"
    block: "str"
    slide: "str"
    scanner: "str"
    stain: "str"
    tags: "list[str]"
    split: "Literal['train', 'val', 'test']"
    deleted_at: "str | None"
    synthetic: "bool"
    low: "float | None"
    high: "float | None"
    notes: "list[str]"
    has_original: "bool"


class ImageChange(TypedDict):
    """`registration` null: no other image is registered with this one any more."""

    centre: "NotRequired[str]"
    patient: "NotRequired[str]"
    block: "NotRequired[str]"
    slide: "NotRequired[str]"
    scanner: "NotRequired[str]"
    stain: "NotRequired[str]"
    um_per_px: "NotRequired[float | None]"
    scale_source: "NotRequired[Literal['nominal', 'typed', 'measured']]"
    split: "NotRequired[Literal['train', 'val', 'test']]"
    reason: "NotRequired[str]"
    name: "NotRequired[str]"
    tags: "NotRequired[list[str]]"
    registration: "NotRequired[RegistrationIn | None]"


class ImageFigure(TypedDict):
    image: "str"
    cells: "int"
    f1: "AgreementFigure"
    alpha_no_cell: "AgreementFigure"
    outline_distance: "AgreementFigure"


class ImageName(TypedDict):
    id: "int"
    name: "str"


class ImagesBody(TypedDict):
    images: "list[int]"


class ImportAnswer(TypedDict):
    id: "int"
    name: "str"
    state: "Literal['checking', 'ready', 'declined']"
    error: "str"
    size: "int"
    data_licence: "str"
    note: "str"
    imported_at: "str"
    imported_by: "str | None"
    versions: "list[int]"


class ImportForm(TypedDict):
    """`aim`: where the annotations go; `format` is found out where it is empty."""

    file: "Any"
    aim: "NotRequired[Literal['working', 'layer', 'reference']]"
    format: "NotRequired[str]"


class InstanceFacts(TypedDict):
    images: "NotRequired[int]"
    cells: "NotRequired[int]"
    crumbs: "NotRequired[int]"


class Instances(TypedDict):
    """Settings of inference.instances, and the share below which a piece is a crumb (inference/crumbs.py).  The
    defaults are those of rounds that do not name a setting: no rule for crumbs was there before it had a name.
    """

    method: "NotRequired[Literal['geodesic', 'kmeans', 'watershed', 'components']]"
    box_margin: "NotRequired[float]"
    fragments: "NotRequired[Literal['keep', 'split', 'largest']]"
    smallest: "NotRequired[int]"
    largest_hole: "NotRequired[int]"
    crumbs: "NotRequired[float]"


class InvitationAnswer(TypedDict):
    id: "int"
    role: "Literal['owner', 'manager', 'reviewer', 'annotator', 'viewer']"
    note: "str"
    made_by: "str"
    made_at: "str"
    expires_at: "str"
    used_at: "str | None"
    used_by: "str | None"
    revoked_at: "str | None"
    is_open: "bool"


class InviteBody(TypedDict):
    """One link for each note; a note says whom the link is for."""

    role: "Literal['owner', 'manager', 'reviewer', 'annotator', 'viewer']"
    notes: "NotRequired[list[str]]"
    days: "NotRequired[int]"


class ItemAfterAct(TypedDict):
    """`left` is how many images the person who acted has or may still get."""

    id: "int"
    image: "ImageName"
    state: "Literal['to_do', 'in_work', 'in_review', 'sent_back', 'done']"
    wanted: "int"
    free: "int"
    is_blind: "bool"
    priority: "float"
    since: "str"
    done_at: "str | None"
    reviewer: "PersonAnswer | None"
    approved_by: "PersonAnswer | None"
    readings: "list[ReadingAnswer]"
    left: "int"


class ItemAnswer(TypedDict):
    """`free` is how many readings nobody has taken yet. Where people read apart, readings are one's own."""

    id: "int"
    image: "ImageName"
    state: "Literal['to_do', 'in_work', 'in_review', 'sent_back', 'done']"
    wanted: "int"
    free: "int"
    is_blind: "bool"
    priority: "float"
    since: "str"
    done_at: "str | None"
    reviewer: "PersonAnswer | None"
    approved_by: "PersonAnswer | None"
    readings: "list[ReadingAnswer]"


class ItemInFull(TypedDict):
    id: "int"
    image: "ImageName"
    state: "Literal['to_do', 'in_work', 'in_review', 'sent_back', 'done']"
    wanted: "int"
    free: "int"
    is_blind: "bool"
    priority: "float"
    since: "str"
    done_at: "str | None"
    reviewer: "PersonAnswer | None"
    approved_by: "PersonAnswer | None"
    readings: "list[ReadingAnswer]"
    events: "list[EventAnswer]"


class JobAnswer(TypedDict):
    """`request` and `facts` are what this kind of job was asked and says (labeling/jobs/handlers.py)."""

    id: "int"
    kind: "Literal['export', 'read', 'import', 'fields', 'propose', 'agreement', 'consensus', 'certificate', 'class_merge', 'vectors', 'cell_map', 'copy']"
    project: "int"
    owner: "str"
    state: "Literal['waiting', 'running', 'done', 'failed', 'cancelled', 'expired']"
    request: "dict[str, JsonValue]"
    done: "int"
    total: "int"
    error: "str"
    cancel_requested: "bool"
    facts: "dict[str, JsonValue]"
    result: "str | None"
    created_at: "str"
    started_at: "str | None"
    finished_at: "str | None"
    expires_at: "str | None"


class JobFile(TypedDict):
    """A file of a job. `choices` is how many pages or channels there are to choose from, where that must be said;
    `rectangle` is of a field that is cut from a slide.
    """

    id: "int"
    name: "str"
    size: "int"
    state: "Literal['waiting', 'running', 'done', 'choice', 'declined', 'cancelled']"
    code: "str"
    detail: "str"
    notes: "list[str]"
    image: "int | None"
    choices: "dict[str, int]"
    rectangle: "dict[str, JsonValue] | None"


JobInFull = TypedDict(
    "JobInFull",
    {
        "id": "int",
        "kind": "Literal['export', 'read', 'import', 'fields', 'propose', 'agreement', 'consensus', 'certificate', 'class_merge', 'vectors', 'cell_map', 'copy']",
        "project": "int",
        "owner": "str",
        "state": "Literal['waiting', 'running', 'done', 'failed', 'cancelled', 'expired']",
        "request": "dict[str, JsonValue]",
        "done": "int",
        "total": "int",
        "error": "str",
        "cancel_requested": "bool",
        "facts": "dict[str, JsonValue]",
        "result": "str | None",
        "created_at": "str",
        "started_at": "str | None",
        "finished_at": "str | None",
        "expires_at": "str | None",
        "items": "list[JobFile]",
        "alike": "list[AlikeAnswer]",
        "import": "dict[str, JsonValue] | None",
        "proposals": "dict[str, JsonValue] | None",
        "method": "str | None",
        "probability": "float | None",
        "seed": "int | None",
    },
)


class JobStarted(TypedDict):
    """The job that does it; GET /api/v1/jobs/N/ says how far it is."""

    job: "int"


class JudgedCell(TypedDict):
    """`annotation` is null for a cell that was missed."""

    annotation: "str | None"
    box: "Sequence[float]"
    verdict: "Literal['right', 'other_class', 'no_cell', 'missed']"
    expected: "str | None"
    given: "str | None"


class JudgementAnswer(TypedDict):
    verdict: "Literal['accepted', 'rejected', 'unsure']"
    label_class: "int | None"
    reason: "Literal['', 'not_a_cell', 'boundary', 'duplicate', 'merged', 'cannot_tell']"


class JudgementIn(TypedDict):
    """`label_class` null: no class is given."""

    verdict: "Literal['accepted', 'rejected', 'unsure']"
    label_class: "NotRequired[int | None]"
    reason: "NotRequired[Literal['', 'not_a_cell', 'boundary', 'duplicate', 'merged', 'cannot_tell'] | None]"


class LastOperation(TypedDict):
    seq: "int"
    action: "Literal['draw', 'move', 'resize', 'reshape', 'classify', 'delete', 'accept', 'reject', 'edit', 'region', 'cannot_tell', 'undo', 'redo', 'bulk', 'opinion', 'overrule', 'restore']"
    tool: "str"
    author: "PersonAnswer"
    committed_at: "str"


class LateAnswer(TypedDict):
    """Work that one person sent for an item after it was done."""

    item: "int"
    image: "ImageName"
    author: "PersonAnswer"
    operations: "int"
    first_at: "str"
    last_at: "str"


class LateBody(TypedDict):
    author: "int"
    act: "Literal['apply', 'discard']"


class LayerAnswer(TypedDict):
    """`base`: the layer whose decisions and counts are this person's picture, also where it cannot be written."""

    id: "str"
    kind: "Literal['working', 'prediction', 'consensus', 'import']"
    annotator: "PersonAnswer | None"
    seq: "int"
    writable: "bool"
    base: "bool"
    publication: "PublicationAnswer | None"


class LeaseAnswer(TypedDict):
    """`lease_until` is null for what was sent back: it stays with its reader."""

    lease_until: "str | None"


class LicenceAnswer(TypedDict):
    version: "str"
    licence: "str"


class LikenessAnswer(TypedDict):
    """`suggested`: key of a class, -1 for no cell, 0 for nothing, one a cell; `chances`: of that, 0..1. `places`: on
    the map, x and y in 0..1, in the order "map". `learned`: verdicts that the suggestions follow from.
    `missing`: images whose cells nobody has compared yet; `outdated`: images on which people have drawn cells
    since they were compared, not said where `of` names cells; `job`: what compares them, while it is at work,
    with `percent` done.
    """

    cells: "list[str]"
    images: "list[int]"
    classes: "list[int]"
    doubts: "list[float | None]"
    total: "int"
    diameter: "float"
    least_pixels: "int"
    least_ms: "int"
    suggested: "list[int]"
    chances: "list[float]"
    places: "list[Sequence[float]]"
    learned: "int"
    missing: "list[int]"
    outdated: "list[int]"
    job: "int | None"
    percent: "int"
    error: "str"


class LimitAnswer(TypedDict):
    """What limits a round that is started now, and what helps."""

    code: "str"
    text: "str"
    remedy: "str"


class LineAnswer(TypedDict):
    """`values` are numbers of that moment, as an epoch and its loss."""

    id: "int"
    at: "str"
    stage: "Literal['method', 'pseudo_masks', 'detector', 'segmenter', 'prediction', 'fusion', 'instances', 'evaluation', 'publication']"
    text: "str"
    values: "dict[str, JsonValue]"


class LockBody(TypedDict):
    """`readers`: how many people read each image independently. `origin`: where the masks are from."""

    origin: "NotRequired[Literal['scratch', 'published', 'exact', 'consensus']]"
    readers: "NotRequired[int]"
    note: "NotRequired[str]"


class LockedAnswer(TypedDict):
    """The reference set that now judges the rounds of the project."""

    number: "int"
    images: "int"
    readers: "int"
    note: "str"


class LotAnswer(TypedDict):
    """`judged` of `total` cells, planted errors among them. `caught` of the planted ones are only said once the lot is
    no longer judged.
    """

    id: "int"
    number: "int"
    project: "int"
    state: "Literal['open', 'withdrawn', 'accepted', 'reversed']"
    meaning: "Literal['existence', 'class', 'outline']"
    tolerated: "float"
    alpha: "float"
    attempt: "int"
    sha256: "str"
    images: "int"
    cells: "int"
    judged: "int"
    total: "int"
    planted: "int"
    made_by: "PersonAnswer"
    made_at: "str"
    accepted_by: "PersonAnswer | None"
    accepted_at: "str | None"


class LotBody(TypedDict):
    """The claim, and what the lot is made of: open proposals of these images and classes; empty for all.  `planted`
    known errors are mixed into the sample. `fields`: random ones for the claim about missed cells, 30 at least;
    0 for no such claim.
    """

    meaning: "NotRequired[Literal['existence', 'class', 'outline']]"
    tolerated: "NotRequired[float]"
    alpha: "NotRequired[float]"
    images: "NotRequired[list[int]]"
    classes: "NotRequired[list[int]]"
    by_centre: "NotRequired[bool]"
    planted: "NotRequired[int]"
    fields: "NotRequired[int]"


class LotGroupAnswer(TypedDict):
    """A class, perhaps of one centre, with a claim of its own.  `judged`, `wrong`: of the verdicts that count so far:
    ten at a time, in the order of judging. `sample` 0: it is left out. `chances`: of passing at 1, 2, 3 and 4 %
    true errors. `limit`: upper confidence limit of the share of wrong cells, divided by that of the catch rate;
    null while nothing is judged.
    """

    label_class: "int | None"
    name: "str"
    centre: "str"
    cells: "int"
    sample: "int"
    chances: "list[float]"
    judged: "int"
    wrong: "int"
    limit: "float | None"
    outcome: "Literal['passed', 'open', 'failed', 'left_out']"


class LotInFull(TypedDict):
    """`errors_at`: the shares of true errors that `chances` are of. `changes`: why the lot is not what was frozen.
    `missed`: what the certificate says of missed cells; `missed_fields`: the figures.
    """

    id: "int"
    number: "int"
    project: "int"
    state: "Literal['open', 'withdrawn', 'accepted', 'reversed']"
    meaning: "Literal['existence', 'class', 'outline']"
    tolerated: "float"
    alpha: "float"
    attempt: "int"
    sha256: "str"
    images: "int"
    cells: "int"
    judged: "int"
    total: "int"
    planted: "int"
    made_by: "PersonAnswer"
    made_at: "str"
    accepted_by: "PersonAnswer | None"
    accepted_at: "str | None"
    groups: "list[LotGroupAnswer]"
    errors_at: "list[float]"
    catch_rate_limit: "float | None"
    missed: "str"
    missed_fields: "MissedAnswer"
    changes: "list[str]"


class ManyImagesChange(TypedDict):
    """The same for many images: all are changed, or none."""

    centre: "NotRequired[str]"
    patient: "NotRequired[str]"
    block: "NotRequired[str]"
    slide: "NotRequired[str]"
    scanner: "NotRequired[str]"
    stain: "NotRequired[str]"
    um_per_px: "NotRequired[float | None]"
    scale_source: "NotRequired[Literal['nominal', 'typed', 'measured']]"
    split: "NotRequired[Literal['train', 'val', 'test']]"
    reason: "NotRequired[str]"
    images: "list[int]"
    add_tags: "NotRequired[list[str]]"
    remove_tags: "NotRequired[list[str]]"


class MapAnswer(TypedDict):
    """The map of neighbours (UMAP). `cells`: that have a place of their own on the one that is kept, of so many that
    were compared when it was made at `made_at`; 0 and null where none is kept. `job`: what makes one, while it
    is at work, with `percent` done; `error`: why the last one failed.
    """

    cells: "int"
    of: "int"
    made_at: "str | None"
    job: "int | None"
    percent: "int"
    error: "str"


class MaskAnswer(TypedDict):
    """As MaskIn."""

    x: "int"
    y: "int"
    width: "int"
    height: "int"
    bits: "str"


class MaskIn(TypedDict):
    """An integer box in image pixels and a packed bit run relative to it (inference/masks.py), in base64."""

    x: "int"
    y: "int"
    width: "int"
    height: "int"
    bits: "str"


class MasksForm(TypedDict):
    """Label maps; `replace`: those that are there already are replaced."""

    masks: "NotRequired[list[Any]]"
    replace: "NotRequired[bool]"


class MasksRemoved(TypedDict):
    image: "int"
    notes: "list[str]"


class MatchAnswer(TypedDict):
    """What is read of a name; empty where it does not fit the pattern."""

    image: "int"
    name: "str"
    parts: "dict[str, str]"


class MatchingAnswer(TypedDict):
    by: "Literal['iou', 'distance']"
    iou: "float"
    um: "float"


class MeAnswer(TypedDict):
    """`token` is null for a browser; `server` is the version that runs."""

    id: "int"
    username: "str"
    name: "str"
    may_create_projects: "bool"
    token: "TokenAnswer | None"
    server: "str"


class MeanAnswer(TypedDict):
    """Over the images of a group; the interval is null where it cannot be computed."""

    mean: "float"
    low: "float | None"
    high: "float | None"
    images: "int"
    patients: "int"
    stands_out: "bool"


class Measures(TypedDict):
    """Agreement of masks with a reference, mean over images (inference/metrics.py)."""

    dice: "NotRequired[float | None]"
    iou: "NotRequired[float | None]"
    aji: "NotRequired[float | None]"
    aji_plus: "NotRequired[float | None]"
    pq: "NotRequired[float | None]"
    dq: "NotRequired[float | None]"
    sq: "NotRequired[float | None]"
    bf1: "NotRequired[float | None]"
    bf1_tolerance_px: "NotRequired[float | None]"


class MemberAnswer(TypedDict):
    """`id` is the membership's. `user` is null before the first sign-in: the number of a new account is higher than
    that of an old one.
    """

    id: "int"
    user: "int | None"
    name: "str"
    role: "Literal['owner', 'manager', 'reviewer', 'annotator', 'viewer']"
    seniority: "Literal['', 'student', 'resident', 'pathologist']"
    centre: "int | None"
    skills: "list[str]"


class MemberChange(TypedDict):
    """What is left out stays as it is. `centre` is where the person works, null for none; `skills` are tags of images
    that they read.
    """

    role: "NotRequired[Literal['owner', 'manager', 'reviewer', 'annotator', 'viewer'] | None]"
    seniority: "NotRequired[Literal['', 'student', 'resident', 'pathologist'] | None]"
    centre: "NotRequired[int | None]"
    skills: "NotRequired[list[str] | None]"


class MergeBody(TypedDict):
    """`into`: the class that the cells get."""

    into: "int"


class MethodAnswer(TypedDict):
    """A method, and the cells that it needs and that there are. `missing` 0: it can start; else `sentence` says why
    not. `prompters`: the nets that it can compose; empty where it takes any prompter, or none.
    """

    name: "str"
    title: "str"
    description: "str"
    labels: "list[str]"
    prompters: "list[str]"
    least: "int"
    usable: "int"
    missing: "int"
    sentence: "str"


class MissedAnswer(TypedDict):
    """What random fields show of missed cells. `fields`: drawn; `annotated`: of these; `cells`, `missed`: in those
    that count. `limit`: upper confidence limit of the share of missed cells, averaged over fields; null while
    fewer than 30 fields count.
    """

    fields: "int"
    annotated: "int"
    cells: "int"
    missed: "int"
    limit: "float | None"


MissingKind: TypeAlias = "Literal['no_worker', 'no_gpu', 'gpu_memory', 'memory', 'memory_needed']"


class Model(TypedDict):
    """Which detector or segmenter, and what it begins with.  change      fields of the model's own settings or of its
    schedule that differ from the preset's start_from  key of the artifact whose weights it begins with as_is
    the weights are used as they are: nothing is trained
    """

    name: "str"
    preset: "NotRequired[str]"
    change: "NotRequired[dict[str, JsonValue]]"
    start_from: "NotRequired[str | None]"
    as_is: "NotRequired[bool]"


class ModelNames(TypedDict):
    """Names with versions of what made a prediction: of a detector, a segmenter and a prompter, or of one method."""

    detector: "NotRequired[str]"
    segmenter: "NotRequired[str]"
    prompter: "NotRequired[str]"
    method: "NotRequired[str]"


ModelStart = TypedDict(
    "ModelStart", {"from": "NotRequired[Literal['shipped', 'current'] | int]", "as_is": "NotRequired[bool]"}
)


class ModelsAnswer(TypedDict):
    """A detector and a segmenter that can propose together, or a method that was trained as a whole. `detector`,
    `segmenter` and `method` are what the request takes; null is left out of it.  `scale` and `warning` say
    which µm per pixel they expect, and what that means for these images.
    """

    key: "str"
    name: "str"
    detector: "int | str | None"
    segmenter: "int | str | None"
    method: "int | None"
    learned_from: "str"
    licences: "list[str]"
    elsewhere: "bool"
    scale: "str"
    warning: "str"


class NamedNumber(TypedDict):
    name: "str"
    value: "float"


class NewClass(TypedDict):
    name: "str"
    parent: "NotRequired[int | None]"


class NewFields(TypedDict):
    """One of the three."""

    rectangles: "NotRequired[list[RectangleBody] | None]"
    grid: "NotRequired[GridBody | None]"
    random: "NotRequired[RandomBody | None]"


class NewInvitationAnswer(TypedDict):
    """`link` stands here and nowhere else."""

    id: "int"
    role: "Literal['owner', 'manager', 'reviewer', 'annotator', 'viewer']"
    note: "str"
    made_by: "str"
    made_at: "str"
    expires_at: "str"
    used_at: "str | None"
    used_by: "str | None"
    revoked_at: "str | None"
    is_open: "bool"
    link: "str"


class NewMember(TypedDict):
    """`username` is the name to sign in with; a new one makes an account."""

    username: "str"
    role: "NotRequired[Literal['owner', 'manager', 'reviewer', 'annotator', 'viewer']]"


class NewProject(TypedDict):
    """`layering` cannot be changed later. The classes have the palette's colours, in order."""

    name: "str"
    description: "NotRequired[str]"
    layering: "NotRequired[Literal['shared', 'per_annotator']]"
    records_activity: "NotRequired[bool]"
    classes: "NotRequired[list[str]]"


class NoticesAnswer(TypedDict):
    """`webhook_secret` is the key of the webhook's signature; empty without one, and for who only oversees."""

    notify_by_mail: "bool"
    webhook_url: "str"
    webhook_secret: "str"


class NoticesBody(TypedDict):
    """An empty `webhook_url`: there is none."""

    notify_by_mail: "bool"
    webhook_url: "NotRequired[str]"


class NotificationAnswer(TypedDict):
    """`path` is where it leads; `seen_at` null: it is new."""

    id: "int"
    kind: "Literal['assigned', 'sent_back', 'mentioned', 'round_ended', 'retention_ends']"
    project: "int"
    image: "int | None"
    text: "str"
    path: "str"
    made_at: "str"
    seen_at: "str | None"


class NotificationChoiceBody(TypedDict):
    """`by_mail`: once an hour at most, what is new. It counts only where `in_app` is true."""

    kind: "Literal['assigned', 'sent_back', 'mentioned', 'round_ended', 'retention_ends']"
    in_app: "bool"
    by_mail: "NotRequired[bool]"


class Notified(TypedDict):
    notified: "bool"


class OperationAnswer(TypedDict):
    op_id: "str"
    layer: "str"
    seq: "int"
    action: "Literal['draw', 'move', 'resize', 'reshape', 'classify', 'delete', 'accept', 'reject', 'edit', 'region', 'cannot_tell', 'undo', 'redo', 'bulk', 'opinion', 'overrule', 'restore']"
    author: "PersonAnswer"
    tool: "str"
    session: "str"
    undoes: "str | None"
    begun_at: "str"
    committed_at: "str"
    effects: "list[EffectAnswer]"
    opinions: "list[OpinionEffectAnswer]"
    settles: "list[SettledAnswer]"


class OperationIn(TypedDict):
    """One act of a person. Times are the browser's: the wall clock, and milliseconds of its steady clock."""

    op_id: "str"
    action: "Literal['draw', 'move', 'resize', 'reshape', 'classify', 'delete', 'accept', 'reject', 'edit', 'region', 'cannot_tell', 'undo', 'redo', 'bulk', 'opinion', 'overrule', 'restore']"
    tool: "NotRequired[str | None]"
    session: "str"
    begun_at: "str"
    committed_at: "str"
    begun_ms: "float"
    committed_ms: "float"
    activity: "NotRequired[Sequence[int] | None]"
    undoes: "NotRequired[str | None]"
    view: "NotRequired[ViewIn | None]"
    effects: "NotRequired[list[EffectIn]]"
    opinions: "NotRequired[list[OpinionIn] | None]"
    settles: "NotRequired[list[SettleIn] | None]"


class OperationsAnswer(TypedDict):
    """A verdict for each operation that was sent, in their order."""

    layer: "str"
    seq: "int"
    results: "list[VerdictAnswer]"


class OperationsBody(TypedDict):
    operations: "list[OperationIn]"


class OpinionAnswer(TypedDict):
    """An opinion as it is kept; an empty verdict: withdrawn. `settled_by`: the overrule that settled it."""

    author: "PersonAnswer"
    verdict: "Literal['accepted', 'rejected', 'unsure', '']"
    label_class: "int | None"
    reason: "Literal['', 'not_a_cell', 'boundary', 'duplicate', 'merged', 'cannot_tell']"
    given_at: "str"
    last_op: "str"
    settled_by: "str | None"


class OpinionEffectAnswer(TypedDict):
    annotation: "str"
    before: "JudgementAnswer | None"
    after: "JudgementAnswer | None"


class OpinionIn(TypedDict):
    """What an operation does to its author's opinion of one cell; after null: it is withdrawn."""

    annotation: "str"
    seen: "NotRequired[str | None]"
    after: "NotRequired[JudgementIn | None]"


class OutcomeAnswer(TypedDict):
    """What a finished round proposes; `empty` are the images on which it proposes nothing."""

    images: "int"
    proposals: "int"
    boxless: "int"
    crumbs: "int"
    empty: "list[EmptyImage]"
    headline: "str"


class Page_AdmissionAnswer(TypedDict):
    items: "list[AdmissionAnswer]"
    next: "str | None"


class Page_AttemptAnswer(TypedDict):
    items: "list[AttemptAnswer]"
    next: "str | None"


class Page_CentreAnswer(TypedDict):
    items: "list[CentreAnswer]"
    next: "str | None"


class Page_ClassAnswer(TypedDict):
    items: "list[ClassAnswer]"
    next: "str | None"


class Page_ClassMergeAnswer(TypedDict):
    items: "list[ClassMergeAnswer]"
    next: "str | None"


class Page_FieldAnswer(TypedDict):
    items: "list[FieldAnswer]"
    next: "str | None"


class Page_GuidelineAnswer(TypedDict):
    items: "list[GuidelineAnswer]"
    next: "str | None"


class Page_ImageAnswer(TypedDict):
    items: "list[ImageAnswer]"
    next: "str | None"


class Page_ImportAnswer(TypedDict):
    items: "list[ImportAnswer]"
    next: "str | None"


class Page_InvitationAnswer(TypedDict):
    items: "list[InvitationAnswer]"
    next: "str | None"


class Page_ItemAnswer(TypedDict):
    items: "list[ItemAnswer]"
    next: "str | None"


class Page_JobAnswer(TypedDict):
    items: "list[JobAnswer]"
    next: "str | None"


class Page_LateAnswer(TypedDict):
    items: "list[LateAnswer]"
    next: "str | None"


class Page_LotAnswer(TypedDict):
    items: "list[LotAnswer]"
    next: "str | None"


class Page_MemberAnswer(TypedDict):
    items: "list[MemberAnswer]"
    next: "str | None"


class Page_NotificationAnswer(TypedDict):
    items: "list[NotificationAnswer]"
    next: "str | None"


class Page_PastOperationAnswer(TypedDict):
    items: "list[PastOperationAnswer]"
    next: "str | None"


class Page_PatientAnswer(TypedDict):
    items: "list[PatientAnswer]"
    next: "str | None"


class Page_PictureAnswer(TypedDict):
    items: "list[PictureAnswer]"
    next: "str | None"


class Page_ProjectAnswer(TypedDict):
    items: "list[ProjectAnswer]"
    next: "str | None"


class Page_ReferencedImage(TypedDict):
    items: "list[ReferencedImage]"
    next: "str | None"


class Page_RoundAnswer(TypedDict):
    items: "list[RoundAnswer]"
    next: "str | None"


class Page_SetAnswer(TypedDict):
    items: "list[SetAnswer]"
    next: "str | None"


class Page_SplitChangeAnswer(TypedDict):
    items: "list[SplitChangeAnswer]"
    next: "str | None"


class Page_ThreadAnswer(TypedDict):
    items: "list[ThreadAnswer]"
    next: "str | None"


class Page_TimeStudyAnswer(TypedDict):
    items: "list[TimeStudyAnswer]"
    next: "str | None"


class Page_UploadAnswer(TypedDict):
    items: "list[UploadAnswer]"
    next: "str | None"


class Page_VersionAnswer(TypedDict):
    items: "list[VersionAnswer]"
    next: "str | None"


class PairAnswer(TypedDict):
    """Two readers, by the ids of their accounts as text."""

    first: "str"
    second: "str"
    images: "int"
    f1: "AgreementFigure"
    f1_near: "AgreementFigure"
    dice: "AgreementFigure"
    pq: "AgreementFigure"
    aji: "AgreementFigure"
    outline_distance: "AgreementFigure"
    unmatched: "AgreementFigure"
    kappa: "AgreementFigure"
    alpha: "AgreementFigure"
    alpha_no_cell: "AgreementFigure"


class ParametersAnswer(TypedDict):
    by: "Literal['iou', 'distance']"
    iou: "float"
    um: "float"
    shapes: "Literal['majority', 'staple']"
    classes: "Literal['majority', 'dawid_skene']"


class PastEffectAnswer(TypedDict):
    """An annotation before and after an operation; null: it was not there."""

    annotation: "str"
    before: "StateAnswer | None"
    after: "StateAnswer | None"


class PastOperationAnswer(TypedDict):
    """What somebody did, as it is shown to people. `effects` are the first ones, or those on the cell that was asked
    for; `count` is how many annotations the operation was about.
    """

    op_id: "str"
    layer: "str"
    seq: "int"
    action: "Literal['draw', 'move', 'resize', 'reshape', 'classify', 'delete', 'accept', 'reject', 'edit', 'region', 'cannot_tell', 'undo', 'redo', 'bulk', 'opinion', 'overrule', 'restore']"
    author: "PersonAnswer"
    tool: "str"
    committed_at: "str"
    view: "ViewAnswer | None"
    count: "int"
    effects: "list[PastEffectAnswer]"
    opinions: "list[OpinionEffectAnswer]"


class PatientAnswer(TypedDict):
    """`known_by` a block or slide where nobody has named the patient; `split` null: divided between several parts, so
    that figures are optimistic. `label` is the name with the centre, as rounds say it.
    """

    id: "int"
    name: "str"
    known_by: "Literal['patient', 'block', 'slide']"
    label: "str"
    centre: "str"
    split: "Literal['train', 'val', 'test'] | None"
    images: "int"


class PatientChange(TypedDict):
    """`split` moves all images of the patient; null divides the only patient of a project. `seen` is the split that
    you have seen ("" for a divided patient): the change is declined when somebody else has moved the patient
    since.
    """

    name: "NotRequired[str | None]"
    centre: "NotRequired[str | None]"
    split: "NotRequired[Literal['train', 'val', 'test'] | None]"
    seen: "NotRequired[Literal['train', 'val', 'test', ''] | None]"
    reason: "NotRequired[str]"


class PatternAnswer(TypedDict):
    """`preview`: the first images, those whose names do not fit before the others."""

    dry_run: "bool"
    fitting: "int"
    not_fitting: "int"
    changed: "int"
    preview: "list[MatchAnswer]"


class PatternBody(TypedDict):
    """`images` null: all of the project. `dry_run` says what would be stated, and states nothing."""

    pattern: "str"
    images: "NotRequired[list[int] | None]"
    dry_run: "NotRequired[bool]"
    reason: "NotRequired[str]"


class PersonAnswer(TypedDict):
    id: "int"
    name: "str"


class PersonTime(TypedDict):
    user: "int"
    name: "str"
    seconds: "float"


class PictureAnswer(TypedDict):
    name: "str"
    content_type: "str"
    url: "str"


class PictureForm(TypedDict):
    file: "Any"
    name: "NotRequired[str]"


class PlaceAnswer(TypedDict):
    number: "int"
    of: "int"


class PlaceFigure(TypedDict):
    """`votes`: reader -> class, "" for no cell, "?" for a cell without a class."""

    image: "str"
    kind: "Literal['missing', 'class', 'outline']"
    x: "float"
    y: "float"
    worst: "float"
    votes: "dict[str, str]"


class PlacedImage(TypedDict):
    """`position` counts from 1 among the `count` images of the project; `previous` and `next` are their ids."""

    id: "int"
    name: "str"
    width: "int"
    height: "int"
    um_per_px: "float | None"
    synthetic: "bool"
    pixels_url: "str"
    tiles: "TilesAnswer | None"
    planes: "PlanesAnswer | None"
    thumbnail_url: "str"
    position: "int"
    count: "int"
    previous: "int | None"
    next: "int | None"


class PlanesAnswer(TypedDict):
    """What can be chosen of a slide, and of its fields: `tiles` take page, channels and icc as their query.  `page` is
    shown at first, of `z` slices and `t` times: page = time * z + slice, all from the first one on. `channels`
    is empty where a pixel has colours of its own. `icc`: whether the slide has a colour profile that can be
    applied.
    """

    tiles: "TilesAnswer"
    page: "int"
    z: "int"
    t: "int"
    channels: "list[ChannelAnswer]"
    icc: "bool"


class PointsBody(TypedDict):
    """`points`: x, y in the picture of a field, 0 to 1, one for each cell whose middle lies in the field."""

    position: "int"
    points: "list[Sequence[float]]"


class PolicyAnswer(TypedDict):
    promotes_itself: "bool"
    data_licence: "str"


class PolicyBody(TypedDict):
    """`promotes_itself`: a finished round's proposals become current at once."""

    promotes_itself: "bool"
    data_licence: "NotRequired[str]"


class Prediction(TypedDict):
    """classes: the project's class for each class of a detector that is used as it is; None where it has none."""

    detector_threshold: "NotRequired[float]"
    person_overlap: "NotRequired[float]"
    classes: "NotRequired[list[int | None] | None]"


class PredictionFacts(TypedDict):
    images: "NotRequired[int]"
    boxes: "NotRequired[int]"
    models: "NotRequired[ModelNames]"
    unreadable_images: "NotRequired[int]"


class PresenceBody(TypedDict):
    """Where somebody looks: `view` is the part of the image in sight, `editing` the annotation in work."""

    session: "str"
    cursor: "NotRequired[Sequence[float] | None]"
    view: "NotRequired[Sequence[float] | None]"
    editing: "NotRequired[str | None]"
    gone: "NotRequired[bool]"


class Problem(TypedDict):
    """An error as every address of the API answers it. An error may say more, as the round that is in the way."""

    type: "str"
    title: "str"
    status: "int"
    code: "str"
    detail: "str"
    field: "NotRequired[str | None]"
    lines: "NotRequired[list[str] | None]"


class Progress(TypedDict):
    judged: "int"
    total: "int"


class ProjectAnswer(TypedDict):
    """`removed_at`: of a deleted project, which owners alone see, when it goes for good."""

    id: "int"
    name: "str"
    description: "str"
    layering: "Literal['shared', 'per_annotator']"
    records_activity: "bool"
    keeps_originals: "bool"
    deidentifies: "bool"
    name_pattern: "str"
    model_channels: "list[str]"
    approval: "str"
    data_use: "str"
    retention_until: "str | None"
    permitted_centres: "list[str]"
    created_at: "str"
    archived_at: "str | None"
    deleted_at: "str | None"
    removed_at: "str | None"


class ProjectChange(TypedDict):
    """What is left out stays as it is. `model_channels`: names of the channels that models see of slides with several;
    [] for all that are shown at first.  Owners alone change the terms: `approval` is the approval number,
    `data_use` what the data may be used for, `retention_until` the day after which they should go (null: none;
    nothing is deleted by itself), `permitted_centres` the names of centres whose tissue may come in ([]: all).
    """

    name: "NotRequired[str | None]"
    description: "NotRequired[str | None]"
    records_activity: "NotRequired[bool | None]"
    keeps_originals: "NotRequired[bool | None]"
    deidentifies: "NotRequired[bool | None]"
    name_pattern: "NotRequired[str | None]"
    model_channels: "NotRequired[list[str] | None]"
    approval: "NotRequired[str | None]"
    data_use: "NotRequired[str | None]"
    retention_until: "NotRequired[str | None]"
    permitted_centres: "NotRequired[list[str] | None]"


class ProjectCopyAnswer(TypedDict):
    """`job` brings the images along; null where they were not asked for."""

    project: "ProjectAnswer"
    job: "JobAnswer | None"


class ProjectCopyBody(TypedDict):
    """What comes along beside settings, classes, guidelines and workflow: `images`, for owners, by a job; with them
    `annotations`, the cells of their shared working layers.
    """

    name: "str"
    images: "NotRequired[bool]"
    annotations: "NotRequired[bool]"


class ProjectDeletionBody(TypedDict):
    """`typed`: the name of the project, to confirm."""

    typed: "str"


class ProjectInFull(TypedDict):
    """`members`: where annotators read apart they find themselves alone; those who lead find everybody."""

    id: "int"
    name: "str"
    description: "str"
    layering: "Literal['shared', 'per_annotator']"
    records_activity: "bool"
    keeps_originals: "bool"
    deidentifies: "bool"
    name_pattern: "str"
    model_channels: "list[str]"
    approval: "str"
    data_use: "str"
    retention_until: "str | None"
    permitted_centres: "list[str]"
    created_at: "str"
    archived_at: "str | None"
    deleted_at: "str | None"
    removed_at: "str | None"
    role: "Literal['owner', 'manager', 'reviewer', 'annotator', 'viewer']"
    classes: "list[ClassAnswer]"
    attributes: "list[AttributeAnswer]"
    members: "list[MemberAnswer]"


class PromotionAnswer(TypedDict):
    round: "int"
    reason: "Literal['finished', 'promoted', 'rolled_back']"
    at: "str"


class Prompter(TypedDict):
    """The prompter by its name in inference/registry.py. weights: key of the artifact where they are a team's own."""

    name: "NotRequired[str]"
    weights: "NotRequired[str | None]"


class ProposalBody(TypedDict):
    """`images` null: all pictures of the project, or all its slides where it has no picture. `region` is of the only
    image: x, y, width, height in its pixels. `method`: a version of a method that was trained as a whole, which
    then proposes without a detector and a segmenter.
    """

    images: "NotRequired[list[int] | None]"
    region: "NotRequired[Sequence[int] | None]"
    detector: "NotRequired[Literal['shipped'] | int]"
    segmenter: "NotRequired[Literal['shipped'] | int]"
    method: "NotRequired[int | None]"
    device: "NotRequired[Literal['auto', 'cpu', 'gpu']]"


class ProposingAnswer(TypedDict):
    """`url`: the page on which cells are proposed on this image; `job`: the one that does it now."""

    url: "str"
    job: "int | None"


class PseudoMaskFacts(TypedDict):
    images: "NotRequired[int]"
    cells: "NotRequired[int]"
    prompter: "NotRequired[str]"


class PublicationAnswer(TypedDict):
    """`proposals`: how many cells the round proposed on this image; `why`: sentences about why it proposed none.
    Without a round the number is 0, and `job` is the one that proposed.
    """

    id: "str"
    round: "int | None"
    round_number: "int"
    job: "int | None"
    published_at: "str"
    models: "dict[str, str]"
    proposals: "int"
    why: "list[str]"
    certificate: "CertificateAnswer"


class RandomBody(TypedDict):
    count: "int"
    size: "NotRequired[int]"
    tissue: "NotRequired[float]"
    seed: "NotRequired[int | None]"


class ReaderResultAnswer(TypedDict):
    """`figures`: detection F1 of each control at IoU 0.5, the first one first. `drift` is null before there are enough
    of them.
    """

    reader: "PersonAnswer"
    figures: "list[float]"
    drift: "ControlDriftAnswer | None"
    repeated: "RepeatedAnswer"


class ReadingAnswer(TypedDict):
    """`is_blind`: its reader could see nothing of the other readings."""

    reader: "PersonAnswer"
    state: "Literal['assigned', 'open', 'finished', 'sent_back', 'skipped', 'released']"
    since: "str"
    lease_until: "str | None"
    reason: "str"
    is_blind: "bool"
    proposals: "list[ShownProposals]"


class Recipe(TypedDict):
    """How a method that is trained as a whole is trained.  change  numbers of limits.TRAINING that differ from the
    preset's
    """

    preset: "NotRequired[str]"
    change: "NotRequired[dict[str, JsonValue]]"


class RectangleBody(TypedDict):
    x: "int"
    y: "int"
    width: "int"
    height: "int"


class ReferenceSummary(TypedDict):
    """A locked reference set as it is described beside figures."""

    number: "int"
    origin: "str"
    readers: "int"
    images: "int"
    patients: "int"
    note: "str"
    locked_at: "str"
    locked_by: "str | None"


class ReferencedImage(TypedDict):
    image: "int"
    name: "str"
    split: "str"
    locked: "bool"


class RefusionBody(TypedDict):
    """The mask of a cell before the first stroke, and the strokes in the order of painting."""

    session: "str"
    number: "int"
    mask: "NotRequired[MaskIn | None]"
    strokes: "NotRequired[list[StrokeIn] | None]"


class RegionAnswer(TypedDict):
    id: "str"
    kind: "str"
    box: "Sequence[float]"
    author: "str"
    reader: "str"


class Registration(TypedDict):
    """Slides that lie below a root of the server's setting SLIDE_ROOTS, and what holds for all of them."""

    root: "str"
    paths: "list[str]"
    centre: "NotRequired[str]"
    patient: "NotRequired[str]"
    block: "NotRequired[str]"
    slide: "NotRequired[str]"
    scanner: "NotRequired[str]"
    stain: "NotRequired[str]"
    split: "NotRequired[Literal['train', 'val', 'test']]"
    page: "NotRequired[int | None]"
    channel: "NotRequired[int | None]"


class RegistrationIn(TypedDict):
    """Which image of the project shows the same tissue, and places that belong together.  landmarks  x, y in this
    image and x, y in the other one, image pixels; three or more, not in one line
    """

    image: "int"
    landmarks: "list[Sequence[float]]"


class RejectBody(TypedDict):
    ids: "list[str]"
    reason: "NotRequired[Literal['', 'not_a_cell', 'boundary', 'duplicate', 'merged', 'cannot_tell']]"


class RelabelBody(TypedDict):
    """`label_class` null takes the class away."""

    ids: "list[str]"
    label_class: "int | None"


class ReleaseBody(TypedDict):
    """`reader`: whose reading goes back; left out: one's own."""

    reader: "NotRequired[int | None]"


class RemovalAnswer(TypedDict):
    kind: "Literal['tiles', 'deleted', 'results']"
    count: "int"
    bytes: "int"


class Removed(TypedDict):
    """`removed` is the id of what is there no more."""

    removed: "int"


class RepeatedAnswer(TypedDict):
    """Cells of all repeats together. null: no repeat is finished, or none has a cell."""

    fields: "int"
    f1: "float | None"
    same_class: "float | None"


class ReplyBody(TypedDict):
    text: "str"


class ReportAnswer(TypedDict):
    """Every number of the report, as the bundle holds them (docs/time_study.md)."""

    study: "int"
    protocol_sha256: "str"
    numbers: "dict[str, JsonValue]"


class RestoredAnswer(TypedDict):
    restored: "int"


class RetryBody(TypedDict):
    """Which files of a job are read again; null for all that were not read."""

    items: "NotRequired[list[int] | None]"


class RoundAnswer(TypedDict):
    id: "int"
    project: "int"
    number: "int"
    state: "Literal['planned', 'queued', 'running', 'cancelled', 'failed', 'published']"
    preset: "str"
    configuration: "RoundConfiguration"
    snapshot: "SnapshotAnswer"
    cancel_requested: "bool"
    error: "str"
    created_at: "str"
    finished_at: "str | None"
    stages: "list[StageAnswer]"


class RoundChanges(TypedDict):
    """The settings that people may change, with the bounds that form and engine have; null: as the preset has it."""

    threshold: "NotRequired[float | None]"
    grid: "NotRequired[int | None]"
    lam: "NotRequired[float | None]"
    theta: "NotRequired[float | None]"
    components: "NotRequired[int | None]"
    trust: "NotRequired[float | None]"
    smallest: "NotRequired[int | None]"
    crumbs: "NotRequired[float | None]"
    detector_steps: "NotRequired[int | None]"
    detector_lr: "NotRequired[float | None]"
    segmenter_steps: "NotRequired[int | None]"
    segmenter_lr: "NotRequired[float | None]"
    steps: "NotRequired[int | None]"
    lr: "NotRequired[float | None]"
    seed: "NotRequired[int | None]"
    device: "NotRequired[Literal['auto', 'cpu', 'gpu'] | None]"
    method: "NotRequired[Literal['boxcell', 'boxcell-points', 'cellboxify', 'des-sam', 'insta-sam', 'cfr-sam'] | None]"
    prompter: "NotRequired[Literal['boxwise', 'boxwise-sam', 'grabcut', 'sam-vit-b', 'sam-vit-l', 'sam-vit-h', 'mobile-sam', 'sam2-tiny', 'sam2-small', 'sam2-base-plus', 'sam2-large', 'sam2.1-tiny', 'sam2.1-small', 'sam2.1-base-plus', 'sam2.1-large', 'medsam', 'micro-sam-vit-t', 'micro-sam-vit-b', 'micro-sam-vit-l'] | str | None]"


class RoundConfiguration(TypedDict):
    """Every parameter of a round. Rounds of before name fewer: what is not there has the default.  method  of
    inference/documents/methods.py recipe  of a method that is trained as a whole; detector, segmenter and
    fusion are then not used
    """

    method: "NotRequired[Literal['boxcell', 'boxcell-points', 'cellboxify', 'des-sam', 'insta-sam', 'cfr-sam']]"
    device: "NotRequired[Literal['auto', 'cpu', 'gpu']]"
    prompter: "NotRequired[Prompter]"
    prediction: "NotRequired[Prediction]"
    fusion: "NotRequired[Fusion]"
    instances: "NotRequired[Instances]"
    detector: "NotRequired[Model]"
    segmenter: "NotRequired[Model]"
    recipe: "NotRequired[Recipe | None]"
    evaluation: "NotRequired[Beginnings | None]"


class RoundInFull(TypedDict):
    id: "int"
    project: "int"
    number: "int"
    state: "Literal['planned', 'queued', 'running', 'cancelled', 'failed', 'published']"
    preset: "str"
    configuration: "RoundConfiguration"
    snapshot: "SnapshotAnswer"
    cancel_requested: "bool"
    error: "str"
    created_at: "str"
    finished_at: "str | None"
    stages: "list[StageAnswer]"
    outcome: "OutcomeAnswer | None"


class RoundNumbers(TypedDict):
    number: "int"
    box_ap50: "float | None"
    dice: "float | None"
    aji: "float | None"


class RoundStart(TypedDict):
    """A round to be started. `line_up`: it starts when the round at work has ended."""

    preset: "NotRequired[Literal['quick', 'standard', 'tiny', 'paper']]"
    changes: "NotRequired[RoundChanges | None]"
    same_patient: "NotRequired[bool]"
    start: "NotRequired[StartBody | None]"
    line_up: "NotRequired[bool]"


class SampleFieldAnswer(TypedDict):
    """The next field in which every cell is pointed at. `picture`: JPEG in base64, a square; `frame`: the field in it,
    x0, y0, x1, y1 from 0 to 1. Where it lies is not said.
    """

    position: "int"
    picture: "str"
    frame: "Sequence[float]"


class SampleFieldProgress(TypedDict):
    annotated: "int"
    fields: "int"


class SampleFieldsAnswer(TypedDict):
    """`field`: null where none is left, or its image is deleted."""

    field: "SampleFieldAnswer | None"
    annotated: "int"
    fields: "int"


class ScreenAnswer(TypedDict):
    """`decided`: verdict -> how many cells. `left_out`: cell -> why it was not decided."""

    id: "str"
    decided: "dict[str, int]"
    left_out: "dict[str, str]"
    is_undone: "bool"


class ScreenBody(TypedDict):
    """What was in view, and what was decided by one act. `milliseconds`: of the whole screen, which all cells share."""

    id: "str"
    order: "Literal['doubt', 'class', 'size', 'place', 'likeness', 'duplicates', 'errors', 'map']"
    milliseconds: "float"
    shown: "list[ShownBody]"
    verdicts: "NotRequired[list[GivenBody]]"
    accepts_rest: "NotRequired[bool]"


class SearchAnswer(TypedDict):
    """At most 20 of each kind, by name."""

    found: "list[Found]"


class SecondImage(TypedDict):
    """Another image of the same tissue, as one with another stain.  landmarks  x, y in the image of the workspace and
    x, y in this one, image pixels
    """

    id: "int"
    name: "str"
    width: "int"
    height: "int"
    um_per_px: "float | None"
    synthetic: "bool"
    pixels_url: "str"
    tiles: "TilesAnswer | None"
    planes: "PlanesAnswer | None"
    thumbnail_url: "str"
    landmarks: "list[Sequence[float]]"


class SeenAnswer(TypedDict):
    seen: "int"


class SeenNotifications(TypedDict):
    seen: "int"


class SetAnswer(TypedDict):
    """A locked reference set."""

    number: "int"
    images: "int"
    patients: "int"
    origin: "Literal['scratch', 'published', 'exact', 'consensus']"
    readers: "int"
    note: "str"
    locked_at: "str"
    locked_by: "str | None"


class SettleIn(TypedDict):
    """Whose opinion of which cell an overrule settles."""

    annotation: "str"
    author: "int"


class SettledAnswer(TypedDict):
    """Whose opinion of which cell an overrule has settled."""

    annotation: "str"
    author: "int"


class Shares(TypedDict):
    train: "NotRequired[float]"
    val: "NotRequired[float]"
    test: "NotRequired[float]"


class SheetAnswer(TypedDict):
    """`picture`: JPEG in base64. Cells that are gone are left out."""

    crops: "list[CropAnswer]"
    picture: "str"
    pixels: "int"
    columns: "int"


class ShownBody(TypedDict):
    cell: "str"
    pixels: "float"
    milliseconds: "float"


class ShownCell(TypedDict):
    """A cell to judge. `picture`: JPEG in base64, a square around it with its outline. Where it lies is not said."""

    position: "int"
    label_class: "int | None"
    picture: "str"


class ShownImage(TypedDict):
    """`planes` null: nothing to choose. `tiles` null: small enough to be fetched whole.  `um_per_px`: µm per pixel,
    null where nobody has stated it.
    """

    id: "int"
    name: "str"
    width: "int"
    height: "int"
    um_per_px: "float | None"
    synthetic: "bool"
    pixels_url: "str"
    tiles: "TilesAnswer | None"
    planes: "PlanesAnswer | None"
    thumbnail_url: "str"


class ShownProposals(TypedDict):
    """Proposals that a reader had in sight: of which round, made by which models."""

    publication: "str"
    round: "int"
    models: "dict[str, str]"


class SideCell(TypedDict):
    """A cell as one of the readers has drawn it; which one is not said."""

    box: "Sequence[float]"
    label_class: "int | None"
    mask: "MaskAnswer | None"


class SkipBody(TypedDict):
    reason: "str"


class SlideAnswer(TypedDict):
    """What a slide is. `info` is what `boxwise slide info --json` says; `removed` names what was not kept."""

    image: "int"
    reader: "str"
    root: "str"
    info: "dict[str, Any]"
    removed: "list[str]"


class SmartBody(TypedDict):
    """A box, and clicks as x, y and 1 (inside the cell) or 0 (outside it); image pixels.  `number` counts the requests
    of a session: the newest wins. `ready` asks for nothing yet: the worker is to have the models and the image
    at hand.
    """

    session: "str"
    number: "int"
    box: "NotRequired[Sequence[float] | None]"
    points: "NotRequired[list[Sequence[float | Literal[0, 1]]] | None]"
    ready: "NotRequired[bool]"


class SnapshotAnswer(TypedDict):
    sha256: "str"
    summary: "SnapshotSummary"


class SnapshotSummary(TypedDict):
    """Counts for people, per split, and whether images of one patient stand on both sides of the evaluation."""

    splits: "NotRequired[dict[str, SplitCount]]"
    same_patient_in_training_and_evaluation: "NotRequired[list[str]]"
    um_per_px: "NotRequired[float | None]"
    images_without_scale: "NotRequired[int]"
    images_without_patient: "NotRequired[int]"
    reference_set: "NotRequired[ReferenceSummary | None]"


class SplitChangeAnswer(TypedDict):
    """`before` and `after` are "" for a divided patient; `by` null: a command on the server."""

    id: "int"
    unit: "str"
    patient: "int | None"
    image: "int | None"
    before: "str"
    after: "str"
    how: "Literal['hand', 'automatic', 'joined']"
    images: "int"
    by: "str | None"
    at: "str"
    reason: "str"
    after_seal: "bool"


class SplitCount(TypedDict):
    images: "int"
    annotated: "int"
    cells: "int"
    verified_masks: "int"


class StageAnswer(TypedDict):
    kind: "Literal['method', 'pseudo_masks', 'detector', 'segmenter', 'prediction', 'fusion', 'instances', 'evaluation', 'publication']"
    name: "str"
    state: "Literal['waiting', 'running', 'done', 'reused', 'cancelled', 'failed']"
    done: "int"
    total: "int"
    note: "str"
    error: "str"
    attempts: "int"
    queue: "str"
    waits: "WaitsAnswer | None"
    usage: "Usage"
    started_at: "str | None"
    finished_at: "str | None"
    facts: "PseudoMaskFacts | TrainingFacts | PredictionFacts | FusionFacts | InstanceFacts | EvaluationFacts | Facts"


class StartBody(TypedDict):
    detector: "NotRequired[ModelStart | None]"
    segmenter: "NotRequired[ModelStart | None]"


class StartedRound(TypedDict):
    id: "int"
    project: "int"
    number: "int"
    state: "Literal['planned', 'queued', 'running', 'cancelled', 'failed', 'published']"
    preset: "str"
    configuration: "RoundConfiguration"
    snapshot: "SnapshotAnswer"
    cancel_requested: "bool"
    error: "str"
    created_at: "str"
    finished_at: "str | None"
    stages: "list[StageAnswer]"
    limits: "list[LimitAnswer]"


class StateAnswer(TypedDict):
    """`attributes` and `parent` are absent where nothing is said."""

    kind: "Literal['cell', 'region']"
    status: "Literal['confirmed', 'rejected', 'cannot_tell', 'exhaustive', 'ignore']"
    box: "Sequence[float]"
    label_class: "int | None"
    mask: "MaskAnswer | None"
    derived_from: "str | None"
    reason: "Literal['', 'not_a_cell', 'boundary', 'duplicate', 'merged', 'cannot_tell']"
    provenance: "dict[str, Any]"
    attributes: "NotRequired[dict[str, str] | None]"
    parent: "NotRequired[str | None]"


class StateIn(TypedDict):
    """What an annotation is to become. `provenance` is not believed: the server knows where a mask came from."""

    kind: "Literal['cell', 'region']"
    status: "Literal['confirmed', 'rejected', 'cannot_tell', 'exhaustive', 'ignore']"
    box: "Sequence[float]"
    label_class: "NotRequired[int | None]"
    mask: "NotRequired[MaskIn | None]"
    derived_from: "NotRequired[str | None]"
    reason: "NotRequired[Literal['', 'not_a_cell', 'boundary', 'duplicate', 'merged', 'cannot_tell'] | None]"
    provenance: "NotRequired[dict[str, Any] | None]"
    attributes: "NotRequired[dict[str, str] | None]"
    parent: "NotRequired[str | None]"


class StorageAnswer(TypedDict):
    """Bytes by kind. `quota` null: no limit; `counted`: what counts for it (files of images and uploads that wait).
    `own_quota` is the project's, `quota` the smaller of it and the server's. `removable`: what a clean-up would
    remove. `not_measured`: images of earlier versions whose size is not known yet.
    """

    bytes: "dict[str, int]"
    counted: "int"
    quota: "int | None"
    own_quota: "int | None"
    not_measured: "int"
    removable: "list[RemovalAnswer]"


class StorageChange(TypedDict):
    quota_bytes: "int | None"


class Stored(TypedDict):
    """False: the same batch was there already."""

    stored: "bool"


class StoredMasks(TypedDict):
    added: "list[AddedMasks]"
    declined: "list[DeclinedMasks]"


class StrokeIn(TypedDict):
    """What somebody painted as cell or as background."""

    x: "int"
    y: "int"
    width: "int"
    height: "int"
    bits: "str"
    foreground: "bool"


class StudyAnswer(TypedDict):
    """On the sheet of a study's item: the tools of its arm, and whether many proposals are accepted at once. `mark` is
    [x0, y0, x1, y1] around a sampled cell, in pixels of the sheet; null where the whole field is read.
    """

    tools: "list[str]"
    accepts_many: "bool"
    mark: "Sequence[int] | None"


class TableChanges(TypedDict):
    changed: "int"


class TableForm(TypedDict):
    """`reason`: why patients move into or out of test after the first round has started."""

    table: "Any"
    reason: "NotRequired[str]"


class TailAnswer(TypedDict):
    """The log after an operation; `more`: there is more than was asked for. `seq` is that of the newest operation."""

    layer: "str"
    seq: "int"
    operations: "list[OperationAnswer]"
    more: "bool"


class TestedAnswer(TypedDict):
    """How many messages are on their way."""

    sent: "int"


class ThemeAnswer(TypedDict):
    """`theme`: of pages and workspace, on every computer of this person."""

    theme: "Literal['system', 'light', 'dark']"


class ThemeBody(TypedDict):
    theme: "Literal['system', 'light', 'dark']"


class ThreadAnswer(TypedDict):
    """A thread with its comments, the first one first. x, y: image pixels, null for the whole image."""

    id: "int"
    image: "int"
    layer: "str | None"
    annotation: "str | None"
    x: "float | None"
    y: "float | None"
    resolved_at: "str | None"
    resolved_by: "PersonAnswer | None"
    comments: "list[CommentAnswer]"


class ThreadBody(TypedDict):
    """About a cell (layer and annotation), a place (x, y), or the image."""

    text: "str"
    layer: "NotRequired[str | None]"
    annotation: "NotRequired[str | None]"
    x: "NotRequired[float | None]"
    y: "NotRequired[float | None]"


class ThreadsAnswer(TypedDict):
    threads: "list[ThreadAnswer]"


class TilesAnswer(TypedDict):
    """Where a large image's tiles are: `url` + "level/column/row/", squares of `size` px. Level 0 is the image itself,
    each further level is half as large.
    """

    url: "str"
    size: "int"
    levels: "int"


class TimeAnswer(TypedDict):
    """Seconds of active time. `everyone` is null for fewer than `fewest` people; `people` are those whom you may see.
    `left_out` sessions are not summarised yet.
    """

    idle_after_s: "float"
    own: "float"
    everyone: "float | None"
    fewest: "int"
    people: "list[PersonTime]"
    left_out: "int"


class TimeStudyAnswer(TypedDict):
    """`protocol_sha256` is empty until the protocol is frozen."""

    id: "int"
    project: "int"
    name: "str"
    design: "Literal['crossover', 'williams', 'parallel']"
    state: "Literal['draft', 'running', 'locked']"
    protocol_sha256: "str"
    created_at: "str"
    readers: "int"


class TokenAnswer(TypedDict):
    """The token of this request. Its secret is said nowhere."""

    name: "str"
    scope: "Literal['read', 'annotate', 'manage']"
    expires_at: "str"


class TrainingFacts(TypedDict):
    """Of weights: trained here, shipped, or brought along.  settings           every parameter of the model, by its
    own names trained_parameters  numbers of the net that the training may change; not known of rounds of before
    """

    model: "NotRequired[str]"
    classes: "NotRequired[int]"
    settings: "NotRequired[dict[str, JsonValue]]"
    images: "NotRequired[int | None]"
    validation_images: "NotRequired[int | None]"
    cells: "NotRequired[int | None]"
    trained_parameters: "NotRequired[int | None]"


class TuningAnswer(TypedDict):
    """`state` null: nobody has asked. `base` and `best`: parameter -> value, as it was and that of the highest PQ."""

    state: "Literal['queued', 'done', 'failed'] | None"
    error: "str"
    requested_at: "str | None"
    images: "int | None"
    base: "dict[str, float] | None"
    rows: "list[TuningRow] | None"
    best: "dict[str, float] | None"
    seconds: "float | None"


class TuningRow(TypedDict):
    """One setting tried: the means over the validation images with reference masks."""

    parameter: "str"
    value: "float"
    dice: "float"
    pq: "float"
    aji: "float"


class UndoneAnswer(TypedDict):
    """`changed`: cells that stay as they are, because somebody has changed them since or their image is finished."""

    undone: "int"
    changed: "int"


class UploadAnswer(TypedDict):
    """An upload of one's own. `job` reads the file once it is whole; `expires_at` ends it where nobody goes on."""

    id: "str"
    project: "int"
    name: "str"
    size: "int"
    offset: "int"
    modified: "str"
    sha256: "str"
    job: "int | None"
    expires_at: "str"


class UploadForm(TypedDict):
    """Files, and what is said of all of them."""

    centre: "NotRequired[str]"
    patient: "NotRequired[str]"
    block: "NotRequired[str]"
    slide: "NotRequired[str]"
    scanner: "NotRequired[str]"
    stain: "NotRequired[str]"
    tags: "NotRequired[list[str]]"
    um_per_px: "NotRequired[float | None]"
    scale_source: "NotRequired[Literal['nominal', 'typed', 'measured']]"
    split: "NotRequired[Literal['train', 'val', 'test']]"
    page: "NotRequired[int | None]"
    channel: "NotRequired[int | None]"
    open_as: "NotRequired[Literal['auto', 'picture', 'slide']]"
    image: "list[Any]"


class Usage(TypedDict):
    """What a worker's process uses while it makes a stage; what cannot be known on its machine is absent.  cores,
    cores_mean  processors kept busy since the last report, and since the beginning memory...          bytes;
    gpu_memory...: bytes that torch has reserved on the GPU in use gpu_busy           share of the last moments
    in which the GPU did something, 0..1 made, seconds      units that this worker made, and in how much time
    device             what nets compute on, "cpu" or "cuda"; empty for stages without nets
    """

    cores: "NotRequired[float | None]"
    cores_mean: "NotRequired[float | None]"
    memory: "NotRequired[float | None]"
    memory_peak: "NotRequired[float | None]"
    memory_free: "NotRequired[float | None]"
    memory_total: "NotRequired[float | None]"
    gpu_memory: "NotRequired[float | None]"
    gpu_memory_peak: "NotRequired[float | None]"
    gpu_memory_total: "NotRequired[float | None]"
    gpu_busy: "NotRequired[float | None]"
    made: "NotRequired[int | None]"
    seconds: "NotRequired[float]"
    device: "NotRequired[str]"


class VerdictAnswer(TypedDict):
    """What became of one operation. `op_id` is as it was sent, also where it is no UUID. "kept": the image is done,
    and the operation waits apart for whoever leads.
    """

    op_id: "str"
    verdict: "Literal['accepted', 'repeated', 'stale', 'invalid', 'kept']"
    seq: "int | None"
    error: "VerdictError | None"
    current: "list[CurrentAnswer]"


class VerdictBody(TypedDict):
    position: "int"
    verdict: "Literal['right', 'wrong', 'unsure']"
    milliseconds: "NotRequired[float | None]"


class VerdictError(TypedDict):
    code: "str"
    detail: "str"
    field: "str"


class VerdictsBody(TypedDict):
    verdicts: "list[VerdictBody]"


VersionAnswer = TypedDict(
    "VersionAnswer",
    {
        "id": "int",
        "kind": "Literal['detector', 'segmenter', 'method', 'prompter']",
        "number": "int",
        "origin": "Literal['trained', 'imported', 'shipped']",
        "model": "str",
        "architecture": "str",
        "class_names": "list[str]",
        "size": "int",
        "sha256": "str",
        "parent": "int | None",
        "round": "int | None",
        "import": "int | None",
        "licences": "list[LicenceAnswer]",
        "metrics": "Figures",
    },
)


class ViewAnswer(TypedDict):
    """As ViewIn."""

    scale: "float"
    magnification: "float | None"
    outlines: "bool"
    second_image: "int | None"


class ViewIn(TypedDict):
    """How the picture was shown when somebody acted.  scale          CSS pixels for an image pixel magnification  as
    an objective: 10 where the screen shows 1 µm a pixel; null where the image's scale is unknown outlines
    whether the outlines of the cells were shown second_image   the image that was in sight beside this one or
    over it
    """

    scale: "float"
    magnification: "NotRequired[float | None]"
    outlines: "bool"
    second_image: "NotRequired[int | None]"


class WaitsAnswer(TypedDict):
    """Why a stage waits and when it is tried again; `again_at` null: when a worker is there."""

    what: "MissingKind"
    worker: "str | None"
    queue: "str | None"
    needs: "int | None"
    free: "int | None"
    reason: "str"
    remedy: "str"
    again_at: "str | None"


class WeightsForm(TypedDict):
    """Files, and what the data that the weights learned from may be used for."""

    files: "NotRequired[list[Any]]"
    data_licence: "NotRequired[str]"
    note: "NotRequired[str]"


class WithdrawalAnswer(TypedDict):
    """`withdrawn_at` null: a preview, nothing has happened. `waits`: a round or job is at work, so that files stay
    until it has ended; `finished_at`: since when everything is removed.
    """

    patient: "int"
    label: "str"
    counts: "WithdrawalCounts"
    learned: "WithdrawalLearned"
    waits: "bool"
    withdrawn_at: "str | None"
    finished_at: "str | None"


class WithdrawalBody(TypedDict):
    """`typed`: the patient's `label`, to confirm. It cannot be undone."""

    typed: "str"
    reason: "NotRequired[str]"


class WithdrawalCounts(TypedDict):
    """What goes, without cells and comments of blinded readings that are not closed. `exports`: all of the project
    that can still be fetched; `sheets`: copies for readers of studies and tests.
    """

    images: "int"
    slides: "int"
    masks: "int"
    operations: "int"
    vectors: "int"
    comments: "int"
    exports: "int"
    sheets: "int"


class WithdrawalLearned(TypedDict):
    """What has learned from the patient and stays: numbers of rounds, hashes of snapshots, models by name.
    `unreadable`: snapshots of which nobody can tell.
    """

    rounds: "list[int]"
    snapshots: "list[str]"
    models: "list[str]"
    unreadable: "list[str]"


class WorkAnswer(TypedDict):
    """The image in the workflow of its project, as this person sees it (labeling/workspace/work.py).  `reading` is the
    state of this person's own reading, `comment` why it was sent back to them, `actions` what they may do now.
    """

    item: "int"
    state: "Literal['to_do', 'in_work', 'in_review', 'sent_back', 'done']"
    reading: "str | None"
    comment: "str"
    place: "PlaceAnswer | None"
    reviewer: "str | None"
    actions: "list[Literal['begin', 'finish', 'skip', 'release', 'accept', 'send_back', 'reopen']]"


class WorkflowAnswer(TypedDict):
    readings: "int"
    more_percent: "int"
    is_blind: "bool"
    shows_proposals: "bool"
    seed: "int"
    has_review: "bool"
    reviews_own_work: "bool"
    needs_approval: "bool"
    excludes_own_centre: "bool"
    matches_skills: "bool"
    needs_admission: "bool"
    lease_hours: "int"
    declared_at: "str"


class WorkflowBody(TypedDict):
    """What is left out stays as it is, or as a new workflow has it. The limits are the service's."""

    readings: "NotRequired[int | None]"
    more_percent: "NotRequired[int | None]"
    is_blind: "NotRequired[bool | None]"
    shows_proposals: "NotRequired[bool | None]"
    has_review: "NotRequired[bool | None]"
    reviews_own_work: "NotRequired[bool | None]"
    needs_approval: "NotRequired[bool | None]"
    excludes_own_centre: "NotRequired[bool | None]"
    matches_skills: "NotRequired[bool | None]"
    needs_admission: "NotRequired[bool | None]"
    lease_hours: "NotRequired[int | None]"


class WorkflowOfProject(TypedDict):
    """`workflow` is null for a simple project; `counts` is the number of items in each state."""

    workflow: "WorkflowAnswer | None"
    counts: "dict[str, int]"


class WorkspaceAnswer(TypedDict):
    """`people` have annotated on the layers that are shown. `proposing` null: this person may not propose here.
    `second` null: no other image is registered with this one.
    """

    image: "PlacedImage"
    second: "SecondImage | None"
    project: "WorkspaceProject"
    person: "PersonAnswer"
    layers: "list[LayerAnswer]"
    study: "StudyAnswer | None"
    work: "WorkAnswer | None"
    proposing: "ProposingAnswer | None"
    guideline: "GuidelineState | None"
    people: "list[PersonAnswer]"


class WorkspaceProject(TypedDict):
    """`archived_at`: since when nothing in it is changed; null: it is in use. `removed_at`: when a deleted project,
    which is archived too, goes for good.
    """

    id: "int"
    name: "str"
    role: "Literal['owner', 'manager', 'reviewer', 'annotator', 'viewer']"
    archived_at: "str | None"
    removed_at: "str | None"
    records_activity: "bool"
    url: "str"
    classes: "list[ClassAnswer]"
    attributes: "list[AttributeAnswer]"


class Sender(Protocol):
    """Who sends a request: boxwise.transport.Transport."""

    def json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, Any] | None = None,
        files: Files | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any: ...

    def content(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, Any] | None = None,
        files: Files | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes: ...


class Operations:
    """Every address of the API, one method each."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender

    def activity_post(self, *, body: ActivityBody) -> Stored:
        """POST /api/v1/activity/  What a person did, as raw events; what they come to is computed elsewhere
        (annotations/active_time.py).
        """
        found: Stored = self.sender.json("POST", "activity/", body=body)
        return found

    def admission_withdraw_post(self, admission: int) -> AdmissionAnswer:
        """POST /api/v1/admissions/{admission}/withdraw/  It holds no longer. What the person has begun they may
        finish.
        """
        found: AdmissionAnswer = self.sender.json("POST", f"admissions/{admission}/withdraw/")
        return found

    def attempt_field_feedback_get(self, field: int) -> FeedbackAnswer:
        """GET /api/v1/attempt-fields/{field}/feedback/  What is right and wrong about your cells on a training field;
        missed ones once it is finished.
        """
        found: FeedbackAnswer = self.sender.json("GET", f"attempt-fields/{field}/feedback/")
        return found

    def attempt_field_finish_post(self, field: int) -> AttemptAnswer:
        """POST /api/v1/attempt-fields/{field}/finish/  The field is complete. With the last one the attempt ends."""
        found: AttemptAnswer = self.sender.json("POST", f"attempt-fields/{field}/finish/")
        return found

    def attempt_field_open_post(self, field: int) -> AttemptFieldAnswer:
        """POST /api/v1/attempt-fields/{field}/open/  The copy of the field that you draw on."""
        found: AttemptFieldAnswer = self.sender.json("POST", f"attempt-fields/{field}/open/")
        return found

    def centre_detail_patch(self, centre: int, *, body: CentreChange) -> CentreAnswer:
        """PATCH /api/v1/centres/{centre}/  Another name for a centre; its patients keep it."""
        found: CentreAnswer = self.sender.json("PATCH", f"centres/{centre}/", body=body)
        return found

    def certificate_detail_get(self, lot: int) -> LotInFull:
        """GET /api/v1/certificates/{lot}/  One lot: its plan, and what its sample shows so far."""
        found: LotInFull = self.sender.json("GET", f"certificates/{lot}/")
        return found

    def certificate_detail_post(self, lot: int, *, body: ActBody) -> LotInFull:
        """POST /api/v1/certificates/{lot}/  Accept the rest, take that back, or give the lot up. Accepting and taking
        back go on as a job.
        """
        found: LotInFull = self.sender.json("POST", f"certificates/{lot}/", body=body)
        return found

    def certificate_cells_get(self, lot: int, *, after: int | None = None, limit: int | None = None) -> CellsAnswer:
        """GET /api/v1/certificates/{lot}/cells/  The cells of the sample that nobody has judged: pictures, outlines
        and classes, and nothing of where they come from.
        """
        found: CellsAnswer = self.sender.json(
            "GET", f"certificates/{lot}/cells/", query={"after": after, "limit": limit}
        )
        return found

    def certificate_cells_post(self, lot: int, *, body: VerdictsBody) -> Progress:
        """POST /api/v1/certificates/{lot}/cells/  The cells of the sample that nobody has judged: pictures, outlines
        and classes, and nothing of where they come from.
        """
        found: Progress = self.sender.json("POST", f"certificates/{lot}/cells/", body=body)
        return found

    def certificate_fields_get(self, lot: int) -> SampleFieldsAnswer:
        """GET /api/v1/certificates/{lot}/fields/  The fields in which every cell is pointed at, for the claim about
        missed cells. No proposal is shown.
        """
        found: SampleFieldsAnswer = self.sender.json("GET", f"certificates/{lot}/fields/")
        return found

    def certificate_fields_post(self, lot: int, *, body: PointsBody) -> SampleFieldProgress:
        """POST /api/v1/certificates/{lot}/fields/  The fields in which every cell is pointed at, for the claim about
        missed cells. No proposal is shown.
        """
        found: SampleFieldProgress = self.sender.json("POST", f"certificates/{lot}/fields/", body=body)
        return found

    def certificate_record_get(self, lot: int) -> Any:
        """GET /api/v1/certificates/{lot}/record/  Plan, seed, sample and verdicts of a lot that is not being judged
        any more, as a JSON file.
        """
        found: Any = self.sender.json("GET", f"certificates/{lot}/record/")
        return found

    def merge_take_back_post(self, merge: str, *, key: str | None = None) -> JobAnswer:
        """POST /api/v1/class-merges/{merge}/take-back/  Cells get back the class that the merge took, but for those
        that somebody has changed since.
        """
        found: JobAnswer = self.sender.json(
            "POST", f"class-merges/{merge}/take-back/", headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def class_detail_get(self, label_class: int) -> ClassAnswer:
        """GET /api/v1/classes/{label_class}/"""
        found: ClassAnswer = self.sender.json("GET", f"classes/{label_class}/")
        return found

    def class_detail_patch(self, label_class: int, *, body: ClassChange) -> ClassAnswer:
        """PATCH /api/v1/classes/{label_class}/"""
        found: ClassAnswer = self.sender.json("PATCH", f"classes/{label_class}/", body=body)
        return found

    def class_detail_delete(self, label_class: int) -> Removed:
        """DELETE /api/v1/classes/{label_class}/  Only of a class that no cell has; the classes after it move up."""
        found: Removed = self.sender.json("DELETE", f"classes/{label_class}/")
        return found

    def class_merge_post(self, label_class: int, *, body: MergeBody, key: str | None = None) -> JobAnswer:
        """POST /api/v1/classes/{label_class}/merge/  Give the cells of a class another class. The class is not offered
        any more, and what still arrives with it gets the other one. A job goes over the cells; it can be
        taken back.
        """
        found: JobAnswer = self.sender.json(
            "POST", f"classes/{label_class}/merge/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def class_uses_get(self, label_class: int) -> ClassUsesAnswer:
        """GET /api/v1/classes/{label_class}/uses/  What names a class: to be read before it is merged or retired."""
        found: ClassUsesAnswer = self.sender.json("GET", f"classes/{label_class}/uses/")
        return found

    def comment_reopen_post(self, comment: int) -> ThreadAnswer:
        """POST /api/v1/comments/{comment}/reopen/"""
        found: ThreadAnswer = self.sender.json("POST", f"comments/{comment}/reopen/")
        return found

    def comment_reply_post(self, comment: int, *, body: ReplyBody, key: str | None = None) -> ThreadAnswer:
        """POST /api/v1/comments/{comment}/reply/"""
        found: ThreadAnswer = self.sender.json(
            "POST", f"comments/{comment}/reply/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def comment_resolve_post(self, comment: int) -> ThreadAnswer:
        """POST /api/v1/comments/{comment}/resolve/"""
        found: ThreadAnswer = self.sender.json("POST", f"comments/{comment}/resolve/")
        return found

    def disagreement_decide_post(self, disagreement: int, *, body: DecisionBody) -> DisagreementAnswer:
        """POST /api/v1/disagreements/{disagreement}/  A third person decides what stands at a place."""
        found: DisagreementAnswer = self.sender.json("POST", f"disagreements/{disagreement}/", body=body)
        return found

    def image_detail_get(self, image: int) -> ImageAnswer:
        """GET /api/v1/images/{image}/"""
        found: ImageAnswer = self.sender.json("GET", f"images/{image}/")
        return found

    def image_detail_patch(self, image: int, *, body: ImageChange) -> ChangedImage:
        """PATCH /api/v1/images/{image}/"""
        found: ChangedImage = self.sender.json("PATCH", f"images/{image}/", body=body)
        return found

    def image_annotations_get(
        self,
        image: int,
        *,
        include: list[Literal["masks", "boxes", "points", "regions", "cannot_tell", "rejected", "proposals"]]
        | None = None,
    ) -> DrawnAnswer:
        """GET /api/v1/images/{image}/annotations/  The cells and regions of an image that you see."""
        found: DrawnAnswer = self.sender.json("GET", f"images/{image}/annotations/", query={"include": include})
        return found

    def image_accept_post(self, image: int, *, body: AcceptBody) -> DecidedCells:
        """POST /api/v1/images/{image}/annotations/accept/  Proposals become cells of your layer, cells are confirmed."""
        found: DecidedCells = self.sender.json("POST", f"images/{image}/annotations/accept/", body=body)
        return found

    def image_geojson_get(
        self,
        image: int,
        *,
        include: list[Literal["masks", "boxes", "points", "regions", "cannot_tell", "rejected", "proposals"]]
        | None = None,
    ) -> bytes:
        """GET /api/v1/images/{image}/annotations/geojson/  The same as GeoJSON, as QuPath reads it (docs/exchange.md)."""
        return self.sender.content("GET", f"images/{image}/annotations/geojson/", query={"include": include})

    def image_reject_post(self, image: int, *, body: RejectBody) -> DecidedCells:
        """POST /api/v1/images/{image}/annotations/reject/  Proposals and cells are no cells."""
        found: DecidedCells = self.sender.json("POST", f"images/{image}/annotations/reject/", body=body)
        return found

    def image_relabel_post(self, image: int, *, body: RelabelBody) -> DecidedCells:
        """POST /api/v1/images/{image}/annotations/relabel/  Another class for cells of your layer."""
        found: DecidedCells = self.sender.json("POST", f"images/{image}/annotations/relabel/", body=body)
        return found

    def image_comments_get(self, image: int) -> ThreadsAnswer:
        """GET /api/v1/images/{image}/comments/  The threads of an image. POST begins one."""
        found: ThreadsAnswer = self.sender.json("GET", f"images/{image}/comments/")
        return found

    def image_comments_post(self, image: int, *, body: ThreadBody, key: str | None = None) -> ThreadAnswer:
        """POST /api/v1/images/{image}/comments/  The threads of an image. POST begins one."""
        found: ThreadAnswer = self.sender.json(
            "POST", f"images/{image}/comments/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def image_comments_seen_post(self, image: int) -> SeenAnswer:
        """POST /api/v1/images/{image}/comments/seen/  I have read the comments of this image."""
        found: SeenAnswer = self.sender.json("POST", f"images/{image}/comments/seen/")
        return found

    def image_consensus_get(self, image: int) -> ConsensusAnswer:
        """GET /api/v1/images/{image}/consensus/  The consensus of an image, and the places where its readings differ."""
        found: ConsensusAnswer = self.sender.json("GET", f"images/{image}/consensus/")
        return found

    def image_consensus_post(self, image: int, *, body: ConsensusBody, key: str | None = None) -> JobAnswer:
        """POST /api/v1/images/{image}/consensus/  Make it, or make it anew."""
        found: JobAnswer = self.sender.json(
            "POST", f"images/{image}/consensus/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def image_fields_get(
        self,
        image: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["id", "-id"] | None = None,
        method: Literal["drawn", "grid", "random"] | None = None,
    ) -> Page_FieldAnswer:
        """GET /api/v1/images/{image}/fields/  The fields of a slide, and making more of them."""
        found: Page_FieldAnswer = self.sender.json(
            "GET",
            f"images/{image}/fields/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "method": method},
        )
        return found

    def image_fields_post(self, image: int, *, body: NewFields, key: str | None = None) -> JobStarted:
        """POST /api/v1/images/{image}/fields/  The fields of a slide, and making more of them."""
        found: JobStarted = self.sender.json(
            "POST", f"images/{image}/fields/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def image_history_get(
        self,
        image: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-id"] | None = None,
        annotation: str | None = None,
        author: int | None = None,
    ) -> Page_PastOperationAnswer:
        """GET /api/v1/images/{image}/history/  Who changed what on an image, the newest first, with the cells before
        and after; `annotation` names one cell.
        """
        found: Page_PastOperationAnswer = self.sender.json(
            "GET",
            f"images/{image}/history/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "annotation": annotation, "author": author},
        )
        return found

    def image_original_post(self, image: int, *, form: Mapping[str, Any], files: Files) -> bytes:
        """POST /api/v1/images/{image}/original/  The file as it came. It may name a patient: few may fetch it, it is
        written down, and no cache keeps it.  A POST, since it writes: a GET is repeated by caches and
        followed by whatever looks ahead.
        """
        return self.sender.content("POST", f"images/{image}/original/", form=form, files=files)

    def image_outlines_get(self, image: int) -> bytes:
        """GET /api/v1/images/{image}/outlines/  The cells that this person sees on an image, as outlines of an SVG
        with the measures of the image. Proposals without a verdict are dashed. At most 3,000 cells are
        drawn.
        """
        return self.sender.content("GET", f"images/{image}/outlines/")

    def image_overlay_get(self, image: int, *, round: list[int] | None = None) -> ComparisonAnswer:
        """GET /api/v1/images/{image}/overlay/  What two stages need: the image, the prediction layers of
        `?round=A&round=B` (null where a round says nothing of the image), and whether locked reference
        masks are there.
        """
        found: ComparisonAnswer = self.sender.json("GET", f"images/{image}/overlay/", query={"round": round})
        return found

    def image_pixels_get(self, image: int) -> bytes:
        """GET /api/v1/images/{image}/pixels/"""
        return self.sender.content("GET", f"images/{image}/pixels/")

    def image_reference_pack_get(self, image: int) -> bytes:
        """GET /api/v1/images/{image}/reference/  The locked reference masks of an image as a pack
        (annotations/packs.py).
        """
        return self.sender.content("GET", f"images/{image}/reference/")

    def image_reference_masks_post(self, image: int, *, form: Mapping[str, Any], files: Files) -> AddedMasks:
        """POST /api/v1/images/{image}/reference-masks/  POST one label map as an image's reference masks; DELETE takes
        them away.
        """
        found: AddedMasks = self.sender.json("POST", f"images/{image}/reference-masks/", form=form, files=files)
        return found

    def image_reference_masks_delete(self, image: int) -> MasksRemoved:
        """DELETE /api/v1/images/{image}/reference-masks/  POST one label map as an image's reference masks; DELETE
        takes them away.
        """
        found: MasksRemoved = self.sender.json("DELETE", f"images/{image}/reference-masks/")
        return found

    def image_refusion_post(self, image: int, *, body: RefusionBody) -> Answered:
        """POST /api/v1/images/{image}/refusion/  A cell's mask after its image was fused again with strokes as hard
        constraints.
        """
        found: Answered = self.sender.json("POST", f"images/{image}/refusion/", body=body)
        return found

    def image_slide_get(self, image: int) -> SlideAnswer:
        """GET /api/v1/images/{image}/slide/"""
        found: SlideAnswer = self.sender.json("GET", f"images/{image}/slide/")
        return found

    def image_smart_post(self, image: int, *, body: SmartBody) -> Answered:
        """POST /api/v1/images/{image}/smart/  A mask from a box, clicks inside and clicks outside a cell."""
        found: Answered = self.sender.json("POST", f"images/{image}/smart/", body=body)
        return found

    def image_thumbnail_get(self, image: int) -> bytes:
        """GET /api/v1/images/{image}/thumbnail/"""
        return self.sender.content("GET", f"images/{image}/thumbnail/")

    def image_tile_get(
        self,
        image: int,
        level: int,
        column: int,
        row: int,
        *,
        page: int | None = None,
        channels: str | None = None,
        icc: Literal["0", "1"] | None = None,
    ) -> bytes:
        """GET /api/v1/images/{image}/tiles/{level}/{column}/{row}/  One tile of an image's pyramid
        (labeling.images.tiles), as a JPEG.  Of a slide with several channels or planes, and of its fields,
        the query says which.
        """
        return self.sender.content(
            "GET",
            f"images/{image}/tiles/{level}/{column}/{row}/",
            query={"page": page, "channels": channels, "icc": icc},
        )

    def image_workspace_get(self, image: int) -> WorkspaceAnswer:
        """GET /api/v1/images/{image}/workspace/  GET: the image as it is, for everybody who sees it. POST: the same,
        after making the layer that this person writes, where there is none yet: opening an image to look at
        it writes nothing.
        """
        found: WorkspaceAnswer = self.sender.json("GET", f"images/{image}/workspace/")
        return found

    def image_workspace_post(self, image: int) -> WorkspaceAnswer:
        """POST /api/v1/images/{image}/workspace/  GET: the image as it is, for everybody who sees it. POST: the same,
        after making the layer that this person writes, where there is none yet: opening an image to look at
        it writes nothing.
        """
        found: WorkspaceAnswer = self.sender.json("POST", f"images/{image}/workspace/")
        return found

    def invitation_revoke_post(self, invitation: int) -> InvitationAnswer:
        """POST /api/v1/invitations/{invitation}/revoke/"""
        found: InvitationAnswer = self.sender.json("POST", f"invitations/{invitation}/revoke/")
        return found

    def item_detail_get(self, work_item: int) -> ItemInFull:
        """GET /api/v1/items/{work_item}/  An item and what happened to it."""
        found: ItemInFull = self.sender.json("GET", f"items/{work_item}/")
        return found

    def item_accept_post(self, work_item: int, *, body: CommentBody) -> ItemAfterAct:
        """POST /api/v1/items/{work_item}/accept/  The review is over: nothing on the image is changed from here on."""
        found: ItemAfterAct = self.sender.json("POST", f"items/{work_item}/accept/", body=body)
        return found

    def item_begin_post(self, work_item: int) -> ItemAfterAct:
        """POST /api/v1/items/{work_item}/begin/  Begin this item: an assigned one, one that was sent back, or any with
        a free place.
        """
        found: ItemAfterAct = self.sender.json("POST", f"items/{work_item}/begin/")
        return found

    def item_finish_post(self, work_item: int) -> ItemAfterAct:
        """POST /api/v1/items/{work_item}/finish/  My reading of it is complete."""
        found: ItemAfterAct = self.sender.json("POST", f"items/{work_item}/finish/")
        return found

    def item_late_post(self, work_item: int, *, body: LateBody) -> DecidedAnswer:
        """POST /api/v1/items/{work_item}/late/  Decide about work that arrived after the item was done."""
        found: DecidedAnswer = self.sender.json("POST", f"items/{work_item}/late/", body=body)
        return found

    def item_release_post(self, work_item: int, *, body: ReleaseBody) -> ItemAfterAct:
        """POST /api/v1/items/{work_item}/release/  Back to the queue: my own reading, or that of somebody else for who
        manages the project.
        """
        found: ItemAfterAct = self.sender.json("POST", f"items/{work_item}/release/", body=body)
        return found

    def item_renew_post(self, work_item: int) -> LeaseAnswer:
        """POST /api/v1/items/{work_item}/renew/  I am at work on it: my lease begins anew."""
        found: LeaseAnswer = self.sender.json("POST", f"items/{work_item}/renew/")
        return found

    def item_reopen_post(self, work_item: int, *, body: CommentBody) -> ItemAfterAct:
        """POST /api/v1/items/{work_item}/reopen/  A done item is worked on again; the comment says why, and stays
        recorded.
        """
        found: ItemAfterAct = self.sender.json("POST", f"items/{work_item}/reopen/", body=body)
        return found

    def item_send_back_post(self, work_item: int, *, body: CommentBody) -> ItemAfterAct:
        """POST /api/v1/items/{work_item}/send-back/  Its readers go on with it; the comment says what should be
        changed.
        """
        found: ItemAfterAct = self.sender.json("POST", f"items/{work_item}/send-back/", body=body)
        return found

    def item_skip_post(self, work_item: int, *, body: SkipBody) -> ItemAfterAct:
        """POST /api/v1/items/{work_item}/skip/  Somebody else shall read it, and whoever leads sees why."""
        found: ItemAfterAct = self.sender.json("POST", f"items/{work_item}/skip/", body=body)
        return found

    def item_unblind_post(self, work_item: int) -> ItemAfterAct:
        """POST /api/v1/items/{work_item}/unblind/  See blinded readings before all are closed: recorded, and nobody
        who has looked reads the item blindly.
        """
        found: ItemAfterAct = self.sender.json("POST", f"items/{work_item}/unblind/")
        return found

    def job_detail_get(self, job: int) -> JobInFull:
        """GET /api/v1/jobs/{job}/"""
        found: JobInFull = self.sender.json("GET", f"jobs/{job}/")
        return found

    def job_cancel_post(self, job: int) -> JobInFull:
        """POST /api/v1/jobs/{job}/cancel/"""
        found: JobInFull = self.sender.json("POST", f"jobs/{job}/cancel/")
        return found

    def job_choose_post(self, job: int, *, body: ChoiceBody) -> JobInFull:
        """POST /api/v1/jobs/{job}/choose/  Which picture of a file is meant, for files of a job that hold several."""
        found: JobInFull = self.sender.json("POST", f"jobs/{job}/choose/", body=body)
        return found

    def job_confirm_post(self, job: int) -> JobInFull:
        """POST /api/v1/jobs/{job}/confirm/  Do what the dry run of an import said."""
        found: JobInFull = self.sender.json("POST", f"jobs/{job}/confirm/")
        return found

    def job_discard_post(self, job: int) -> JobInFull:
        """POST /api/v1/jobs/{job}/discard/  Remove the files that were not read, before their time."""
        found: JobInFull = self.sender.json("POST", f"jobs/{job}/discard/")
        return found

    def job_result_get(self, job: int) -> bytes:
        """GET /api/v1/jobs/{job}/result/  The file that a job has made."""
        return self.sender.content("GET", f"jobs/{job}/result/")

    def job_retry_post(self, job: int, *, body: RetryBody) -> JobInFull:
        """POST /api/v1/jobs/{job}/retry/  Read declined and cancelled files again: all of them, or those that are
        named.
        """
        found: JobInFull = self.sender.json("POST", f"jobs/{job}/retry/", body=body)
        return found

    def job_withdraw_post(self, job: int) -> JobInFull:
        """POST /api/v1/jobs/{job}/withdraw/  Take back what a job proposed; what people accepted of it stays theirs."""
        found: JobInFull = self.sender.json("POST", f"jobs/{job}/withdraw/")
        return found

    def layer_feed_get(self, layer: str) -> bytes:
        """GET /api/v1/layers/{layer}/feed/  What happens on a layer, as server-sent events: {"seq": n} when its log
        has grown, {"person": ...} for where others look and what they edit. Hints only; the log is read
        over HTTP.
        """
        return self.sender.content("GET", f"layers/{layer}/feed/")

    def layer_heads_get(self, layer: str, *, annotation: list[str] | None = None) -> HeadsAnswer:
        """GET /api/v1/layers/{layer}/heads/  What the log says of some annotations: the last operation, who did it and
        when. A browser asks it before it says that somebody has changed a cell.
        """
        found: HeadsAnswer = self.sender.json("GET", f"layers/{layer}/heads/", query={"annotation": annotation})
        return found

    def layer_operations_get(self, layer: str, *, after: int | None = None, limit: int | None = None) -> TailAnswer:
        """GET /api/v1/layers/{layer}/operations/  The log of a layer: GET its tail, POST what a person did."""
        found: TailAnswer = self.sender.json(
            "GET", f"layers/{layer}/operations/", query={"after": after, "limit": limit}
        )
        return found

    def layer_operations_post(self, layer: str, *, body: OperationsBody) -> OperationsAnswer:
        """POST /api/v1/layers/{layer}/operations/  200 where all are accepted, 409 where one is stale, 422 where one
        is invalid; each has a verdict.
        """
        found: OperationsAnswer = self.sender.json("POST", f"layers/{layer}/operations/", body=body)
        return found

    def layer_pack_get(self, layer: str) -> bytes:
        """GET /api/v1/layers/{layer}/pack/  All live annotations of a layer, binary (annotations/packs.py)."""
        return self.sender.content("GET", f"layers/{layer}/pack/")

    def layer_presence_post(self, layer: str, *, body: PresenceBody) -> Notified:
        """POST /api/v1/layers/{layer}/presence/  Where I am on a layer, told to the others who follow it now; kept
        nowhere.
        """
        found: Notified = self.sender.json("POST", f"layers/{layer}/presence/", body=body)
        return found

    def me_get(self) -> MeAnswer:
        """GET /api/v1/me/  Who you are here, by which token, and which version answers."""
        found: MeAnswer = self.sender.json("GET", "me/")
        return found

    def notification_choices_get(self) -> ChoicesAnswer:
        """GET /api/v1/me/notification-choices/  What I hear of, and by which way. PUT changes the kinds that it names."""
        found: ChoicesAnswer = self.sender.json("GET", "me/notification-choices/")
        return found

    def notification_choices_put(self, *, body: ChoicesBody) -> ChoicesAnswer:
        """PUT /api/v1/me/notification-choices/  What I hear of, and by which way. PUT changes the kinds that it names."""
        found: ChoicesAnswer = self.sender.json("PUT", "me/notification-choices/", body=body)
        return found

    def notification_list_get(
        self,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-id"] | None = None,
        unseen: Literal["true", "false"] | None = None,
    ) -> Page_NotificationAnswer:
        """GET /api/v1/me/notifications/  What happened that concerns me, the newest first."""
        found: Page_NotificationAnswer = self.sender.json(
            "GET", "me/notifications/", query={"cursor": cursor, "limit": limit, "ordering": ordering, "unseen": unseen}
        )
        return found

    def notification_seen_post(self) -> SeenNotifications:
        """POST /api/v1/me/notifications/seen/  I have seen all that there are."""
        found: SeenNotifications = self.sender.json("POST", "me/notifications/seen/")
        return found

    def my_theme_post(self, *, body: ThemeBody) -> ThemeAnswer:
        """POST /api/v1/me/theme/  Light, dark or as the system."""
        found: ThemeAnswer = self.sender.json("POST", "me/theme/", body=body)
        return found

    def member_detail_patch(self, membership: int, *, body: MemberChange) -> MemberAnswer:
        """PATCH /api/v1/members/{membership}/"""
        found: MemberAnswer = self.sender.json("PATCH", f"members/{membership}/", body=body)
        return found

    def member_detail_delete(self, membership: int) -> Removed:
        """DELETE /api/v1/members/{membership}/  What they annotated stays theirs."""
        found: Removed = self.sender.json("DELETE", f"members/{membership}/")
        return found

    def member_invite_post(self, membership: int) -> AddedMember:
        """POST /api/v1/members/{membership}/invite/  Another link for somebody who has not come yet; the earlier one
        is void.
        """
        found: AddedMember = self.sender.json("POST", f"members/{membership}/invite/")
        return found

    def patient_detail_patch(self, patient: int, *, body: PatientChange) -> PatientAnswer:
        """PATCH /api/v1/patients/{patient}/  Another name, centre or split for a patient and all their images."""
        found: PatientAnswer = self.sender.json("PATCH", f"patients/{patient}/", body=body)
        return found

    def patient_withdrawal_get(self, patient: int) -> WithdrawalAnswer:
        """GET /api/v1/patients/{patient}/withdrawal/  A patient who withdraws: what would go and what has learned from
        them, or how far it is.
        """
        found: WithdrawalAnswer = self.sender.json("GET", f"patients/{patient}/withdrawal/")
        return found

    def patient_withdrawal_post(self, patient: int, *, body: WithdrawalBody) -> WithdrawalAnswer:
        """POST /api/v1/patients/{patient}/withdrawal/  Hide the images at once and remove everything of them for good;
        withdrawing twice changes nothing.
        """
        found: WithdrawalAnswer = self.sender.json("POST", f"patients/{patient}/withdrawal/", body=body)
        return found

    def project_list_get(
        self,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["id", "-id", "name", "-name", "created_at", "-created_at"] | None = None,
        archived: Literal["true", "false"] | None = None,
    ) -> Page_ProjectAnswer:
        """GET /api/v1/projects/"""
        found: Page_ProjectAnswer = self.sender.json(
            "GET", "projects/", query={"cursor": cursor, "limit": limit, "ordering": ordering, "archived": archived}
        )
        return found

    def project_list_post(self, *, body: NewProject, key: str | None = None) -> ProjectInFull:
        """POST /api/v1/projects/  A new project, of which you are the owner."""
        found: ProjectInFull = self.sender.json(
            "POST", "projects/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def project_detail_get(self, project: int) -> ProjectInFull:
        """GET /api/v1/projects/{project}/"""
        found: ProjectInFull = self.sender.json("GET", f"projects/{project}/")
        return found

    def project_detail_patch(self, project: int, *, body: ProjectChange) -> ProjectInFull:
        """PATCH /api/v1/projects/{project}/  If-Match takes the ETag of the project as you read it."""
        found: ProjectInFull = self.sender.json("PATCH", f"projects/{project}/", body=body)
        return found

    def project_active_time_get(self, project: int) -> TimeAnswer:
        """GET /api/v1/projects/{project}/active-time/"""
        found: TimeAnswer = self.sender.json("GET", f"projects/{project}/active-time/")
        return found

    def admission_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["id", "-id"] | None = None,
        person: int | None = None,
    ) -> Page_AdmissionAnswer:
        """GET /api/v1/projects/{project}/admissions/  Those who lead see everybody's, others their own. POST admits
        somebody without a test.
        """
        found: Page_AdmissionAnswer = self.sender.json(
            "GET",
            f"projects/{project}/admissions/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "person": person},
        )
        return found

    def admission_list_post(self, project: int, *, body: AdmissionBody, key: str | None = None) -> AdmissionAnswer:
        """POST /api/v1/projects/{project}/admissions/  Those who lead see everybody's, others their own. POST admits
        somebody without a test.
        """
        found: AdmissionAnswer = self.sender.json(
            "POST", f"projects/{project}/admissions/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def agreement_get(
        self,
        project: int,
        *,
        sight: Literal["blind", "proposals", "others"] | None = None,
        by: Literal["iou", "distance"] | None = None,
        iou: float | None = None,
        um: float | None = None,
        level: Literal["given", "top"] | None = None,
    ) -> AgreementAnswer:
        """GET /api/v1/projects/{project}/agreement/  How far the readers of a project agree, on the images of which
        all readings are closed.
        """
        found: AgreementAnswer = self.sender.json(
            "GET",
            f"projects/{project}/agreement/",
            query={"sight": sight, "by": by, "iou": iou, "um": um, "level": level},
        )
        return found

    def agreement_post(self, project: int, *, body: AgreementBody, key: str | None = None) -> JobAnswer:
        """POST /api/v1/projects/{project}/agreement/  Compute it. The job may have ended already: equal readings are
        computed once.
        """
        found: JobAnswer = self.sender.json(
            "POST", f"projects/{project}/agreement/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def agreement_table_get(
        self,
        project: int,
        *,
        sight: Literal["blind", "proposals", "others"] | None = None,
        by: Literal["iou", "distance"] | None = None,
        iou: float | None = None,
        um: float | None = None,
        level: Literal["given", "top"] | None = None,
    ) -> bytes:
        """GET /api/v1/projects/{project}/agreement/table/  The newest report as CSV: a line a figure."""
        return self.sender.content(
            "GET",
            f"projects/{project}/agreement/table/",
            query={"sight": sight, "by": by, "iou": iou, "um": um, "level": level},
        )

    def project_archive_post(self, project: int) -> ProjectAnswer:
        """POST /api/v1/projects/{project}/archive/  A project is archived here, among the rounds, because they end
        with it.
        """
        found: ProjectAnswer = self.sender.json("POST", f"projects/{project}/archive/")
        return found

    def attempt_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["id", "-id"] | None = None,
        person: int | None = None,
    ) -> Page_AttemptAnswer:
        """GET /api/v1/projects/{project}/attempts/  Those who lead see everybody's, others their own. POST begins one,
        or answers with the open one.
        """
        found: Page_AttemptAnswer = self.sender.json(
            "GET",
            f"projects/{project}/attempts/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "person": person},
        )
        return found

    def attempt_list_post(self, project: int, *, body: AttemptBody, key: str | None = None) -> AttemptAnswer:
        """POST /api/v1/projects/{project}/attempts/  Those who lead see everybody's, others their own. POST begins
        one, or answers with the open one.
        """
        found: AttemptAnswer = self.sender.json(
            "POST", f"projects/{project}/attempts/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def project_attributes_get(self, project: int) -> AttributesAnswer:
        """GET /api/v1/projects/{project}/attributes/  What is said of a cell besides its class."""
        found: AttributesAnswer = self.sender.json("GET", f"projects/{project}/attributes/")
        return found

    def project_attributes_put(self, project: int, *, body: AttributesBody) -> AttributesAnswer:
        """PUT /api/v1/projects/{project}/attributes/  The whole list. What cells have already must stay in it."""
        found: AttributesAnswer = self.sender.json("PUT", f"projects/{project}/attributes/", body=body)
        return found

    def centre_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["name", "-name", "id", "-id"] | None = None,
    ) -> Page_CentreAnswer:
        """GET /api/v1/projects/{project}/centres/"""
        found: Page_CentreAnswer = self.sender.json(
            "GET", f"projects/{project}/centres/", query={"cursor": cursor, "limit": limit, "ordering": ordering}
        )
        return found

    def certificate_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["id", "-id"] | None = None,
        state: Literal["open", "withdrawn", "accepted", "reversed"] | None = None,
    ) -> Page_LotAnswer:
        """GET /api/v1/projects/{project}/certificates/  The lots of a project for which a certificate was sought."""
        found: Page_LotAnswer = self.sender.json(
            "GET",
            f"projects/{project}/certificates/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "state": state},
        )
        return found

    def certificate_list_post(self, project: int, *, body: LotBody, key: str | None = None) -> LotInFull:
        """POST /api/v1/projects/{project}/certificates/  Freeze a lot and draw its sample."""
        found: LotInFull = self.sender.json(
            "POST", f"projects/{project}/certificates/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def class_merge_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-merged_at", "merged_at"] | None = None,
    ) -> Page_ClassMergeAnswer:
        """GET /api/v1/projects/{project}/class-merges/"""
        found: Page_ClassMergeAnswer = self.sender.json(
            "GET", f"projects/{project}/class-merges/", query={"cursor": cursor, "limit": limit, "ordering": ordering}
        )
        return found

    def class_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["position", "-position", "name", "-name", "id", "-id"] | None = None,
        in_use: Literal["true", "false"] | None = None,
    ) -> Page_ClassAnswer:
        """GET /api/v1/projects/{project}/classes/"""
        found: Page_ClassAnswer = self.sender.json(
            "GET",
            f"projects/{project}/classes/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "in_use": in_use},
        )
        return found

    def class_list_post(self, project: int, *, body: NewClass, key: str | None = None) -> ClassAnswer:
        """POST /api/v1/projects/{project}/classes/"""
        found: ClassAnswer = self.sender.json(
            "POST", f"projects/{project}/classes/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def comment_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["id", "-id"] | None = None,
        open: Literal["true", "false"] | None = None,
    ) -> Page_ThreadAnswer:
        """GET /api/v1/projects/{project}/comments/  The threads of a project."""
        found: Page_ThreadAnswer = self.sender.json(
            "GET",
            f"projects/{project}/comments/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "open": open},
        )
        return found

    def consensus_lock_post(self, project: int, *, key: str | None = None) -> LockedAnswer:
        """POST /api/v1/projects/{project}/consensus/lock/  Make the decided consensuses outside training the reference
        that judges the rounds.
        """
        found: LockedAnswer = self.sender.json(
            "POST", f"projects/{project}/consensus/lock/", headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def consensus_votes_get(self, project: int) -> bytes:
        """GET /api/v1/projects/{project}/consensus/votes/  The raw votes behind every consensus of a project, as CSV:
        a line for each cell of each reading. Readers are named once every place of an image is decided;
        until then they are numbered.
        """
        return self.sender.content("GET", f"projects/{project}/consensus/votes/")

    def control_plan_get(self, project: int) -> ControlPlanOfProject:
        """GET /api/v1/projects/{project}/control-plan/  Whether readers are checked, how often, and what follows. POST
        declares or changes it.
        """
        found: ControlPlanOfProject = self.sender.json("GET", f"projects/{project}/control-plan/")
        return found

    def control_plan_post(self, project: int, *, body: ControlPlanBody) -> ControlPlanAnswer:
        """POST /api/v1/projects/{project}/control-plan/  Whether readers are checked, how often, and what follows.
        POST declares or changes it.
        """
        found: ControlPlanAnswer = self.sender.json("POST", f"projects/{project}/control-plan/", body=body)
        return found

    def project_copy_post(self, project: int, *, body: ProjectCopyBody, key: str | None = None) -> ProjectCopyAnswer:
        """POST /api/v1/projects/{project}/copy/  A new project of yours like this one. An archived one can be copied
        too.
        """
        found: ProjectCopyAnswer = self.sender.json(
            "POST", f"projects/{project}/copy/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def curriculum_get(self, project: int) -> CurriculumOfProject:
        """GET /api/v1/projects/{project}/curriculum/  What the project asks before it admits somebody. POST declares a
        new version.
        """
        found: CurriculumOfProject = self.sender.json("GET", f"projects/{project}/curriculum/")
        return found

    def curriculum_post(self, project: int, *, body: CurriculumBody, key: str | None = None) -> CurriculumAnswer:
        """POST /api/v1/projects/{project}/curriculum/  What the project asks before it admits somebody. POST declares
        a new version.
        """
        found: CurriculumAnswer = self.sender.json(
            "POST", f"projects/{project}/curriculum/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def dashboard_get(self, project: int) -> DashboardAnswer:
        """GET /api/v1/projects/{project}/dashboard/"""
        found: DashboardAnswer = self.sender.json("GET", f"projects/{project}/dashboard/")
        return found

    def dashboard_table_get(self, project: int) -> bytes:
        """GET /api/v1/projects/{project}/dashboard/table/  The same as CSV."""
        return self.sender.content("GET", f"projects/{project}/dashboard/table/")

    def project_delete_post(self, project: int, *, body: ProjectDeletionBody) -> ProjectAnswer:
        """POST /api/v1/projects/{project}/delete/  Close a project to everybody but its owners, who can restore it
        until `removed_at`; then it goes for good.
        """
        found: ProjectAnswer = self.sender.json("POST", f"projects/{project}/delete/", body=body)
        return found

    def export_get(
        self,
        project: int,
        layout: str,
        *,
        include: list[Literal["masks", "boxes", "points", "regions", "cannot_tell", "rejected", "proposals"]]
        | None = None,
        segmentation: Literal["rle", "polygons"] | None = None,
        images: bool | None = None,
    ) -> Any:
        """GET /api/v1/projects/{project}/export/{layout}/  The annotations of a project as a file, at once. For a
        large project POST to exports/, which is a job.
        """
        found: Any = self.sender.json(
            "GET",
            f"projects/{project}/export/{layout}/",
            query={"include": include, "segmentation": segmentation, "images": images},
        )
        return found

    def export_list_post(self, project: int, *, body: ExportBody, key: str | None = None) -> JobAnswer:
        """POST /api/v1/projects/{project}/exports/  An export as a job."""
        found: JobAnswer = self.sender.json(
            "POST", f"projects/{project}/exports/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def gallery_cells_get(
        self,
        project: int,
        *,
        order: Literal["doubt", "class", "size", "place"] | None = None,
        label_class: list[int] | None = None,
        image: list[int] | None = None,
    ) -> GalleryAnswer:
        """GET /api/v1/projects/{project}/gallery/  The open proposals of a project in an order, as names; sheets have
        their pictures.
        """
        found: GalleryAnswer = self.sender.json(
            "GET", f"projects/{project}/gallery/", query={"order": order, "label_class": label_class, "image": image}
        )
        return found

    def gallery_likeness_get(
        self,
        project: int,
        *,
        order: Literal["likeness", "duplicates", "errors", "map"] | None = None,
        like: list[str] | None = None,
        of: list[str] | None = None,
        projection: Literal["pca", "umap"] | None = None,
        label_class: list[int] | None = None,
        image: list[int] | None = None,
    ) -> LikenessAnswer:
        """GET /api/v1/projects/{project}/gallery/likeness/  The open proposals ordered by what they look like, with
        what the verdicts so far suggest for each.
        """
        found: LikenessAnswer = self.sender.json(
            "GET",
            f"projects/{project}/gallery/likeness/",
            query={
                "order": order,
                "like": like,
                "of": of,
                "projection": projection,
                "label_class": label_class,
                "image": image,
            },
        )
        return found

    def gallery_likeness_post(self, project: int, *, key: str | None = None) -> JobAnswer:
        """POST /api/v1/projects/{project}/gallery/likeness/  Compare the cells of images that were not compared yet.
        While a job does it, it is that one.
        """
        found: JobAnswer = self.sender.json(
            "POST", f"projects/{project}/gallery/likeness/", headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def gallery_map_get(self, project: int) -> MapAnswer:
        """GET /api/v1/projects/{project}/gallery/map/  The map of neighbours (UMAP) that the person has made, and the
        job that makes one.
        """
        found: MapAnswer = self.sender.json("GET", f"projects/{project}/gallery/map/")
        return found

    def gallery_map_post(self, project: int, *, key: str | None = None) -> JobAnswer:
        """POST /api/v1/projects/{project}/gallery/map/  Make a map of at most 20,000 cells. While one is being made,
        it is that job.
        """
        found: JobAnswer = self.sender.json(
            "POST", f"projects/{project}/gallery/map/", headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def gallery_screens_post(self, project: int, *, body: ScreenBody) -> ScreenAnswer:
        """POST /api/v1/projects/{project}/gallery/screens/  Verdicts on a whole screen by one act."""
        found: ScreenAnswer = self.sender.json("POST", f"projects/{project}/gallery/screens/", body=body)
        return found

    def gallery_screen_undo_post(self, project: int, screen: str) -> UndoneAnswer:
        """POST /api/v1/projects/{project}/gallery/screens/{screen}/undo/  Take back exactly what the act on one screen
        did.
        """
        found: UndoneAnswer = self.sender.json("POST", f"projects/{project}/gallery/screens/{screen}/undo/")
        return found

    def gallery_sheet_get(
        self, project: int, *, cell: list[str] | None = None, side: float | None = None, pixels: int | None = None
    ) -> SheetAnswer:
        """GET /api/v1/projects/{project}/gallery/sheet/  Crops of up to 100 cells with their outlines, in one picture."""
        found: SheetAnswer = self.sender.json(
            "GET", f"projects/{project}/gallery/sheet/", query={"cell": cell, "side": side, "pixels": pixels}
        )
        return found

    def guideline_current_get(self, project: int) -> CurrentGuidelineAnswer:
        """GET /api/v1/projects/{project}/guideline/  The version that holds. POST writes a new one."""
        found: CurrentGuidelineAnswer = self.sender.json("GET", f"projects/{project}/guideline/")
        return found

    def guideline_current_post(self, project: int, *, body: GuidelineBody, key: str | None = None) -> GuidelineAnswer:
        """POST /api/v1/projects/{project}/guideline/  The version that holds. POST writes a new one."""
        found: GuidelineAnswer = self.sender.json(
            "POST", f"projects/{project}/guideline/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def guideline_picture_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["name", "-name"] | None = None,
    ) -> Page_PictureAnswer:
        """GET /api/v1/projects/{project}/guideline/pictures/  The pictures that the text can name. POST adds one."""
        found: Page_PictureAnswer = self.sender.json(
            "GET",
            f"projects/{project}/guideline/pictures/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering},
        )
        return found

    def guideline_picture_list_post(
        self, project: int, *, form: Mapping[str, Any], files: Files, key: str | None = None
    ) -> PictureAnswer:
        """POST /api/v1/projects/{project}/guideline/pictures/  The pictures that the text can name. POST adds one."""
        found: PictureAnswer = self.sender.json(
            "POST",
            f"projects/{project}/guideline/pictures/",
            form=form,
            files=files,
            headers={"Idempotency-Key": key or uuid4().hex},
        )
        return found

    def guideline_picture_get(self, project: int, picture: str) -> bytes:
        """GET /api/v1/projects/{project}/guideline/pictures/{picture}/  A picture of the guidelines, as it was sent."""
        return self.sender.content("GET", f"projects/{project}/guideline/pictures/{picture}/")

    def guideline_read_post(self, project: int, *, body: GuidelineReadBody) -> GuidelineAnswer:
        """POST /api/v1/projects/{project}/guideline/read/  I was shown this version; with `acknowledges` I confirm
        that I have read it.
        """
        found: GuidelineAnswer = self.sender.json("POST", f"projects/{project}/guideline/read/", body=body)
        return found

    def guideline_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["version", "-version"] | None = None,
    ) -> Page_GuidelineAnswer:
        """GET /api/v1/projects/{project}/guideline/versions/"""
        found: Page_GuidelineAnswer = self.sender.json(
            "GET",
            f"projects/{project}/guideline/versions/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering},
        )
        return found

    def image_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["position", "-position", "name", "-name", "id", "-id"] | None = None,
        split: Literal["train", "val", "test"] | None = None,
        centre: str | None = None,
        patient: str | None = None,
        block: str | None = None,
        slide: str | None = None,
        scanner: str | None = None,
        stain: str | None = None,
        tag: str | None = None,
        text: str | None = None,
        state: Literal["to_do", "in_work", "in_review", "sent_back", "done", "deleted"] | None = None,
    ) -> Page_ImageAnswer:
        """GET /api/v1/projects/{project}/images/"""
        found: Page_ImageAnswer = self.sender.json(
            "GET",
            f"projects/{project}/images/",
            query={
                "cursor": cursor,
                "limit": limit,
                "ordering": ordering,
                "split": split,
                "centre": centre,
                "patient": patient,
                "block": block,
                "slide": slide,
                "scanner": scanner,
                "stain": stain,
                "tag": tag,
                "text": text,
                "state": state,
            },
        )
        return found

    def image_list_post(
        self, project: int, *, form: Mapping[str, Any], files: Files, key: str | None = None
    ) -> JobInFull:
        """POST /api/v1/projects/{project}/images/  Files in the field "image" (one or more) are stored, and read by
        the job that is the answer.
        """
        found: JobInFull = self.sender.json(
            "POST",
            f"projects/{project}/images/",
            form=form,
            files=files,
            headers={"Idempotency-Key": key or uuid4().hex},
        )
        return found

    def image_list_patch(self, project: int, *, body: ManyImagesChange) -> ChangedImages:
        """PATCH /api/v1/projects/{project}/images/  The same facts for many images; all are changed, or none."""
        found: ChangedImages = self.sender.json("PATCH", f"projects/{project}/images/", body=body)
        return found

    def image_by_names_post(self, project: int, *, body: PatternBody) -> PatternAnswer:
        """POST /api/v1/projects/{project}/images/by-names/  Read where images come from out of their names, by a
        pattern.
        """
        found: PatternAnswer = self.sender.json("POST", f"projects/{project}/images/by-names/", body=body)
        return found

    def image_delete_post(self, project: int, *, body: ImagesBody) -> DeletedAnswer:
        """POST /api/v1/projects/{project}/images/delete/  Delete images; they can be restored for some time."""
        found: DeletedAnswer = self.sender.json("POST", f"projects/{project}/images/delete/", body=body)
        return found

    def image_restore_post(self, project: int, *, body: ImagesBody) -> RestoredAnswer:
        """POST /api/v1/projects/{project}/images/restore/  Bring deleted images back, with what people sent for them
        meanwhile.
        """
        found: RestoredAnswer = self.sender.json("POST", f"projects/{project}/images/restore/", body=body)
        return found

    def image_table_get(self, project: int) -> bytes:
        """GET /api/v1/projects/{project}/images/table/  GET what is said of the images, as CSV; POST such a file as
        `table`: all of it is taken, or nothing.
        """
        return self.sender.content("GET", f"projects/{project}/images/table/")

    def image_table_post(self, project: int, *, form: Mapping[str, Any], files: Files) -> TableChanges:
        """POST /api/v1/projects/{project}/images/table/  GET what is said of the images, as CSV; POST such a file as
        `table`: all of it is taken, or nothing.
        """
        found: TableChanges = self.sender.json("POST", f"projects/{project}/images/table/", form=form, files=files)
        return found

    def import_list_post(
        self, project: int, *, form: Mapping[str, Any], files: Files, key: str | None = None
    ) -> JobAnswer:
        """POST /api/v1/projects/{project}/imports/  A dry run as a job, whose `import` says what would be created,
        updated, declined. `jobs/N/confirm/` does it.
        """
        found: JobAnswer = self.sender.json(
            "POST",
            f"projects/{project}/imports/",
            form=form,
            files=files,
            headers={"Idempotency-Key": key or uuid4().hex},
        )
        return found

    def invitation_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-id", "id"] | None = None,
        role: Literal["owner", "manager", "reviewer", "annotator", "viewer"] | None = None,
        open: Literal["true", "false"] | None = None,
    ) -> Page_InvitationAnswer:
        """GET /api/v1/projects/{project}/invitations/  The invitations of a project, without their links. POST makes
        some.
        """
        found: Page_InvitationAnswer = self.sender.json(
            "GET",
            f"projects/{project}/invitations/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "role": role, "open": open},
        )
        return found

    def invitation_list_post(self, project: int, *, body: InviteBody) -> list[NewInvitationAnswer]:
        """POST /api/v1/projects/{project}/invitations/  The invitations of a project, without their links. POST makes
        some.
        """
        found: list[NewInvitationAnswer] = self.sender.json("POST", f"projects/{project}/invitations/", body=body)
        return found

    def item_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["id", "-id", "since", "-since", "priority", "-priority"] | None = None,
        state: Literal["to_do", "in_work", "in_review", "sent_back", "done"] | None = None,
        reader: int | None = None,
    ) -> Page_ItemAnswer:
        """GET /api/v1/projects/{project}/items/  The items of a project."""
        found: Page_ItemAnswer = self.sender.json(
            "GET",
            f"projects/{project}/items/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "state": state, "reader": reader},
        )
        return found

    def item_assign_post(self, project: int, *, body: AssignBody) -> AssignedAnswer:
        """POST /api/v1/projects/{project}/items/assign/  Give items to people, evenly."""
        found: AssignedAnswer = self.sender.json("POST", f"projects/{project}/items/assign/", body=body)
        return found

    def item_late_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["received_at", "-received_at"] | None = None,
        author: int | None = None,
    ) -> Page_LateAnswer:
        """GET /api/v1/projects/{project}/items/late/  Work that arrived after its item was done, and that nobody has
        decided about.
        """
        found: Page_LateAnswer = self.sender.json(
            "GET",
            f"projects/{project}/items/late/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "author": author},
        )
        return found

    def item_next_post(self, project: int) -> ClaimedAnswer:
        """POST /api/v1/projects/{project}/items/next/  Take the next item: what is open already, else what was sent
        back or assigned, else the first of the queue.
        """
        found: ClaimedAnswer = self.sender.json("POST", f"projects/{project}/items/next/")
        return found

    def item_review_post(self, project: int) -> ClaimedAnswer:
        """POST /api/v1/projects/{project}/items/review/  Take the next item to review."""
        found: ClaimedAnswer = self.sender.json("POST", f"projects/{project}/items/review/")
        return found

    def job_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-created_at", "created_at", "-id", "id"] | None = None,
        kind: Literal[
            "export",
            "read",
            "import",
            "fields",
            "propose",
            "agreement",
            "consensus",
            "certificate",
            "class_merge",
            "vectors",
            "cell_map",
            "copy",
        ]
        | None = None,
        state: Literal["waiting", "running", "done", "failed", "cancelled", "expired"] | None = None,
    ) -> Page_JobAnswer:
        """GET /api/v1/projects/{project}/jobs/  The jobs of a project, the newest first: one's own, or all for those
        who oversee it.
        """
        found: Page_JobAnswer = self.sender.json(
            "GET",
            f"projects/{project}/jobs/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "kind": kind, "state": state},
        )
        return found

    def member_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["id", "-id"] | None = None,
        role: Literal["owner", "manager", "reviewer", "annotator", "viewer"] | None = None,
    ) -> Page_MemberAnswer:
        """GET /api/v1/projects/{project}/members/  Where annotators read apart they find themselves alone; those who
        lead find everybody.
        """
        found: Page_MemberAnswer = self.sender.json(
            "GET",
            f"projects/{project}/members/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "role": role},
        )
        return found

    def member_list_post(self, project: int, *, body: NewMember) -> AddedMember:
        """POST /api/v1/projects/{project}/members/"""
        found: AddedMember = self.sender.json("POST", f"projects/{project}/members/", body=body)
        return found

    def model_version_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-id", "id", "-number", "number"] | None = None,
        kind: Literal["detector", "segmenter", "method", "prompter"] | None = None,
        origin: Literal["trained", "imported", "shipped"] | None = None,
    ) -> Page_VersionAnswer:
        """GET /api/v1/projects/{project}/models/"""
        found: Page_VersionAnswer = self.sender.json(
            "GET",
            f"projects/{project}/models/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "kind": kind, "origin": origin},
        )
        return found

    def project_notices_get(self, project: int) -> NoticesAnswer:
        """GET /api/v1/projects/{project}/notices/  Who is told when a round ends: mail to those who lead, and a
        webhook.
        """
        found: NoticesAnswer = self.sender.json("GET", f"projects/{project}/notices/")
        return found

    def project_notices_put(self, project: int, *, body: NoticesBody) -> NoticesAnswer:
        """PUT /api/v1/projects/{project}/notices/  Who is told when a round ends: mail to those who lead, and a
        webhook.
        """
        found: NoticesAnswer = self.sender.json("PUT", f"projects/{project}/notices/", body=body)
        return found

    def notices_secret_post(self, project: int) -> NoticesAnswer:
        """POST /api/v1/projects/{project}/notices/secret/  Another key of the webhook's signature."""
        found: NoticesAnswer = self.sender.json("POST", f"projects/{project}/notices/secret/")
        return found

    def notices_test_post(self, project: int) -> TestedAnswer:
        """POST /api/v1/projects/{project}/notices/test/  A test by every way that the project has."""
        found: TestedAnswer = self.sender.json("POST", f"projects/{project}/notices/test/")
        return found

    def patient_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["name", "-name", "id", "-id"] | None = None,
        centre: str | None = None,
        split: Literal["train", "val", "test", "divided"] | None = None,
        text: str | None = None,
    ) -> Page_PatientAnswer:
        """GET /api/v1/projects/{project}/patients/"""
        found: Page_PatientAnswer = self.sender.json(
            "GET",
            f"projects/{project}/patients/",
            query={
                "cursor": cursor,
                "limit": limit,
                "ordering": ordering,
                "centre": centre,
                "split": split,
                "text": text,
            },
        )
        return found

    def patient_assign_post(self, project: int, *, body: AssignSplitsBody) -> AssignSplitsAnswer:
        """POST /api/v1/projects/{project}/patients/assign/  Divide all patients by shares, every centre into every
        part.
        """
        found: AssignSplitsAnswer = self.sender.json("POST", f"projects/{project}/patients/assign/", body=body)
        return found

    def proposal_list_post(self, project: int, *, body: ProposalBody, key: str | None = None) -> JobAnswer:
        """POST /api/v1/projects/{project}/proposals/  Cells proposed by models that are there already, as a job on the
        workers.
        """
        found: JobAnswer = self.sender.json(
            "POST", f"projects/{project}/proposals/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def proposal_before_get(
        self, project: int, *, image: list[int] | None = None, device: Literal["auto", "cpu", "gpu"] | None = None
    ) -> BeforeProposalAnswer:
        """GET /api/v1/projects/{project}/proposals/before/  Which models could propose, what they expect, and how long
        it would take.
        """
        found: BeforeProposalAnswer = self.sender.json(
            "GET", f"projects/{project}/proposals/before/", query={"image": image, "device": device}
        )
        return found

    def reference_mask_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["position", "-position", "name", "-name"] | None = None,
    ) -> Page_ReferencedImage:
        """GET /api/v1/projects/{project}/reference-masks/  GET the images with reference masks; POST label maps,
        matched by name.
        """
        found: Page_ReferencedImage = self.sender.json(
            "GET",
            f"projects/{project}/reference-masks/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering},
        )
        return found

    def reference_mask_list_post(self, project: int, *, form: Mapping[str, Any], files: Files) -> StoredMasks:
        """POST /api/v1/projects/{project}/reference-masks/  201 with what was stored and what was not; when nothing
        was, the first reason as the error.
        """
        found: StoredMasks = self.sender.json("POST", f"projects/{project}/reference-masks/", form=form, files=files)
        return found

    def reference_set_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-number", "number"] | None = None,
    ) -> Page_SetAnswer:
        """GET /api/v1/projects/{project}/reference-sets/  GET the locked reference sets, the newest first; POST locks
        one.
        """
        found: Page_SetAnswer = self.sender.json(
            "GET", f"projects/{project}/reference-sets/", query={"cursor": cursor, "limit": limit, "ordering": ordering}
        )
        return found

    def reference_set_list_post(self, project: int, *, body: LockBody, key: str | None = None) -> SetAnswer:
        """POST /api/v1/projects/{project}/reference-sets/  GET the locked reference sets, the newest first; POST locks
        one.
        """
        found: SetAnswer = self.sender.json(
            "POST", f"projects/{project}/reference-sets/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def project_restore_post(self, project: int) -> ProjectAnswer:
        """POST /api/v1/projects/{project}/restore/"""
        found: ProjectAnswer = self.sender.json("POST", f"projects/{project}/restore/")
        return found

    def project_round_policy_get(self, project: int) -> PolicyAnswer:
        """GET /api/v1/projects/{project}/round-policy/"""
        found: PolicyAnswer = self.sender.json("GET", f"projects/{project}/round-policy/")
        return found

    def project_round_policy_put(self, project: int, *, body: PolicyBody) -> PolicyAnswer:
        """PUT /api/v1/projects/{project}/round-policy/"""
        found: PolicyAnswer = self.sender.json("PUT", f"projects/{project}/round-policy/", body=body)
        return found

    def round_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-number", "number", "-id", "id"] | None = None,
        state: Literal["planned", "queued", "running", "cancelled", "failed", "published"] | None = None,
        preset: str | None = None,
    ) -> Page_RoundAnswer:
        """GET /api/v1/projects/{project}/rounds/"""
        found: Page_RoundAnswer = self.sender.json(
            "GET",
            f"projects/{project}/rounds/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "state": state, "preset": preset},
        )
        return found

    def round_list_post(self, project: int, *, body: RoundStart, key: str | None = None) -> StartedRound:
        """POST /api/v1/projects/{project}/rounds/"""
        found: StartedRound = self.sender.json(
            "POST", f"projects/{project}/rounds/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def round_before_get(
        self,
        project: int,
        *,
        preset: Literal["quick", "standard", "tiny", "paper"] | None = None,
        device: Literal["auto", "cpu", "gpu"] | None = None,
        method: Literal["boxcell", "boxcell-points", "cellboxify", "des-sam", "insta-sam", "cfr-sam"] | None = None,
        prompter: Literal[
            "boxwise",
            "boxwise-sam",
            "grabcut",
            "sam-vit-b",
            "sam-vit-l",
            "sam-vit-h",
            "mobile-sam",
            "sam2-tiny",
            "sam2-small",
            "sam2-base-plus",
            "sam2-large",
            "sam2.1-tiny",
            "sam2.1-small",
            "sam2.1-base-plus",
            "sam2.1-large",
            "medsam",
            "micro-sam-vit-t",
            "micro-sam-vit-b",
            "micro-sam-vit-l",
        ]
        | str
        | None = None,
    ) -> BeforeAnswer:
        """GET /api/v1/projects/{project}/rounds/before/  What would limit a round that is started now, and how long it
        would take.
        """
        found: BeforeAnswer = self.sender.json(
            "GET",
            f"projects/{project}/rounds/before/",
            query={"preset": preset, "device": device, "method": method, "prompter": prompter},
        )
        return found

    def round_compare_get(self, project: int, *, round: list[int] | None = None) -> CompareAnswer:
        """GET /api/v1/projects/{project}/rounds/compare/  Rounds side by side, named by their ids; the first is the
        base.
        """
        found: CompareAnswer = self.sender.json("GET", f"projects/{project}/rounds/compare/", query={"round": round})
        return found

    def round_roll_back_post(self, project: int) -> PromotionAnswer:
        """POST /api/v1/projects/{project}/rounds/roll-back/"""
        found: PromotionAnswer = self.sender.json("POST", f"projects/{project}/rounds/roll-back/")
        return found

    def slide_list_get(self, project: int, *, root: str | None = None, path: str | None = None) -> Below:
        """GET /api/v1/projects/{project}/slides/  Registering slides where they lie."""
        found: Below = self.sender.json("GET", f"projects/{project}/slides/", query={"root": root, "path": path})
        return found

    def slide_list_post(self, project: int, *, body: Registration, key: str | None = None) -> JobStarted:
        """POST /api/v1/projects/{project}/slides/  Registering slides where they lie."""
        found: JobStarted = self.sender.json(
            "POST", f"projects/{project}/slides/", body=body, headers={"Idempotency-Key": key or uuid4().hex}
        )
        return found

    def split_change_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-id", "id"] | None = None,
    ) -> Page_SplitChangeAnswer:
        """GET /api/v1/projects/{project}/split-changes/  Every change of a split: what, from where to where, who, when
        and why.
        """
        found: Page_SplitChangeAnswer = self.sender.json(
            "GET", f"projects/{project}/split-changes/", query={"cursor": cursor, "limit": limit, "ordering": ordering}
        )
        return found

    def storage_get(self, project: int) -> StorageAnswer:
        """GET /api/v1/projects/{project}/storage/"""
        found: StorageAnswer = self.sender.json("GET", f"projects/{project}/storage/")
        return found

    def storage_patch(self, project: int, *, body: StorageChange) -> StorageAnswer:
        """PATCH /api/v1/projects/{project}/storage/  A quota of its own for the project; null: the server's alone."""
        found: StorageAnswer = self.sender.json("PATCH", f"projects/{project}/storage/", body=body)
        return found

    def storage_clean_up_post(self, project: int, *, body: CleanUpBody) -> CleanUpAnswer:
        """POST /api/v1/projects/{project}/storage/clean-up/  Remove what can be removed safely; first to be looked at."""
        found: CleanUpAnswer = self.sender.json("POST", f"projects/{project}/storage/clean-up/", body=body)
        return found

    def study_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-id", "id"] | None = None,
        state: Literal["draft", "running", "locked"] | None = None,
    ) -> Page_TimeStudyAnswer:
        """GET /api/v1/projects/{project}/studies/"""
        found: Page_TimeStudyAnswer = self.sender.json(
            "GET",
            f"projects/{project}/studies/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "state": state},
        )
        return found

    def upload_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["created_at", "-created_at"] | None = None,
        filename: str | None = None,
    ) -> Page_UploadAnswer:
        """GET /api/v1/projects/{project}/uploads/  One's unfinished uploads in a project, and a new one."""
        found: Page_UploadAnswer = self.sender.json(
            "GET",
            f"projects/{project}/uploads/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "filename": filename},
        )
        return found

    def weights_import_list_get(
        self,
        project: int,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        ordering: Literal["-id", "id", "name", "-name"] | None = None,
        state: Literal["checking", "ready", "declined"] | None = None,
    ) -> Page_ImportAnswer:
        """GET /api/v1/projects/{project}/weights/  GET what was brought along, with what a worker found; POST files."""
        found: Page_ImportAnswer = self.sender.json(
            "GET",
            f"projects/{project}/weights/",
            query={"cursor": cursor, "limit": limit, "ordering": ordering, "state": state},
        )
        return found

    def weights_import_list_post(
        self, project: int, *, form: Mapping[str, Any], files: Files, key: str | None = None
    ) -> ImportAnswer:
        """POST /api/v1/projects/{project}/weights/  GET what was brought along, with what a worker found; POST files."""
        found: ImportAnswer = self.sender.json(
            "POST",
            f"projects/{project}/weights/",
            form=form,
            files=files,
            headers={"Idempotency-Key": key or uuid4().hex},
        )
        return found

    def project_workflow_get(self, project: int) -> WorkflowOfProject:
        """GET /api/v1/projects/{project}/workflow/  How the images of a project get done."""
        found: WorkflowOfProject = self.sender.json("GET", f"projects/{project}/workflow/")
        return found

    def project_workflow_post(self, project: int, *, body: WorkflowBody) -> WorkflowOfProject:
        """POST /api/v1/projects/{project}/workflow/  Declare it, or change it."""
        found: WorkflowOfProject = self.sender.json("POST", f"projects/{project}/workflow/", body=body)
        return found

    def project_workflow_delete(self, project: int) -> WorkflowOfProject:
        """DELETE /api/v1/projects/{project}/workflow/  How the images of a project get done."""
        found: WorkflowOfProject = self.sender.json("DELETE", f"projects/{project}/workflow/")
        return found

    def round_detail_get(self, round: int) -> RoundInFull:
        """GET /api/v1/rounds/{round}/"""
        found: RoundInFull = self.sender.json("GET", f"rounds/{round}/")
        return found

    def round_cancel_post(self, round: int) -> RoundAnswer:
        """POST /api/v1/rounds/{round}/cancel/"""
        found: RoundAnswer = self.sender.json("POST", f"rounds/{round}/cancel/")
        return found

    def round_drift_get(self, round: int) -> DriftAnswer:
        """GET /api/v1/rounds/{round}/drift/  A finished round by scanner, centre, stain and patient; empty for one
        that has not finished.
        """
        found: DriftAnswer = self.sender.json("GET", f"rounds/{round}/drift/")
        return found

    def round_events_get(self, round: int, *, after: int | None = None) -> EventsAnswer:
        """GET /api/v1/rounds/{round}/events/  What a round said while it worked, oldest first. Ask again with `after`
        until it has `ended`.
        """
        found: EventsAnswer = self.sender.json("GET", f"rounds/{round}/events/", query={"after": after})
        return found

    def round_export_get(self, round: int) -> bytes:
        """GET /api/v1/rounds/{round}/export/  A finished round as one zip that `boxwise predict` runs elsewhere, and
        that another project imports.
        """
        return self.sender.content("GET", f"rounds/{round}/export/")

    def round_promote_post(self, round: int) -> PromotionAnswer:
        """POST /api/v1/rounds/{round}/promote/"""
        found: PromotionAnswer = self.sender.json("POST", f"rounds/{round}/promote/")
        return found

    def round_retry_post(self, round: int) -> RoundAnswer:
        """POST /api/v1/rounds/{round}/retry/"""
        found: RoundAnswer = self.sender.json("POST", f"rounds/{round}/retry/")
        return found

    def round_tuning_get(self, round: int) -> TuningAnswer:
        """GET /api/v1/rounds/{round}/tuning/  GET the table of settings tried on a round's validation images; POST
        asks for it.
        """
        found: TuningAnswer = self.sender.json("GET", f"rounds/{round}/tuning/")
        return found

    def round_tuning_post(self, round: int) -> TuningAnswer:
        """POST /api/v1/rounds/{round}/tuning/  GET the table of settings tried on a round's validation images; POST
        asks for it.
        """
        found: TuningAnswer = self.sender.json("POST", f"rounds/{round}/tuning/")
        return found

    def schema_get(self) -> bytes:
        """GET /api/v1/schema/  This schema."""
        return self.sender.content("GET", "schema/")

    def search_names_get(self, *, q: str | None = None) -> SearchAnswer:
        """GET /api/v1/search/  Projects, images and people by a part of their name."""
        found: SearchAnswer = self.sender.json("GET", "search/", query={"q": q})
        return found

    def study_detail_get(self, study: int) -> TimeStudyAnswer:
        """GET /api/v1/studies/{study}/"""
        found: TimeStudyAnswer = self.sender.json("GET", f"studies/{study}/")
        return found

    def study_numbers_get(self, study: int) -> ReportAnswer:
        """GET /api/v1/studies/{study}/report/  The numbers of the report. 409 until the study is locked: results by
        arm are hidden until then.
        """
        found: ReportAnswer = self.sender.json("GET", f"studies/{study}/report/")
        return found

    def upload_detail_get(self, upload: str) -> UploadAnswer:
        """GET /api/v1/uploads/{upload}/  One upload: how far it is, its next part, its end."""
        found: UploadAnswer = self.sender.json("GET", f"uploads/{upload}/")
        return found
