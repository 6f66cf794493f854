"""From the tables to data frames: the raw events and the log's operations, as the analysis takes them."""

import uuid
from collections.abc import Iterable

import pandas as pd
from django.db.models import QuerySet

from labeling.annotations.activity import events_of
from labeling.annotations.models import ActivityBatch, Effect

EVENTS = ["session", "n", "t_ms", "kind", "data"]
BATCHES = ["session", "image", "user", "first", "count", "wall_ms", "mono_ms", "received_at"]
OPERATIONS = [
    "session",
    "image",
    "user",
    "seq",
    "action",
    "tool",
    "cell",
    "proposal",
    "begun_ms",
    "committed_ms",
    "activity_first",
    "activity_last",
    "received_at",
]


def batches_frame(batches: QuerySet[ActivityBatch]) -> pd.DataFrame:
    """One row for each batch; see ActivityBatch. Ids as they are in the database: what leaves the house is made
    pseudonymous in bundle.py."""
    rows = [
        (str(b.session), b.image_id, b.user_id, b.first, b.count, b.wall_ms, b.mono_ms, b.received_at)
        for b in batches.defer("events").order_by("session", "first")
    ]
    return pd.DataFrame(rows, columns=BATCHES)


def events_frame(batches: QuerySet[ActivityBatch]) -> pd.DataFrame:
    """One row for each event: session, n (its number there), t_ms (monotonic), kind, data."""
    rows = []
    for batch in batches.order_by("session", "first").iterator():
        for k, event in enumerate(events_of(batch)):
            rows.append(
                (str(batch.session), batch.first + k, float(event[0]), event[1], (event[2:] and event[2]) or None)
            )
    return pd.DataFrame(rows, columns=EVENTS)


def operations_frame(images: Iterable[int], sessions: Iterable[str] | None = None) -> pd.DataFrame:
    """One row for each effect of each operation on these images: what ended a piece of work, and on which cell."""
    found = Effect.objects.filter(operation__layer__image__in=list(images))
    if sessions is not None:
        found = found.filter(operation__session__in=[uuid.UUID(s) for s in sessions])
    rows = []
    for effect in found.select_related("operation__layer", "annotation").order_by("operation__layer", "operation__seq"):
        op, after = effect.operation, effect.after or {}
        rows.append(
            (
                str(op.session),
                op.layer.image_id,
                op.author_id,
                op.seq,
                op.action,
                op.tool,
                str(effect.annotation.uid),
                str(after.get("derived_from") or ""),
                op.begun_ms,
                op.committed_ms,
                op.activity_first,
                op.activity_last,
                op.received_at,
            )
        )
    table = pd.DataFrame(rows, columns=OPERATIONS)
    return table.astype({"activity_first": float, "activity_last": float, "begun_ms": float, "committed_ms": float})
