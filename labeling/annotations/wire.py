"""What the log says to the browser, by name: states, verdicts, heads, opinions, packs, the feed.

Objects of JSON with named keys (TypedDict) and no models: a request carries up to thousands of them, and whatever comes
in is checked against its image by state.py and services.py.
"""

from datetime import datetime
from typing import Any, NotRequired, TypedDict

from inference.documents.interactive import MaskJson
from inference.documents.publication import Provenance


class StateJson(TypedDict):
    """An annotation at one moment, as Effect.before and after hold it."""

    kind: str
    status: str
    label_class: int | None
    box: list[float]
    mask: MaskJson | None
    derived_from: str | None
    reason: str
    provenance: Provenance
    attributes: NotRequired[dict[str, str]]
    parent: NotRequired[str]


class PersonJson(TypedDict):
    id: int | None
    name: str


class CurrentJson(TypedDict):
    """An annotation as it is now; state None: deleted, or never there with version 0.

    author  who acted on it last: a person, or the id alone until the names are filled in
    """

    annotation: str
    version: int
    last_op: str | None
    state: StateJson | None
    author: PersonJson | int | None
    decided_by: int | None


class VerdictJson(TypedDict):
    op_id: str
    verdict: str
    seq: int | None
    error: dict[str, str] | None
    current: list[CurrentJson]


class JudgementJson(TypedDict):
    verdict: str
    label_class: int | None
    reason: str


class OpinionJson(JudgementJson):
    """An opinion with its author and time."""

    author: PersonJson
    given_at: datetime | str
    last_op: str
    settled_by: NotRequired[str | None]
    annotation: NotRequired[str]


class LastOperation(TypedDict):
    seq: int
    action: str
    tool: str
    author: PersonJson
    committed_at: datetime


class HeadJson(CurrentJson):
    """What the log says of one annotation; operation: the last one, None for one that the log never had."""

    operation: LastOperation | None
    disputed: bool
    opinions: list[OpinionJson]


class ColumnJson(TypedDict):
    name: str
    type: str
    offset: int
    length: int


class PackAbout(TypedDict):
    """What a pack is of. attributes: [name, [values]] in the order of their codes."""

    layer: str
    seq: int
    count: int
    attributes: list[list[Any]]
    opinions: NotRequired[list[OpinionJson]]


class PackHeader(PackAbout):
    columns: list[ColumnJson]


class FeedMessage(TypedDict, total=False):
    """A hint of the live feed: that the log has reached a seq, or where somebody is (presence).

    view  x0, y0, x1, y1 of what they see, image pixels; cursor: x, y; gone: they have left
    """

    seq: int
    person: PersonJson
    session: str
    cursor: list[float] | None
    view: list[float] | None
    editing: str | None
    gone: bool
    comments: int
