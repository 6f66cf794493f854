"""Deciding and writing one batch of operations on a layer, whose head row is locked."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from django.utils import timezone

from inference.documents.publication import Provenance
from labeling.accounts.models import User
from labeling.annotations import late
from labeling.annotations.attributes import attributes_for_writing
from labeling.annotations.bulk import advance, insert, unsaved
from labeling.annotations.checking import ParsedEffect, ParsedOperation, check_operation, check_tool
from labeling.annotations.contract import MOST_EFFECTS, Declined, OperationIn
from labeling.annotations.models import Annotation, Effect, Layer, LayerHead, Operation, Opinion, OpinionEffect
from labeling.annotations.opinions import (
    RESTORING,
    VERDICTS,
    Deciders,
    Judgement,
    ParsedOpinion,
    deciders_of,
    decision_of,
    derive_disputed,
    judgement_of,
    write_opinion,
)
from labeling.annotations.overrules import Overrules
from labeling.annotations.state import AnnotationState, put_state, state_of
from labeling.annotations.study_sheets import Sheet, check_page_clock
from labeling.annotations.wire import CurrentJson, VerdictJson
from labeling.errors import Invalid, LabelingError
from labeling.prepared import Prepared
from labeling.projects.classes import current_classes

Sent = OperationIn | Declined

# What a write asks of the database.
KNOWN = Prepared(
    lambda layer, ids: (
        Operation.objects.filter(layer=layer, op_id__in=ids).order_by().values_list("op_id", "seq", "author")
    )
)
NAMED = Prepared(lambda layer, uids: Annotation.objects.filter(layer=layer, uid__in=uids))
DECIDED = Prepared(
    lambda layer, sources: Annotation.objects.filter(layer=layer, derived_from__in=sources, deleted=False).values_list(
        "derived_from", "uid"
    )
)
PROPOSED = Prepared(
    lambda image, sources: Annotation.objects.filter(
        uid__in=sources, layer__image=image, layer__kind__in=[Layer.Kind.PREDICTION, Layer.Kind.IMPORT]
    )
)


class Stale(LabelingError):
    """The annotation has changed since the client saw it; carries nothing, the verdict names the current state."""

    code = "stale"


class DecidedByAnother(Invalid):
    """A verdict on a cell that somebody else has decided: it is sent as an opinion instead."""

    code = "decided_by_another"


@dataclass
class Verdict:
    """What became of one operation of a batch: accepted, repeated, stale, invalid, or kept apart because the layer is
    frozen."""

    op_id: str
    verdict: str
    seq: int | None = None
    error: dict[str, str] | None = None
    current: list[CurrentJson] = field(default_factory=list)

    def as_json(self) -> VerdictJson:
        return {
            "op_id": self.op_id,
            "verdict": self.verdict,
            "seq": self.seq,
            "error": self.error,
            "current": self.current,
        }


@dataclass(frozen=True, slots=True)
class NewEffect:
    """An effect of this batch with what it belongs to, which has no id before it is inserted.

    The relations are named here and not in the row: Django's own are set slowly (annotations/bulk.py, `unsaved`).
    """

    effect: Effect | OpinionEffect
    operation: Operation
    annotation: Annotation

    def numbered(self) -> Effect | OpinionEffect:
        """The row to be inserted, once its operation and its annotation have ids."""
        self.effect.operation_id = self.operation.pk
        self.effect.annotation_id = self.annotation.pk
        return self.effect


class Batch:
    """The working memory of one write_operations call; the layer's head row is locked."""

    def __init__(
        self,
        layer: Layer,
        head: LayerHead,
        author: User,
        sheet: Sheet | None,
        mark: Provenance | None = None,
        *,
        changes_frozen: bool = False,
    ) -> None:
        self.layer, self.head, self.author = layer, head, author
        self.is_frozen = head.frozen_at is not None and not changes_frozen
        self.mark: Provenance = mark or {}
        self.image = layer.image
        # Asked under the lock of the head: whoever merges classes waits for it, and finds what is written here.
        self.classes = current_classes(self.image.project_id)
        self.attributes = self.image.project.declared_attributes
        # The sheet of a study's item takes work with its arm's tools only; that the page offers no others is no proof.
        self.sheet = sheet
        self.rows: dict[uuid.UUID, Annotation] = {}
        self.decided: dict[uuid.UUID, uuid.UUID] = {}  # proposal -> live annotation derived from it
        self.proposals: dict[uuid.UUID, Annotation] = {}
        self.known: dict[uuid.UUID, tuple[int, int]] = {}  # op_id -> (seq, author)
        self.deciders: dict[uuid.UUID, Deciders] = {}  # of what is undone or redone here
        self.opinions: dict[uuid.UUID, Opinion] = {}  # the author's own, by annotation
        self.new_operations: list[Operation] = []
        self.new_effects: list[NewEffect] = []
        self.new_opinion_effects: list[NewEffect] = []
        self.touched: dict[uuid.UUID, Annotation] = {}
        self.opinions_written: dict[uuid.UUID, Opinion] = {}  # what of `opinions` this batch has changed
        self.late: list[dict[str, Any]] = []
        self.overrules = Overrules(layer, author)

    def run(self, operations: Sequence[Sent]) -> tuple[int, list[Verdict]]:
        if any(map(_says_attributes, operations)):
            self.attributes = attributes_for_writing(self.image.project_id)
        checked: list[ParsedOperation | Verdict] = [self._checked(sent) for sent in operations]
        good = [one for one in checked if isinstance(one, ParsedOperation)]
        self._load(good)
        verdicts = []
        for one, sent in zip(checked, operations, strict=True):
            if isinstance(one, Verdict):  # of what is declined, at least what it was about
                one.current = self._current(_named(sent))
            verdicts.append(one if isinstance(one, Verdict) else self._decide(one))
            if verdicts[-1].verdict == "kept" and isinstance(sent, OperationIn):
                self.late.append(sent.model_dump(mode="json", exclude_unset=True))
        if self.late:
            late.keep(layer=self.layer, author=self.author, operations=self.late)
        self._write()
        _name_authors(verdicts)
        return self.head.seq, verdicts

    def _checked(self, sent: Sent) -> "ParsedOperation | Verdict":
        if isinstance(sent, Declined):
            error = {"code": Invalid.code, "detail": sent.detail, "field": sent.field}
            return Verdict(_name_of(sent), "invalid", error=error)
        try:
            checked = check_operation(sent, image=self.image, classes=self.classes, attributes=self.attributes)
            if self.sheet is not None:
                check_tool(checked, self.sheet.tools)
                check_page_clock(self.sheet, name="begun_ms", ms=checked.begun_ms)
                check_page_clock(self.sheet, name="committed_ms", ms=checked.committed_ms)
            return checked
        except Invalid as error:
            return Verdict(_name_of(sent), "invalid", error=_error(error))

    def _load(self, operations: Iterable[ParsedOperation]) -> None:
        """Everything the verdicts need to know, in a fixed number of queries."""
        ids = {op.op_id for op in operations}
        uids = set(chain.from_iterable(map(_touched, operations)))
        states = [effect.after for effect in _effects_of(operations) if effect.after]
        sources = {state.derived_from for state in states if state.derived_from}
        for op_id, seq, author in KNOWN.all(self.layer.pk, sorted(ids)):
            self.known[op_id] = (seq, author)
        self.rows = {row.uid: row for row in NAMED.all(self.layer.pk, sorted(uids))}
        self._load_opinions(operations)
        if sources:
            self.decided = dict(DECIDED.all(self.layer.pk, sorted(sources)))
            self.proposals = {row.uid: row for row in PROPOSED.all(self.image.pk, sorted(sources))}

    def _load_opinions(self, operations: Iterable[ParsedOperation]) -> None:
        """What only opinions, undo and redo need: nothing is asked of the database where there are none."""
        opinions = chain.from_iterable(op.opinions for op in operations)
        judged = {opinion.annotation for opinion in opinions}
        if judged:
            own = Opinion.objects.filter(annotation__layer=self.layer, annotation__uid__in=judged, author=self.author)
            self.opinions = {opinion.annotation.uid: opinion for opinion in own.select_related("annotation")}
        restoring = [op for op in operations if op.action in RESTORING]
        restored = {effect.annotation for effect in _effects_of(restoring)}
        if restored:
            self.deciders = {uid: Deciders() for uid in restored}
            self.deciders |= deciders_of([row for uid, row in self.rows.items() if uid in restored])
        self.overrules.load(operations, self.opinions)

    def _decide(self, op: ParsedOperation) -> Verdict:
        if op.op_id in self.known:
            seq, author = self.known[op.op_id]
            if author != self.author.pk:
                error = Invalid("this op_id belongs to an operation of somebody else", field="op_id")
                return Verdict(str(op.op_id), "invalid", error=_error(error))
            return Verdict(str(op.op_id), "repeated", seq=seq, current=self._current(_touched(op)))
        if self.is_frozen:
            why = {"code": "done", "detail": late.frozen_sentence(self.image), "field": ""}
            return Verdict(str(op.op_id), "kept", error=why, current=self._current(_touched(op)))
        try:
            before = [self._check(op, effect) for effect in op.effects]
            self.overrules.check(op, self.rows)
            if self.sheet is not None and not self.sheet.accepts_many:
                self._decline_many(op)
            opinions_before = [self._check_opinion(opinion) for opinion in op.opinions]
        except Stale as error:
            return Verdict(str(op.op_id), "stale", error=_error(error), current=self._current(_touched(op), op))
        except Invalid as error:
            return Verdict(str(op.op_id), "invalid", error=_error(error), current=self._current(_touched(op)))
        return self._accept(op, before, opinions_before)

    def _check(self, op: ParsedOperation, effect: ParsedEffect) -> AnnotationState | None:
        """The state before; raises Stale or Invalid. Nothing is changed yet."""
        row = self.rows.get(effect.annotation)
        if effect.seen != (row.last_op if row else None):
            raise Stale("the annotation has changed since you saw it")
        if row is None and effect.after is None:
            raise Invalid("there is nothing to delete", field="annotation")
        if effect.after and effect.after.derived_from:
            holder = self.decided.get(effect.after.derived_from)
            if holder not in (None, effect.annotation) and not _lets_go(op, holder, effect.after.derived_from):
                raise Stale("this proposal has been decided already")
            if effect.after.derived_from not in self.proposals and (
                row is None or row.derived_from != effect.after.derived_from
            ):
                raise Invalid("derived_from names no proposal of this image", field="derived_from")
        if row is not None and effect.after is not None and self._is_second_verdict(op, row, effect.after):
            raise DecidedByAnother("somebody else has decided this cell: send your verdict as an opinion")
        return state_of(row) if row else None

    def _decline_many(self, op: ParsedOperation) -> None:
        """In this arm each proposal is decided on its own. A cell that comes back from the dead decides nothing new.
        Raises Invalid."""
        decided = 0
        for effect in op.effects:
            row = self.rows.get(effect.annotation)
            source = effect.after.derived_from if effect.after else None
            if source is not None and (row is None or row.derived_from != source):
                decided += 1
        if decided > 1 or (decided and op.action == Operation.Action.BULK):
            raise Invalid("this study's arm has no bulk accept: decide each proposal on its own", field="action")

    def _is_second_verdict(self, op: ParsedOperation, row: Annotation, after: AnnotationState) -> bool:
        """Whether a verdict would overwrite the decision of somebody else on the same cell."""
        if op.action not in VERDICTS or row.deleted or row.kind != Annotation.Kind.CELL:
            return False
        same_question = after.derived_from == row.derived_from
        decided_by_another = row.decided_by_id not in (None, self.author.pk)
        return same_question and decided_by_another and after.status != row.status

    def _check_opinion(self, opinion: ParsedOpinion) -> Judgement | None:
        """The author's opinion before; raises Stale or Invalid. Nothing is changed yet."""
        if self.layer.annotator_id is not None:
            raise Invalid("a layer of one's own has no opinions of others", field="opinions")
        row = self.rows.get(opinion.annotation)
        if row is None or row.deleted:
            raise Stale("the cell is not there any more")
        if row.kind != Annotation.Kind.CELL:
            raise Invalid("a region is not judged", field="opinions")
        if row.decided_by_id == self.author.pk and opinion.after is not None:
            raise Invalid("you have decided this cell yourself: change the decision instead", field="opinions")
        known = self.opinions.get(opinion.annotation)
        if opinion.seen != (known.last_op if known else None):
            raise Stale("your opinion of this cell has changed since you saw it")
        if opinion.after is None and judgement_of(known) is None:
            raise Invalid("there is no opinion to withdraw", field="opinions")
        return judgement_of(known)

    def _accept(
        self, op: ParsedOperation, before: list[AnnotationState | None], opinions_before: list[Judgement | None]
    ) -> Verdict:
        self.head.seq += 1
        operation = Operation(
            layer=self.layer,
            seq=self.head.seq,
            op_id=op.op_id,
            action=op.action,
            author=self.author,
            tool=op.tool,
            session=op.session,
            begun_at=op.begun_at,
            committed_at=op.committed_at,
            begun_ms=op.begun_ms,
            committed_ms=op.committed_ms,
            activity_first=op.activity[0] if op.activity else None,
            activity_last=op.activity[1] if op.activity else None,
            undoes=op.undoes,
            view=op.view.model_dump() if op.view else None,
            received_at=timezone.now(),
        )
        self.new_operations.append(operation)
        self.known[op.op_id] = (self.head.seq, self.author.pk)
        for effect, state_before in zip(op.effects, before, strict=True):
            row = self.rows.get(effect.annotation)
            if row is None:
                row = unsaved(Annotation)
                row.layer_id, row.uid, row.version = self.layer.pk, effect.annotation, 0
                self.rows[effect.annotation] = row
            if row.derived_from and self.decided.get(row.derived_from) == row.uid:
                del self.decided[row.derived_from]
            after = effect.after and effect.after.with_provenance(self._provenance(effect.after, state_before))
            if after:
                row.decided_by_id = self._decider(op, row, after)
            put_state(row, after)
            if after and after.derived_from:
                self.decided[after.derived_from] = row.uid
            row.version += 1
            row.last_op, row.author_id = op.op_id, self.author.pk
            self.touched[row.uid] = row
            written = unsaved(Effect)
            written.version = row.version
            written.before = state_before and state_before.as_json()
            written.after = after and after.as_json()
            self.new_effects.append(NewEffect(written, operation, row))
        for opinion, judgement_before in zip(op.opinions, opinions_before, strict=True):
            self._take_opinion(operation, opinion, judgement_before)
        self.overrules.take(operation, op)
        return Verdict(str(op.op_id), "accepted", seq=self.head.seq)

    def _decider(self, op: ParsedOperation, row: Annotation, after: AnnotationState) -> int | None:
        """Who has decided what the row is about to become; the row still has what it was."""
        decision = decision_of(after.status, after.derived_from)
        if row.uid in self.deciders:
            return self.deciders[row.uid].take(action=op.action, author=self.author.pk, decision=decision)
        is_new = row.version == 0
        if not is_new and decision == decision_of(row.status, row.derived_from):
            return row.decided_by_id
        return self.author.pk

    def _take_opinion(self, operation: Operation, opinion: ParsedOpinion, before: Judgement | None) -> None:
        row = self.rows[opinion.annotation]
        known = self.opinions.setdefault(opinion.annotation, Opinion(annotation=row, author=self.author))
        write_opinion(known, judgement=opinion.after, op_id=operation.op_id, at=operation.committed_at)
        self.opinions_written[opinion.annotation] = known
        self.overrules.take_opinion(known)
        written = OpinionEffect(
            before=before.as_json() if before else None,
            after=opinion.after.as_json() if opinion.after else None,
        )
        self.new_opinion_effects.append(NewEffect(written, operation, row))

    def _provenance(self, after: AnnotationState, before: AnnotationState | None) -> Provenance:
        """Where a mask came from, by the server's own knowledge; what a client says of it is not believed."""
        proposal = self.proposals.get(after.derived_from) if after.derived_from else None
        if proposal is None:  # an undone acceptance leaves nothing of its proposal behind
            kept = before.provenance if before and before.derived_from == after.derived_from else None
            return kept or {}
        proposed = state_of(proposal)
        edited = after.mask is not None and (proposed is None or after.mask != proposed.mask)
        made: Provenance = proposal.provenance
        return made | {"proposal": str(proposal.uid), "edited": edited} | self.mark

    def _current(self, uids: set[uuid.UUID], op: ParsedOperation | None = None) -> list[CurrentJson]:
        """The annotations as they are now, and those that hold what `op` wanted to decide."""
        for effect in op.effects if op else ():
            if effect.after and effect.after.derived_from in self.decided:
                uids.add(self.decided[effect.after.derived_from])
        missing = uids - self.rows.keys()
        if missing:
            self.rows.update({row.uid: row for row in Annotation.objects.filter(layer=self.layer, uid__in=missing)})
        current: list[CurrentJson] = []
        for uid in uids:
            row = self.rows.get(uid)
            if row is None:
                current.append(
                    {
                        "annotation": str(uid),
                        "version": 0,
                        "last_op": None,
                        "state": None,
                        "author": None,
                        "decided_by": None,
                    }
                )
            else:
                current.append(current_json(row))
        return current

    def _write(self) -> None:
        if not self.new_operations:
            return
        rows = list(self.touched.values())
        changed = [r for r in rows if r.pk]
        if changed:
            # Two annotations may have changed their proposals: whatever the partial unique index held is freed first.
            decided = Annotation.objects.filter(pk__in=[r.pk for r in changed], derived_from__isnull=False)
            decided.update(derived_from=None)
        for row in changed:
            row.save()
        insert([r for r in rows if not r.pk])
        insert(self.new_operations)
        insert([one.numbered() for one in self.new_effects])
        insert([one.numbered() for one in self.new_opinion_effects])
        for opinion in self.opinions_written.values():
            opinion.save()
        self.overrules.write()
        # A cell that this batch made has no opinions of before.
        judged = [self.rows[uid] for uid in self.opinions_written]
        affected = [*self.overrules.cells(), *changed, *judged]  # the last of equal ones has what this batch did
        derive_disputed(list({row.uid: row for row in affected}.values()))
        advance(self.head)


