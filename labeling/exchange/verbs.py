"""Accept, reject, relabel, by id: for programs that do not write operations themselves.

Each becomes operations on the layer that the person writes, through the one writer of the log
(annotations/services.py), one a cell: a cell that somebody else has changed meanwhile loses none of the others.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.batch import Verdict
from labeling.annotations.models import Annotation, Layer, Operation
from labeling.annotations.services import working_layer, write_operations
from labeling.annotations.state import AnnotationState, state_of
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image

Change = Callable[[AnnotationState], AnnotationState]
TOOL = "api"


@dataclass(frozen=True)
class Decided:
    """What became of one id. `annotation` is None where there is no cell of this id."""

    id: uuid.UUID
    annotation: uuid.UUID | None
    verdict: Verdict


def accept(*, image: Image, by: User, ids: Sequence[uuid.UUID], label_class: int | None = None) -> "Result":
    """Proposals become cells of the person's layer; cells are confirmed. `label_class` None leaves the class."""

    def change(state: AnnotationState) -> AnnotationState:
        chosen = state.label_class if label_class is None else label_class
        return replace(state, status=Annotation.Status.CONFIRMED, reason="", label_class=chosen)

    return _decide(image, by, ids, Operation.Action.ACCEPT, change)


def reject(*, image: Image, by: User, ids: Sequence[uuid.UUID], reason: str) -> "Result":
    """Proposals and cells are no cells, for a reason."""

    def change(state: AnnotationState) -> AnnotationState:
        return replace(state, status=Annotation.Status.REJECTED, reason=reason)

    return _decide(image, by, ids, Operation.Action.REJECT, change)


def relabel(*, image: Image, by: User, ids: Sequence[uuid.UUID], label_class: int | None) -> "Result":
    """Another class for cells of the person's layer; None takes it away."""

    def change(state: AnnotationState) -> AnnotationState:
        return replace(state, label_class=label_class)

    return _decide(image, by, ids, Operation.Action.CLASSIFY, change)


@dataclass(frozen=True)
class Result:
    layer: Layer
    seq: int
    decided: list[Decided]


def _decide(image: Image, by: User, ids: Sequence[uuid.UUID], action: str, change: Change) -> Result:
    """Raises WrongState where the person writes no layer here, Invalid for an id twice."""
    if len(set(ids)) < len(ids):
        raise Invalid(_("an id stands there twice"), field="ids")
    layer = working_layer(image=image, user=by)
    if layer is None:
        raise WrongState(_("nothing can be decided on this image now: it is done, or its project is archived"))
    own, proposals, decided = _rows(layer, by, ids)
    results: dict[uuid.UUID, Decided] = {}
    sent: list[tuple[uuid.UUID, uuid.UUID, dict[str, object]]] = []
    for uid in ids:
        row = own.get(uid) or decided.get(uid)
        source = row or (proposals.get(uid) if action != Operation.Action.CLASSIFY else None)
        before = state_of(source) if source else None
        if source is None or before is None:
            results[uid] = Decided(uid, None, _missing(action))
            continue
        # A proposal of a round is derived from the box that it was made for; the new cell, from the proposal.
        after = change(before if row else replace(before, derived_from=uid, provenance=None))
        annotation = row.uid if row else uuid.uuid4()
        if row is not None and after == before:
            results[uid] = Decided(uid, annotation, Verdict("", "unchanged"))
            continue
        sent.append((uid, annotation, _operation(action, annotation, row, after)))
    seq, verdicts = write_operations(layer=layer, author=by, operations=[operation for _u, _a, operation in sent])
    for (uid, annotation, _operation_sent), verdict in zip(sent, verdicts, strict=True):
        results[uid] = Decided(uid, annotation, verdict)
    return Result(layer, seq, [results[uid] for uid in ids])


def _rows(
    layer: Layer, by: User, ids: Sequence[uuid.UUID]
) -> tuple[dict[uuid.UUID, Annotation], dict[uuid.UUID, Annotation], dict[uuid.UUID, Annotation]]:
    """Id -> the layer's cell, the proposal that `by` sees, and the layer's cell that has decided the proposal."""
    cells = Annotation.objects.filter(kind=Annotation.Kind.CELL, deleted=False)
    own = cells.filter(layer=layer, uid__in=ids)
    visible = Layer.objects.visible_to(by).filter(
        image=layer.image_id, kind__in=[Layer.Kind.PREDICTION, Layer.Kind.IMPORT]
    )
    proposals = cells.filter(layer__in=visible, uid__in=ids)
    decided = cells.filter(layer=layer, derived_from__in=ids)
    by_source = {row.derived_from: row for row in decided if row.derived_from is not None}
    return {row.uid: row for row in own}, {row.uid: row for row in proposals}, by_source


def _missing(action: str) -> Verdict:
    words = _("there is no such cell")
    if action == Operation.Action.CLASSIFY:
        words = _("there is no such cell on your layer; accept a proposal first")
    return Verdict("", "invalid", error={"code": Invalid.code, "detail": words, "field": "ids"})


def _operation(action: str, annotation: uuid.UUID, row: Annotation | None, after: AnnotationState) -> dict[str, object]:
    """As a browser would send it; a program has no clock of a page, so it begins and ends now."""
    now = timezone.now().isoformat()
    state = cast(dict[str, object], dict(after.as_json()))
    state.pop("provenance")  # the server's own knowledge
    return {
        "op_id": str(uuid.uuid4()),
        "action": action,
        "tool": TOOL,
        "session": str(uuid.uuid4()),
        "begun_at": now,
        "committed_at": now,
        "begun_ms": 0.0,
        "committed_ms": 0.0,
        "effects": [
            {
                "annotation": str(annotation),
                "seen": str(row.last_op) if row and row.last_op else None,
                "after": state,
            }
        ],
    }
