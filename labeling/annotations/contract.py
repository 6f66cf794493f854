"""The log of a layer as it travels: what a browser sends, and what it is told.

Types and lengths are checked here, by one compiled validator for a whole request. What needs the project (its classes,
the size of the image, who has decided what) is checked in state.py, opinions.py and services.py.
"""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from django.utils.translation import gettext as _
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from labeling.annotations.models import Annotation, Operation, Opinion
from labeling.contract import Answer, Body, Id, OneOf, Query, QueryId, QueryWhole, Text
from labeling.faults import place, sentence
from labeling.paging import Listing

MOST_OPERATIONS = 200  # a request; the browser sends its queue in chunks of at most this
MOST_EFFECTS = 2000  # an operation; a bulk verdict over a field touches this many cells at most
MOST_EVENTS = 5000  # a batch of activity; the browser sends one every five seconds
MOST_POINTS = 32
MOST_STROKES = 200
MOST_TAIL = 1000
MOST_HEADS = 100  # annotations a request; their names fit into an address

EVENT_KINDS = (
    "pointer_down", "pointer_up", "pointer_move", "key", "wheel", "viewport", "tool", "target_presented",
    "target_opened", "target_committed", "mask_shown", "decision", "focus", "blur", "visible", "hidden",
    "stall_begin", "stall_end", "wait_begin", "wait_end",
)  # fmt: skip


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # PostgreSQL would take it, and Python could never read the log again
        raise ValueError(_("{field} leaves the calendar")) from None


def _printable(text: str) -> str:
    if not text.isprintable():  # PostgreSQL holds no NUL
        raise ValueError(_("{field} must be a word without control characters"))
    return text


