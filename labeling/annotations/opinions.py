"""Opinions: a second person's verdict on a cell that somebody else has decided, kept beside the decision.

A cell is decided by whoever gave it the status that it has. A second verdict of that person changes the decision, one
of anybody else is an opinion. It changes neither shape nor status; where it differs from the status, the cell is
disputed. `disputed` is derived here and nowhere else, in the transaction of the operation that changed either side.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from labeling.annotations.contract import OpinionIn
from labeling.annotations.models import Annotation, Effect, Operation, Opinion
from labeling.annotations.state import check_class
from labeling.annotations.wire import JudgementJson, OpinionJson
from labeling.errors import Invalid
from labeling.projects.classes import current_classes
from labeling.projects.models import LabelClass

VERDICT_OF_STATUS = {
    Annotation.Status.CONFIRMED: Opinion.Verdict.ACCEPTED,
    Annotation.Status.REJECTED: Opinion.Verdict.REJECTED,
    Annotation.Status.CANNOT_TELL: Opinion.Verdict.UNSURE,
}
# Acts that decide a cell. Restoring is one: it may bring back another status than somebody else has given since.
VERDICTS = (
    Operation.Action.ACCEPT,
    Operation.Action.REJECT,
    Operation.Action.CANNOT_TELL,
    Operation.Action.BULK,
    Operation.Action.RESTORE,
)
RESTORING = (Operation.Action.UNDO, Operation.Action.REDO, Operation.Action.RESTORE)

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


def check_opinions(sent: Sequence[OpinionIn], *, classes: Mapping[int, int]) -> tuple[ParsedOpinion, ...]:
    """The opinions of an operation as a client sent them. Raises Invalid with the name of the field."""
    if len({one.annotation for one in sent}) != len(sent):
        raise Invalid("an operation has one opinion of each cell at most", field="opinions")
    return tuple(_check_opinion(one, classes) for one in sent)


def _check_opinion(sent: OpinionIn, classes: Mapping[int, int]) -> ParsedOpinion:
    after = None
    if sent.after is not None:
        label_class = check_class(sent.after.label_class, classes)
        after = Judgement(sent.after.verdict, label_class, sent.after.reason or "")
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


def is_disputed(row: Annotation, opinions: Iterable[Judgement], classes: Mapping[int, int]) -> bool:
    """Whether a cell is disputed, given what others say of it. A deleted cell is not.

    classes  of each class that an opinion names the class that it is now
    """
    if row.deleted or row.kind != Annotation.Kind.CELL:
        return False
    for judgement in opinions:
        now = as_now(judgement, classes)
        if differs(now, status=row.status, label_class=row.label_class_id):
            return True
    return False


def as_now(judgement: Judgement, classes: Mapping[int, int]) -> Judgement:
    """A judgement of before a merge names the class that its class is now."""
    if judgement.label_class is None:
        return judgement
    return replace(judgement, label_class=classes.get(judgement.label_class, judgement.label_class))


def derive_disputed(rows: Sequence[Annotation]) -> None:
    """Bring `disputed` of these saved rows up to date with their opinions, in a fixed number of queries."""
    if not rows:
        return
    of: dict[int, list[Judgement]] = {row.pk: [] for row in rows}
    for opinion in Opinion.objects.filter(annotation__in=of, settled_by__isnull=True).exclude(verdict=""):
        of[opinion.annotation_id].append(Judgement(opinion.verdict, opinion.label_class_id, opinion.reason))
    named = [one.label_class for one in chain.from_iterable(of.values()) if one.label_class is not None]
    classes = _classes_now(named)
    changed = []
    for row in rows:
        disputed = is_disputed(row, of[row.pk], classes)
        if disputed != row.disputed:
            row.disputed = disputed
            changed.append(row)
    if changed:
        Annotation.objects.bulk_update(changed, ["disputed"])


def _classes_now(named: Sequence[int]) -> dict[int, int]:
    """Of the project that has these classes: each class -> the class that it is now. Nothing is asked for none."""
    if not named:
        return {}
    return current_classes(LabelClass.objects.values_list("project_id", flat=True).get(pk=named[0]))


def decision_of(status: str, derived_from: uuid.UUID | str | None) -> Decision:
    return status, str(derived_from) if derived_from else None


class Deciders:
    """Who made each decision that one cell ever had. Undoing and restoring give back the earlier decision with its
    author."""

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
