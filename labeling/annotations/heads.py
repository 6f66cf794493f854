"""What the log says of single annotations: asked before anybody is told that somebody else has changed a cell."""

import uuid
from collections.abc import Sequence

from labeling.annotations.batch import current_json
from labeling.annotations.models import Annotation, Layer, Operation, Opinion
from labeling.annotations.opinions import opinion_json
from labeling.annotations.wire import HeadJson, LastOperation, OpinionJson


def heads_of(*, layer: Layer, uids: Sequence[uuid.UUID]) -> list[HeadJson]:
    """Each annotation as it is now, with its last operation, in the order that was asked; a constant number of queries.

    -> entries like the `current` of a verdict (state None: deleted, or never there with version 0) with `operation`
    (action, author and time of the last one; None for one that the log never had), `decided_by` and `opinions`.
    """
    rows = {row.uid: row for row in Annotation.objects.filter(layer=layer, uid__in=uids)}
    last = Operation.objects.filter(layer=layer, op_id__in=[row.last_op for row in rows.values() if row.last_op])
    operations = {operation.op_id: operation for operation in last.select_related("author")}
    opinions: dict[int, list[OpinionJson]] = {row.pk: [] for row in rows.values()}
    for opinion in Opinion.objects.filter(annotation__in=opinions).select_related("author").order_by("given_at", "pk"):
        opinions[opinion.annotation_id].append(opinion_json(opinion))
    return [_head(uid, rows.get(uid), operations, opinions) for uid in uids]


def _head(
    uid: uuid.UUID,
    row: Annotation | None,
    operations: dict[uuid.UUID, Operation],
    opinions: dict[int, list[OpinionJson]],
) -> HeadJson:
    if row is None:
        return {
            "annotation": str(uid),
            "version": 0,
            "last_op": None,
            "state": None,
            "author": None,
            "operation": None,
            "decided_by": None,
            "disputed": False,
            "opinions": [],
        }
    operation = operations.get(row.last_op) if row.last_op else None
    described = _described(operation) if operation else None
    return {
        **current_json(row),
        "author": described["author"] if described else None,
        "operation": described,
        "disputed": row.disputed,
        "opinions": opinions[row.pk],
    }


def _described(operation: Operation) -> LastOperation:
    return {
        "seq": operation.seq,
        "action": operation.action,
        "tool": operation.tool,
        "author": {"id": operation.author_id, "name": operation.author.display_name},
        "committed_at": operation.committed_at,
    }
