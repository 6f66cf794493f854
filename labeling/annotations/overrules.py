"""Overruling: a reviewer decides a cell that others have decided, and settles the opinions that they name.

A settled opinion stays what it is, with its author and time; it no longer makes the cell disputed. Its author may give
it anew, and an undo of the overrule makes it count again, until a redo settles it once more. All of this is derived
here, and rebuilt by replay.py.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from labeling.accounts.models import User
from labeling.annotations.contract import SettleIn
from labeling.annotations.models import Annotation, Layer, Operation, Opinion, OpinionEffect, Settlement
from labeling.annotations.opinions import judgement_of
from labeling.errors import Invalid
from labeling.projects.models import MAY

OVERRULE = Operation.Action.OVERRULE
UNDO = Operation.Action.UNDO
REDO = Operation.Action.REDO
Key = tuple[uuid.UUID, int]


@dataclass(frozen=True)
class Named:
    """Whose opinion of which cell an overrule settles."""

    annotation: uuid.UUID
    author: int


def check_settles(sent: Iterable[SettleIn], *, action: str, annotations: frozenset[uuid.UUID]) -> tuple[Named, ...]:
    """The opinions that an operation settles, as a client sent them. Raises Invalid with the name of the field."""
    named = tuple(Named(one.annotation, one.author) for one in sent)
    if named and action != OVERRULE:
        raise Invalid("only an overrule settles opinions", field="settles")
    if len(set(named)) != len(named):
        raise Invalid("an operation settles an opinion once", field="settles")
    if any(one.annotation not in annotations for one in named):
        raise Invalid("an overrule settles opinions of the cells that it decides", field="settles")
    return named


class Overrules:
    """What the overrules of one write need and leave; nothing is asked of the database where there are none."""

    def __init__(self, layer: Layer, author: User) -> None:
        self.layer, self.author = layer, author
        self.may = False
        self.opinions: dict[Key, Opinion] = {}
        self.changed: dict[Key, Opinion] = {}
        self.settlements: list[Settlement] = []
        self.undone: dict[uuid.UUID, uuid.UUID] = {}  # an undo -> the operation that it undid
        self.settled: dict[uuid.UUID, list[Named]] = {}  # operation -> what it settled

    def load(self, operations: Iterable[Any], own: dict[uuid.UUID, Opinion]) -> None:
        """own: the author's own opinions that are in memory already, which must not be there twice."""
        overrules = [op for op in operations if op.action == OVERRULE]
        undos = {op.op_id: op.undoes for op in operations if op.action == UNDO and op.undoes}
        redone = [op.undoes for op in operations if op.action == REDO and op.undoes]
        if overrules or redone:
            self.may = self.layer.image.project.role_of(self.author) in MAY["review"]
        if redone:
            self._load_redone(redone, undos)
        named = list(chain.from_iterable(op.settles for op in overrules))
        for settled in self.settled.values():
            named += settled
        if not named and not undos:
            return
        of_layer = Opinion.objects.filter(annotation__layer=self.layer).select_related("annotation")
        cells = [one.annotation for one in named]
        on_cells = of_layer.filter(annotation__uid__in=cells)
        counting_again = of_layer.filter(settled_by__in=undos.values())
        for opinion in [*on_cells, *counting_again]:
            self.opinions[opinion.annotation.uid, opinion.author_id] = opinion
        for uid, opinion in own.items():
            self.opinions[uid, self.author.pk] = opinion

    def _load_redone(self, redone: Iterable[uuid.UUID], undos: dict[uuid.UUID, uuid.UUID]) -> None:
        """What the undone operations had settled. The undo may stand in the log, or before its redo in this write."""
        logged = Operation.objects.filter(layer=self.layer, op_id__in=redone, action=UNDO, undoes__isnull=False)
        self.undone = {op.op_id: op.undoes for op in logged if op.undoes} | undos
        rows = Settlement.objects.filter(operation__layer=self.layer, operation__op_id__in=self.undone.values())
        for op_id, uid, author in rows.values_list("operation__op_id", "annotation__uid", "author"):
            settled = self.settled.setdefault(op_id, [])
            settled.append(Named(uid, author))

    def check(self, op: Any, rows: dict[uuid.UUID, Annotation]) -> None:
        """Raises Invalid. Nothing is changed yet."""
        if op.action != OVERRULE:
            return
        if not self.may:
            raise Invalid(
                "only reviewers, managers and owners overrule; send your verdict as an opinion", field="action"
            )
        for effect in op.effects:
            row = rows.get(effect.annotation)
            if row is None or row.kind != Annotation.Kind.CELL or effect.after is None:
                raise Invalid("an overrule decides cells that are there; it draws and deletes none", field="action")
        for one in op.settles:
            if not self._is_there(one):
                raise Invalid("there is no such opinion to settle", field="settles")

    def take_opinion(self, opinion: Opinion) -> None:
        """The author's own opinion, as an operation of this write has just given it: a later one may settle it."""
        self.opinions[opinion.annotation.uid, self.author.pk] = opinion

    def take(self, operation: Operation, op: Any) -> None:
        """An accepted operation: what it settles, or, as the undo of an overrule, what counts again."""
        if op.action == UNDO and op.undoes:
            self._unsettle(op.undoes)
        for one in [*op.settles, *self._redone_by(op)]:
            opinion = self.opinions[one.annotation, one.author]
            if opinion.settled_by is not None:  # by an earlier overrule, and an undo of this one leaves that
                continue
            opinion.settled_by = op.op_id
            self.changed[one.annotation, one.author] = opinion
            self.settled.setdefault(op.op_id, []).append(one)
            settlement = Settlement(operation=operation, annotation=opinion.annotation, author_id=one.author)
            self.settlements.append(settlement)

    def _redone_by(self, op: Any) -> list[Named]:
        """What a redo settles once more: whose opinions the overrule had settled, where they have not withdrawn them.

        Whoever may not overrule by now restores the decision alone.
        """
        if op.action != REDO or not self.may:
            return []
        undone = self.undone.get(op.undoes)
        settled = self.settled.get(undone, []) if undone else []
        return [one for one in settled if self._is_there(one)]

    def _is_there(self, one: Named) -> bool:
        """Whether the person has an opinion of the cell that is not withdrawn."""
        opinion = self.opinions.get((one.annotation, one.author))
        return judgement_of(opinion) is not None

    def _unsettle(self, op_id: uuid.UUID) -> None:
        for key, opinion in self.opinions.items():
            if opinion.settled_by == op_id:
                opinion.settled_by = None
                self.changed[key] = opinion

    def cells(self) -> list[Annotation]:
        """The cells of which an opinion is settled now, or counts again."""
        return [opinion.annotation for opinion in self.changed.values()]

    def write(self) -> None:
        """After the operations are saved."""
        if self.settlements:
            Settlement.objects.bulk_create(self.settlements)
        if self.changed:
            Opinion.objects.bulk_update(self.changed.values(), ["settled_by"])


def replay_settled(layer: Layer) -> dict[Key, uuid.UUID]:
    """The opinions that are settled, by the log alone: (cell, author) -> the overrule."""
    last: dict[Key, int] = {}
    effects = OpinionEffect.objects.filter(operation__layer=layer).order_by("operation__seq")
    for uid, author, seq in effects.values_list("annotation__uid", "operation__author", "operation__seq"):
        last[uid, author] = seq
    undone = dict(Operation.objects.filter(layer=layer, action=UNDO, undoes__isnull=False).values_list("undoes", "seq"))
    settled: dict[Key, uuid.UUID] = {}
    rows = Settlement.objects.filter(operation__layer=layer).order_by("operation__seq")
    for uid, author, seq, op_id in rows.values_list("annotation__uid", "author", "operation__seq", "operation__op_id"):
        is_newest = seq > last.get((uid, author), 0)
        if is_newest and op_id not in undone:
            settled[uid, author] = op_id
    return settled