def _bits(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(_("{field} must be bytes in base64")) from None


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


MOST_SCALE = 10_000.0  # CSS pixels for an image pixel; the browser stops at 64
MOST_MAGNIFICATION = 1_000_000.0

Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Integer = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Corner = tuple[float, float]
Box = tuple[float, float, float, float]  # x0, y0, x1, y1: image pixels, half-open
Bits = Annotated[
    bytes,
    BeforeValidator(_bits),
    PlainSerializer(_base64, when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
Word = Annotated[str, Field(max_length=40), AfterValidator(_printable)]
Reason = Annotated[str, OneOf(Annotation.Reason)]
KindName = Annotated[str, OneOf(Annotation.Kind)]
StatusName = Annotated[str, OneOf(Annotation.Status)]
ActionName = Annotated[str, OneOf(Operation.Action)]
VerdictName = Annotated[str, OneOf(Opinion.Verdict)]


# -- what is sent


class MaskIn(Body):
    """An integer box in image pixels and a packed bit run relative to it (inference/masks.py), in base64."""

    x: Integer
    y: Integer
    width: Annotated[int, Field(ge=1, lt=2**31)]
    height: Annotated[int, Field(ge=1, lt=2**31)]
    bits: Bits


class StateIn(Body):
    """What an annotation is to become. `provenance` is not believed: the server knows where a mask came from."""

    kind: KindName
    status: StatusName
    box: Box
    label_class: Id | None = None
    mask: MaskIn | None = None
    derived_from: UUID | None = None
    reason: Reason | None = ""
    provenance: dict[str, Any] | None = None
    attributes: dict[Text, Text] | None = None
    parent: UUID | None = None


class EffectIn(Body):
    """What an operation does to one annotation; after null: deleted. `seen`: the last one the sender knows."""

    annotation: UUID
    seen: UUID | None = None
    after: StateIn | None = None


class JudgementIn(Body):
    """`label_class` null: no class is given."""

    verdict: VerdictName
    label_class: Id | None = None
    reason: Reason | None = ""


class OpinionIn(Body):
    """What an operation does to its author's opinion of one cell; after null: it is withdrawn."""

    annotation: UUID
    seen: UUID | None = None
    after: JudgementIn | None = None


class SettleIn(Body):
    """Whose opinion of which cell an overrule settles."""

    annotation: UUID
    author: Id


class ViewIn(Body):
    """How the picture was shown when somebody acted.

    scale          CSS pixels for an image pixel
    magnification  as an objective: 10 where the screen shows 1 µm a pixel; null where the image's scale is unknown
    outlines       whether the outlines of the cells were shown
    second_image   the image that was in sight beside this one or over it
    """

    scale: Annotated[float, Field(gt=0, le=MOST_SCALE)]
    magnification: Annotated[float, Field(gt=0, le=MOST_MAGNIFICATION)] | None = None
    outlines: bool
    second_image: Id | None = None


class OperationIn(Body):
    """One act of a person. Times are the browser's: the wall clock, and milliseconds of its steady clock."""

    op_id: UUID
    action: ActionName
    tool: Word | None = ""
    session: UUID
    begun_at: Moment
    committed_at: Moment
    begun_ms: float
    committed_ms: float
    activity: tuple[Integer, Integer] | None = None
    undoes: UUID | None = None
    view: ViewIn | None = None
    effects: Annotated[list[EffectIn], Field(max_length=MOST_EFFECTS)] = []
    opinions: Annotated[list[OpinionIn], Field(max_length=MOST_EFFECTS)] | None = None
    settles: Annotated[list[SettleIn], Field(max_length=MOST_EFFECTS)] | None = None


class Declined:
    """An operation of a batch that cannot be read; the others of the batch can."""

    def __init__(self, data: Any, fault: ErrorDetails) -> None:
        self.data = data
        self.field = place(fault)
        self.detail = sentence(fault, whole=_("the operation"))


def read_operation(data: Any) -> OperationIn | Declined:
    """One operation, as JSON has it."""
    try:
        return OperationIn.model_validate_json(json.dumps(data))
    except ValidationError as error:
        return Declined(data, error.errors(include_url=False)[0])


class OperationsBody(Body):
    operations: Annotated[list[OperationIn], Field(max_length=MOST_OPERATIONS)]

    @classmethod
    def read(cls, content: bytes) -> Self:
        """A bad operation never loses the others of its batch: in its place stands a Declined.

        A batch without a fault is read in one pass; only one with a fault is read again, operation by operation.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            if any(len(fault["loc"]) < 2 or fault["loc"][0] != "operations" for fault in error.errors()):
                raise
        operations = json.loads(content)["operations"]
        return cls.model_construct(operations=[read_operation(one) for one in operations])


class SmartBody(Body):
    """A box, and clicks as x, y and 1 (inside the cell) or 0 (outside it); image pixels.

    `number` counts the requests of a session: the newest wins. `ready` asks for nothing yet: the worker is to have the
    models and the image at hand.
    """

    session: UUID
    number: Integer
    box: Box | None = None
    points: Annotated[list[tuple[float, float, Literal[0, 1]]], Field(max_length=MOST_POINTS)] | None = None
    ready: bool = False


class StrokeIn(MaskIn):
    """What somebody painted as cell or as background."""

    foreground: bool


class RefusionBody(Body):
    """The mask of a cell before the first stroke, and the strokes in the order of painting."""

    session: UUID
    number: Integer
    mask: MaskIn | None = None
    strokes: Annotated[list[StrokeIn], Field(max_length=MOST_STROKES)] | None = None


class TailQuery(Query):
    after: QueryWhole = 0
    limit: QueryWhole = MOST_TAIL


class HeadsQuery(Query):
    annotation: Annotated[list[UUID], Field(min_length=1, max_length=MOST_HEADS)]


class HistoryListing(Listing):
    """Of an image, or of one of its cells; of everybody, or of one person. The newest operation comes first."""

    ordering: Literal["-id"] = "-id"
    annotation: UUID | None = None
    author: QueryId | None = None


class PresenceBody(Body):
    """Where somebody looks: `view` is the part of the image in sight, `editing` the annotation in work."""

    session: UUID
    cursor: Corner | None = None
    view: Box | None = None
    editing: UUID | None = None
    gone: bool = False


class _Event:
    """[milliseconds, kind] or [milliseconds, kind, what else is known of it]."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        parts: list[Any] = [
            core_schema.float_schema(ge=0),
            core_schema.literal_schema(list(EVENT_KINDS)),
            core_schema.any_schema(),
        ]
        return core_schema.tuple_schema(parts, variadic_item_index=2, min_length=2, max_length=3)


_TIME_AND_KIND = [{"type": "number", "minimum": 0}, {"enum": list(EVENT_KINDS)}]
_EVENT_SCHEMA = {
    "anyOf": [
        {"type": "array", "prefixItems": _TIME_AND_KIND, "minItems": 2, "maxItems": 2},
        {"type": "array", "prefixItems": [*_TIME_AND_KIND, {}], "minItems": 3, "maxItems": 3},
    ]
}
Event = Annotated[tuple[Any, ...], _Event(), WithJsonSchema(_EVENT_SCHEMA)]


class ActivityBody(Body):
    """Events of a session, numbered without a gap from `first`. Times are milliseconds."""

    session: UUID
    image: Id
    wall_ms: float
    mono_ms: float
    first: Annotated[int, Field(ge=0, lt=2**31)]
    events: Annotated[list[Event], Field(min_length=1, max_length=MOST_EVENTS)]


# -- what is said


class PersonAnswer(Answer):
    id: int
    name: str


class MaskAnswer(Answer):
    """As MaskIn."""

    x: int
    y: int
    width: int
    height: int
    bits: str


class CertificateAnswer(Answer):
    """What proves one fusion (docs/fusion.md). null: the method that made the masks does not state it."""

    objective: float | None
    flow: float | None
    cut: float | None
    closed: bool | None
    milliseconds: float | None
    ambiguous_share: float | None
    components: int | None
    free_pixels: int | None = None


class Answered(Answer):
    """What the interactive worker says. `superseded`: it was asked something newer meanwhile; `ready`: as was asked."""

    mask: MaskAnswer | None = None
    score: float | None = None
    prompter: str | None = None
    certificate: CertificateAnswer | None = None
    milliseconds: float | None = None
    superseded: bool = False
    ready: bool = False


def _is_nothing(value: object) -> bool:
    return value is None


class StateAnswer(Answer):
    """`attributes` and `parent` are absent where nothing is said."""

    kind: KindName
    status: StatusName
    box: Box
    label_class: int | None = None
    mask: MaskAnswer | None = None
    derived_from: UUID | None = None
    reason: Reason = ""
    provenance: dict[str, Any] = {}
    attributes: dict[str, str] | None = Field(default=None, exclude_if=_is_nothing)
    parent: UUID | None = Field(default=None, exclude_if=_is_nothing)


class EffectAnswer(Answer):
    """`decided_by`: who has given the cell the status that it has by now."""

    annotation: UUID
    version: int
    before: StateAnswer | None
    after: StateAnswer | None
    decided_by: int | None


class JudgementAnswer(Answer):
    verdict: VerdictName
    label_class: int | None
    reason: Reason


class OpinionEffectAnswer(Answer):
    annotation: UUID
    before: JudgementAnswer | None
    after: JudgementAnswer | None


class SettledAnswer(Answer):
    """Whose opinion of which cell an overrule has settled."""

    annotation: UUID
    author: int


class OperationAnswer(Answer):
    op_id: UUID
    layer: UUID
    seq: int
    action: ActionName
    author: PersonAnswer
    tool: str
    session: UUID
    undoes: UUID | None
    begun_at: datetime
    committed_at: datetime
    effects: list[EffectAnswer]
    opinions: list[OpinionEffectAnswer]
    settles: list[SettledAnswer]


class PastEffectAnswer(Answer):
    """An annotation before and after an operation; null: it was not there."""

    annotation: UUID
    before: StateAnswer | None
    after: StateAnswer | None


class ViewAnswer(Answer):
    """As ViewIn."""

    scale: float
    magnification: float | None = None
    outlines: bool
    second_image: int | None = None


class PastOperationAnswer(Answer):
    """What somebody did, as it is shown to people. `effects` are the first ones, or those on the cell that was asked
    for; `count` is how many annotations the operation was about."""

    op_id: UUID
    layer: UUID
    seq: int
    action: ActionName
    author: PersonAnswer
    tool: str
    committed_at: datetime
    view: ViewAnswer | None
    count: int
    effects: list[PastEffectAnswer]
    opinions: list[OpinionEffectAnswer]


class TailAnswer(Answer):
    """The log after an operation; `more`: there is more than was asked for. `seq` is that of the newest operation."""

    layer: UUID
    seq: int
    operations: list[OperationAnswer]
    more: bool


class CurrentAnswer(Answer):
    """An annotation as the server has it. `author` has acted on it last; `state` null: deleted, or never there."""

    annotation: UUID
    version: int
    last_op: UUID | None
    state: StateAnswer | None
    author: PersonAnswer | None
    decided_by: int | None


class LastOperation(Answer):
    seq: int
    action: ActionName
    tool: str
    author: PersonAnswer
    committed_at: datetime


class OpinionAnswer(Answer):
    """An opinion as it is kept; an empty verdict: withdrawn. `settled_by`: the overrule that settled it."""

    author: PersonAnswer
    verdict: Annotated[str, OneOf([*Opinion.Verdict, ""])]
    label_class: int | None
    reason: Reason
    given_at: datetime
    last_op: UUID
    settled_by: UUID | None


class HeadAnswer(CurrentAnswer):
    """What the log says of one annotation. `operation` null: the log never had it."""

    operation: LastOperation | None
    disputed: bool
    opinions: list[OpinionAnswer]


class HeadsAnswer(Answer):
    layer: UUID
    annotations: list[HeadAnswer]


class VerdictError(Answer):
    code: str
    detail: str
    field: str


class VerdictAnswer(Answer):
    """What became of one operation. `op_id` is as it was sent, also where it is no UUID. "kept": the image is done, and
    the operation waits apart for whoever leads."""

    op_id: str
    verdict: Literal["accepted", "repeated", "stale", "invalid", "kept"]
    seq: int | None
    error: VerdictError | None
    current: list[CurrentAnswer]


class OperationsAnswer(Answer):
    """A verdict for each operation that was sent, in their order."""

    layer: UUID
    seq: int
    results: list[VerdictAnswer]


class Notified(Answer):
    notified: bool


class Stored(Answer):
    """False: the same batch was there already."""

    stored: bool
