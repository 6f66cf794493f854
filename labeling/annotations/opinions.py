"""Opinions: a second person's verdict on a cell that somebody else has decided, kept beside the decision.

A cell is decided by whoever gave it the status that it has. A second verdict of that person changes the decision, one
of anybody else is an opinion. It changes neither shape nor status; where it differs from the status, the cell is
disputed. `disputed` is derived here and nowhere else, in the transaction of the operation that changed either side.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from labeling.annotations.contract import OpinionIn
from labeling.annotations.models import Annotation, Effect, Operation, Opinion
from labeling.annotations.state import check_class
from labeling.annotations.wire import JudgementJson, OpinionJson
from labeling.errors import Invalid

VERDICT_OF_STATUS = {
    Annotation.Status.CONFIRMED: Opinion.Verdict.ACCEPTED,
    Annotation.Status.REJECTED: Opinion.Verdict.REJECTED,
    Annotation.Status.CANNOT_TELL: Opinion.Verdict.UNSURE,
}
VERDICTS = (Operation.Action.ACCEPT, Operation.Action.REJECT, Operation.Action.CANNOT_TELL, Operation.Action.BULK)
RESTORING = (Operation.Action.UNDO, Operation.Action.REDO)

# A decision: status and the proposal that it is about.
Decision = tuple[str, str | None]


@dataclass(frozen=True)
class Judgement:
    """The content of an opinion: a verdict, the class that the person would give (None: not said), and a reason."""

    verdict: str
    label_class: int | None = None
    reason: str = ""

    def as_json(self) -> JudgementJson:
        return {"verdict": self.verdict, "label_class": self.label_class, "reason": self.reason}


@dataclass(frozen=True)
class ParsedOpinion:
    """What an operation does to its author's opinion of one cell; `after` None withdraws it."""

    annotation: uuid.UUID
    seen: uuid.UUID | None
    after: Judgement | None


def check_opinions(sent: Sequence[OpinionIn], *, classes: frozenset[int]) -> tuple[ParsedOpinion, ...]:
    """The opinions of an operation as a client sent them. Raises Invalid with the name of the field."""
    if len({one.annotation for one in sent}) != len(sent):
        raise Invalid("an operation has one opinion of each cell at most", field="opinions")
    return tuple(_check_opinion(one, classes) for one in sent)


def _check_opinion(sent: OpinionIn, classes: frozenset[int]) -> ParsedOpinion:
    after = None
    if sent.after is not None:
        check_class(sent.after.label_class, classes)
        after = Judgement(sent.after.verdict, sent.after.label_class, sent.after.reason or "")
    return ParsedOpinion(annotation=sent.annotation, seen=sent.seen, after=after)


def judgement_of(opinion: Opinion | None) -> Judgement | None:
    """What an opinion's row says; None for no row and for a withdrawn opinion."""
    if opinion is None or not opinion.verdict:
        return None
    return Judgement(opinion.verdict, opinion.label_class_id, opinion.reason)


def differs(judgement: Judgement, *, status: str, label_class: int | None) -> bool:
    """Whether an opinion contradicts a decision: by its verdict, or as "accepted" with another class."""
    if judgement.verdict != VERDICT_OF_STATUS[Annotation.Status(status)]:
        return True
    names_a_class = judgement.verdict == Opinion.Verdict.ACCEPTED and judgement.label_class is not None
    return names_a_class and judgement.label_class != label_class


def is_disputed(row: Annotation, opinions: Iterable[Judgement]) -> bool:
    """Whether a cell is disputed, given what others say of it. A deleted cell is not."""
    if row.deleted or row.kind != Annotation.Kind.CELL:
        return False
    return any(differs(judgement, status=row.status, label_class=row.label_class_id) for judgement in opinions)


def derive_disputed(rows: Sequence[Annotation]) -> None:
    """Bring `disputed` of these saved rows up to date with their opinions; one query to read, one to write."""
    if not rows:
        return
    of: dict[int, list[Judgement]] = {row.pk: [] for row in rows}
    for opinion in Opinion.objects.filter(annotation__in=of, settled_by__isnull=True).exclude(verdict=""):
        of[opinion.annotation_id].append(Judgement(opinion.verdict, opinion.label_class_id, opinion.reason))
    changed = []
    for row in rows:
        disputed = is_disputed(row, of[row.pk])
        if disputed != row.disputed:
            row.disputed = disputed
            changed.append(row)
    if changed:
        Annotation.objects.bulk_update(changed, ["disputed"])


def decision_of(status: str, derived_from: uuid.UUID | str | None) -> Decision:
    return status, str(derived_from) if derived_from else None


class Deciders:
    """Who made each decision that one cell ever had. An undo gives back the earlier decision with its author."""

    def __init__(self) -> None:
        self._made: dict[Decision, int | None] = {}
        self._now: Decision | None = None

    def take(self, *, action: str, author: int | None, decision: Decision) -> int | None:
        """The cell has this decision now, by an operation of `author`. -> who has decided it."""
        restores = action in RESTORING and decision in self._made
        if decision != self._now and not restores:
            self._made[decision] = author
        self._now = decision
        return self._made[decision]


def deciders_of(rows: Iterable[Annotation]) -> dict[uuid.UUID, Deciders]:
    """The deciders of these rows so far, from the log."""
    found = {row.uid: Deciders() for row in rows}
    effects = Effect.objects.filter(annotation__in=[row.pk for row in rows if row.pk]).order_by("annotation", "version")
    for uid, action, author, after in effects.values_list(
        "annotation__uid", "operation__action", "operation__author", "after"
    ):
        if after is not None:
            decision = decision_of(after["status"], after["derived_from"])
            found[uid].take(action=action, author=author, decision=decision)
    return found


def opinion_json(opinion: Opinion) -> OpinionJson:
    """An opinion with its author and time, as the API has it."""
    return {
        "author": {"id": opinion.author_id, "name": opinion.author.display_name},
        "verdict": opinion.verdict,
        "label_class": opinion.label_class_id,
        "reason": opinion.reason,
        "given_at": opinion.given_at,
        "last_op": str(opinion.last_op),
        "settled_by": str(opinion.settled_by) if opinion.settled_by else None,
    }


def write_opinion(opinion: Opinion, *, judgement: Judgement | None, op_id: uuid.UUID, at: datetime) -> None:
    """Put what is said into a row (unsaved). None withdraws it."""
    opinion.verdict = judgement.verdict if judgement else ""
    opinion.label_class_id = judgement.label_class if judgement else None
    opinion.reason = judgement.reason if judgement else ""
    opinion.given_at, opinion.last_op, opinion.settled_by = at, op_id, None
