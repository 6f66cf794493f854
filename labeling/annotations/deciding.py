"""Operations that the server writes for a person who decided many cells at once: accept, reject, classify, take back.

They are what the workspace would send for the same act (frontend/scene/edits.ts), and go through the same writer of the
log. Whoever calls this says in the operation's tool where the person decided.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.utils import timezone

from labeling.annotations.models import Annotation, Layer, Operation
from labeling.annotations.state import AnnotationState, state_of
from labeling.annotations.wire import StateJson

Sent = dict[str, object]  # untyped: an operation as a browser sends it, which the log checks


@dataclass(frozen=True)
class Decision:
    """What a person says of a proposal, or of a cell of the layer.

    status       "confirmed", "rejected" or "cannot_tell"; "" leaves it as it is
    label_class  key, None for no class; used where `sets_class`
    """

    annotation: Annotation
    status: str
    label_class: int | None = None
    sets_class: bool = False


def acceptance(*, layer: Layer, proposals: Sequence[Annotation], op_id: uuid.UUID, tool: str) -> Sent:
    """One bulk operation that accepts open proposals of the layer's image, as they are."""
    decisions = [Decision(proposal, Annotation.Status.CONFIRMED) for proposal in proposals]
    return decided(layer=layer, decisions=decisions, op_id=op_id, tool=tool)


def decided(*, layer: Layer, decisions: Sequence[Decision], op_id: uuid.UUID, tool: str) -> Sent:
    """One bulk operation for decisions on proposals and on cells of `layer`. Of two proposals for one cell of a person
    the first counts."""
    proposals = [one.annotation for one in decisions if one.annotation.layer_id != layer.pk]
    prompts = _cells(layer, [proposal.derived_from for proposal in proposals])
    effects: dict[str, Sent] = {}
    for one in decisions:
        effect = _effect(layer, one, prompts, op_id)
        if effect is not None:
            effects.setdefault(str(effect["annotation"]), effect)
    return operation(action=Operation.Action.BULK, op_id=op_id, tool=tool, effects=list(effects.values()))


def _cells(layer: Layer, uids: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, Annotation]:
    named = [uid for uid in uids if uid is not None]
    rows = Annotation.objects.filter(layer=layer, uid__in=named, deleted=False) if named else []
    return {row.uid: row for row in rows}


def _effect(layer: Layer, decision: Decision, prompts: dict[uuid.UUID, Annotation], op_id: uuid.UUID) -> Sent | None:
    row = decision.annotation
    state = state_of(row)
    if state is None:
        return None
    if row.layer_id == layer.pk:
        after = replace(state, status=decision.status or state.status, reason="")
        return _sent(row.uid, row.last_op, _with_class(after, decision))
    prompt = prompts.get(row.derived_from) if row.derived_from else None
    before = state_of(prompt) if prompt is not None else None
    is_rejected = decision.status == Annotation.Status.REJECTED
    if prompt is None or before is None or is_rejected:
        after = _of_proposal(row, state, decision)
        return _sent(uuid.uuid5(op_id, str(row.uid)), None, _with_class(after, decision))
    mask = state.mask if decision.status == Annotation.Status.CONFIRMED else before.mask
    after = replace(
        before,
        mask=mask,
        derived_from=row.uid,
        status=decision.status,
        reason="",
    )
    return _sent(prompt.uid, prompt.last_op, _with_class(after, decision))


def _of_proposal(row: Annotation, state: AnnotationState, decision: Decision) -> AnnotationState:
    """The new cell that decides a proposal. Only an accepted one takes its mask, and a rejected one has no class."""
    after = replace(
        state,
        status=decision.status,
        derived_from=row.uid,
        attributes=None,
        parent=None,
    )
    if decision.status == Annotation.Status.CONFIRMED:
        return after
    if decision.status == Annotation.Status.REJECTED:
        after = replace(after, label_class=None)
    return replace(after, mask=None)


def _with_class(state: AnnotationState, decision: Decision) -> AnnotationState:
    return replace(state, label_class=decision.label_class) if decision.sets_class else state


def _sent(annotation: uuid.UUID, seen: uuid.UUID | None, after: AnnotationState | None) -> Sent:
    stated: dict[str, object] | None = None
    if after is not None:
        stated = _without_provenance(after.as_json())
    return {"annotation": str(annotation), "seen": str(seen) if seen else None, "after": stated}


def change_of(row: Annotation, after: AnnotationState) -> Sent:
    """The effect that gives a cell of a working layer another state."""
    return _sent(row.uid, row.last_op, after)


def _without_provenance(state: StateJson) -> dict[str, object]:
    """The server's own knowledge is not sent."""
    return {name: value for name, value in state.items() if name != "provenance"}


def reversal(done: Operation, op_id: uuid.UUID, *, tool: str) -> tuple[Sent | None, int]:
    """An operation that takes back exactly what `done` did, and how many cells somebody has changed since, which stay.

    None for the operation where nothing is left to take back.
    """
    effects: list[Sent] = []
    changed = 0
    for effect in done.effects.select_related("annotation"):
        row = effect.annotation
        if row.last_op != done.op_id:
            changed += 1
            continue
        before = None if effect.before is None else _without_provenance(effect.before)
        effects.append({"annotation": str(row.uid), "seen": str(row.last_op), "after": before})
    if not effects:
        return None, changed
    sent = operation(action=Operation.Action.UNDO, op_id=op_id, tool=tool, effects=effects)
    return sent | {"undoes": str(done.op_id)}, changed


def operation(*, action: str, op_id: uuid.UUID, tool: str, effects: Sequence[Sent]) -> Sent:
    """An operation that rests on no page of a browser: it begins and ends now, and takes no time."""
    now = timezone.now().isoformat()
    return {
        "op_id": str(op_id),
        "action": action,
        "tool": tool,
        "session": str(op_id),
        "begun_at": now,
        "committed_at": now,
        "begun_ms": 0.0,
        "committed_ms": 0.0,
        "effects": list(effects),
    }
