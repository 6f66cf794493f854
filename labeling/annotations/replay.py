"""The log is the truth: rebuild a layer's annotations from it alone, and say where the rows differ."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from labeling.annotations.models import Annotation, Effect, Layer, Opinion, OpinionEffect
from labeling.annotations.opinions import Deciders, Judgement, decision_of, is_disputed, judgement_of
from labeling.annotations.overrules import replay_settled
from labeling.annotations.state import state_of
from labeling.annotations.wire import StateJson
from labeling.projects.classes import current_classes


@dataclass(frozen=True)
class Replayed:
    """An annotation as the log alone says: its state (None for deleted), version and last operation."""

    state: StateJson | None
    version: int
    last_op: uuid.UUID | None


def replay(layer: Layer, until: int | None = None) -> dict[uuid.UUID, Replayed]:
    """Every annotation the log of `layer` ever touched, after operation `until` (default: the last)."""
    effects = Effect.objects.filter(operation__layer=layer).order_by("operation__seq", "pk")
    if until is not None:
        effects = effects.filter(operation__seq__lte=until)
    return {
        uid: Replayed(after, version, op_id)  # the last effect of an annotation stands: its `after` is the whole state
        for uid, after, version, op_id in effects.values_list(
            "annotation__uid", "after", "version", "operation__op_id"
        ).iterator()
    }


def replay_opinions(layer: Layer) -> dict[tuple[uuid.UUID, int], tuple[Judgement | None, uuid.UUID]]:
    """Every opinion as the log alone says: (cell, author) -> what is said (None: withdrawn) and the last operation."""
    effects = OpinionEffect.objects.filter(operation__layer=layer).order_by("operation__seq", "pk")
    return {
        (uid, author): (Judgement(**after) if after else None, op_id)
        for uid, author, after, op_id in effects.values_list(
            "annotation__uid", "operation__author", "after", "operation__op_id"
        )
    }


def replay_deciders(layer: Layer) -> dict[uuid.UUID, int | None]:
    """Who has decided each annotation, by the log alone."""
    deciders: dict[uuid.UUID, Deciders] = {}
    found: dict[uuid.UUID, int | None] = {}
    effects = Effect.objects.filter(operation__layer=layer).order_by("operation__seq", "pk")
    for uid, action, author, after in effects.values_list(
        "annotation__uid", "operation__action", "operation__author", "after"
    ):
        if after is not None:
            decision = decision_of(after["status"], after["derived_from"])
            of_this = deciders.setdefault(uid, Deciders())
            found[uid] = of_this.take(action=action, author=author, decision=decision)
    return found


def differences(layer: Layer) -> list[str]:
    """Sentences about every row that is not what the log says, and every break in the log; empty when all is well."""
    log = replay(layer)
    found = list(_breaks(layer))
    for row in Annotation.objects.filter(layer=layer).iterator():
        state = state_of(row)
        here = Replayed(state.as_json() if state else None, row.version, row.last_op)
        logged = log.pop(row.uid, None)
        if here != logged:
            found.append(f"annotation {row.uid}: the row says {here}, the log says {logged}")
    found += [f"annotation {uid} is in the log and has no row" for uid in log]
    return found + list(_wrong_opinions(layer)) + list(_wrong_decisions(layer))


def _wrong_opinions(layer: Layer) -> Iterator[str]:
    log, settled = replay_opinions(layer), replay_settled(layer)
    for opinion in Opinion.objects.filter(annotation__layer=layer).select_related("annotation"):
        key = (opinion.annotation.uid, opinion.author_id)
        here, logged = (judgement_of(opinion), opinion.last_op), log.pop(key, None)
        if opinion.settled_by != settled.get(key):
            yield f"the opinion of {key[1]} on {key[0]}: settled by {opinion.settled_by}, the log {settled.get(key)}"
        if here != logged:
            yield f"the opinion of {key[1]} on {key[0]}: the row says {here}, the log says {logged}"
    for uid, author in log:
        yield f"the opinion of {author} on {uid} is in the log and has no row"


def _wrong_decisions(layer: Layer) -> Iterator[str]:
    """Cells that are disputed, or decided by somebody, otherwise than the log says."""
    logged: dict[uuid.UUID, list[Judgement]] = {}
    settled = replay_settled(layer)
    for (uid, author), (opinion, _op) in replay_opinions(layer).items():
        if opinion is not None and (uid, author) not in settled:
            logged.setdefault(uid, []).append(opinion)
    deciders = replay_deciders(layer)
    classes = current_classes(layer.image.project_id)
    for row in Annotation.objects.filter(layer=layer).iterator():
        expected = is_disputed(row, logged.get(row.uid, []), classes)
        if row.disputed != expected:
            yield f"annotation {row.uid}: disputed is {row.disputed}, the log says {expected}"
        if row.decided_by_id != deciders.get(row.uid):
            yield f"annotation {row.uid}: decided by {row.decided_by_id}, the log says {deciders.get(row.uid)}"


def _breaks(layer: Layer) -> Iterator[str]:
    """Where the log contradicts itself: a gap in seq, a version left out, a `before` that is not the last `after`."""
    numbers = layer.operations.order_by("seq").values_list("seq", flat=True)
    for expected, seq in enumerate(numbers.iterator(), start=1):
        if seq != expected:
            yield f"operation {seq} stands where {expected} should"
            break
    last: dict[uuid.UUID, tuple[int, StateJson | None]] = {}
    effects = Effect.objects.filter(operation__layer=layer).order_by("operation__seq", "pk")
    for uid, version, before, after in effects.values_list("annotation__uid", "version", "before", "after").iterator():
        old_version, old = last.get(uid, (0, None))
        if version != old_version + 1 or before != old:
            yield f"annotation {uid}: version {version} does not follow on version {old_version}"
        last[uid] = (version, after)