def _effects_of(operations: Iterable[ParsedOperation]) -> Iterator[ParsedEffect]:
    return chain.from_iterable(op.effects for op in operations)


def _touched(op: ParsedOperation) -> set[uuid.UUID]:
    return {effect.annotation for effect in op.effects} | {opinion.annotation for opinion in op.opinions}


def _lets_go(op: ParsedOperation, holder: uuid.UUID | None, proposal: uuid.UUID) -> bool:
    """Whether the same operation takes the proposal from the annotation that has decided it until now."""
    return any(
        effect.annotation == holder and (effect.after is None or effect.after.derived_from != proposal)
        for effect in op.effects
    )


def current_json(row: Annotation) -> CurrentJson:
    """An annotation as it is now; `author` is the id of whoever acted on it last, until _name_authors."""
    state = state_of(row)
    return {
        "annotation": str(row.uid),
        "version": row.version,
        "last_op": str(row.last_op) if row.last_op else None,
        "state": state.as_json() if state else None,
        "author": row.author_id,
        "decided_by": row.decided_by_id,
    }


def _name_authors(verdicts: Iterable[Verdict]) -> None:
    """Put a person in the place of each author's id: one query, and none where nothing stands in the way."""
    entries = list(chain.from_iterable(verdict.current for verdict in verdicts))
    ids = {entry["author"] for entry in entries if isinstance(entry["author"], int)}
    people = {user.pk: user for user in User.objects.filter(pk__in=ids)} if ids else {}
    for entry in entries:
        key = entry["author"]
        author = people.get(key) if isinstance(key, int) else None
        entry["author"] = {"id": author.pk, "name": author.display_name} if author else None


def _says_attributes(sent: Sent) -> bool:
    effects = sent.effects if isinstance(sent, OperationIn) else []
    return any(effect.after and effect.after.attributes for effect in effects)


def _named(sent: Sent) -> set[uuid.UUID]:
    """The annotations that an operation names which is declined."""
    if isinstance(sent, OperationIn):
        return {effect.annotation for effect in sent.effects}
    effects = sent.data.get("effects") if isinstance(sent.data, dict) else None
    found = set()
    for effect in effects[:MOST_EFFECTS] if isinstance(effects, list) else ():
        with suppress(ValueError, AttributeError, TypeError):
            found.add(uuid.UUID(effect.get("annotation")))
    return found


def _name_of(sent: Sent) -> str:
    """The op_id as it was sent, which may be anything: the verdict says it again."""
    if isinstance(sent, OperationIn):
        return str(sent.op_id)
    named = sent.data.get("op_id") if isinstance(sent.data, dict) else None
    return str(named)[:64]


def _error(error: LabelingError) -> dict[str, str]:
    return {"code": error.code, "detail": str(error), "field": error.field}
