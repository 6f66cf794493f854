"""Overruling: a reviewer decides a cell that others have decided, and settles the opinions that they name.

A settled opinion stays what it is, with its author and time; it no longer makes the cell disputed. Its author may give
it anew, and an undo of the overrule makes it count again. Both are derived here, and rebuilt by replay.py.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from labeling.accounts.models import User
from labeling.annotations.contract import SettleIn
from labeling.annotations.models import Annotation, Layer, Operation, Opinion, OpinionEffect, Settlement
from labeling.annotations.opinions import judgement_of
from labeling.errors import Invalid
from labeling.projects.models import MAY

OVERRULE, UNDO = Operation.Action.OVERRULE, Operation.Action.UNDO
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

    def load(self, operations: Iterable[Any], own: dict[uuid.UUID, Opinion]) -> None:
        """own: the author's own opinions that are in memory already, which must not be there twice."""
        overrules = [op for op in operations if op.action == OVERRULE]
        undone = [op.undoes for op in operations if op.action == UNDO and op.undoes]
        if overrules:
            self.may = self.layer.image.project.role_of(self.author) in MAY["review"]
        named = [one for op in overrules for one in op.settles]
        if not named and not undone:
            return
        of_layer = Opinion.objects.filter(annotation__layer=self.layer).select_related("annotation")
        found = list(of_layer.filter(annotation__uid__in=[one.annotation for one in named]))
        found += list(of_layer.filter(settled_by__in=undone))
        for opinion in found:
            self.opinions[opinion.annotation.uid, opinion.author_id] = opinion
        for uid, opinion in own.items():
            self.opinions[uid, self.author.pk] = opinion

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
            if judgement_of(self.opinions.get((one.annotation, one.author))) is None:
                raise Invalid("there is no such opinion to settle", field="settles")

    def take(self, operation: Operation, op: Any, rows: dict[uuid.UUID, Annotation]) -> None:
        """An accepted operation: what it settles, or, as the undo of an overrule, what counts again."""
        if op.action == UNDO and op.undoes:
            self._unsettle(op.undoes)
        for one in op.settles:
            opinion = self.opinions[one.annotation, one.author]
            if opinion.settled_by is not None:  # by an earlier overrule, and an undo of this one leaves that
                continue
            opinion.settled_by = op.op_id
            self.changed[one.annotation, one.author] = opinion
            row = rows[one.annotation]
            self.settlements.append(Settlement(operation=operation, annotation=row, author_id=one.author))

    def _unsettle(self, op_id: uuid.UUID) -> None:
        for key, opinion in self.opinions.items():
            if opinion.settled_by == op_id:
                opinion.settled_by = None
                self.changed[key] = opinion

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
