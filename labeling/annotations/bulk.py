"""Many annotations at once, by PostgreSQL's COPY: a slide's proposals are a million rows."""

import json
import uuid
from collections.abc import Iterable

from django.db import connection

from labeling.annotations.models import Annotation
from labeling.annotations.state import AnnotationState

COLUMNS = (
    "layer_id", "uid", "kind", "status", "reason", "label_class_id", "x0", "y0", "x1", "y1",
    "mask_x", "mask_y", "mask_width", "mask_height", "mask_bits", "derived_from", "provenance", "score",
    "author_id", "version", "last_op", "deleted", "attributes", "parent", "decided_by_id", "disputed",
)  # fmt: skip
NO_MASK = (None, None, None, None, None)


def copy_states(layer_id: uuid.UUID, rows: Iterable[tuple[uuid.UUID, AnnotationState, float | None]]) -> None:
    """Insert (uid, state, score) into a layer, streamed one by one, all or none; the database checks them as it checks
    any other. No model instances on the way: making them was half of the time (docs/rounds.md).

    Raises IntegrityError as bulk_create does.
    """
    statement = f"COPY {Annotation._meta.db_table} ({', '.join(COLUMNS)}) FROM STDIN"
    kept: tuple[object, str] = (None, "{}")  # a layer's cells mostly share one provenance
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        write = copy.write_row
        for uid, s, score in rows:
            if s.provenance is not kept[0]:
                kept = (s.provenance, json.dumps(s.provenance or {}))
            m = s.mask
            mask = NO_MASK if m is None else (m.x, m.y, m.width, m.height, m.bits)
            write(
                (layer_id, uid, s.kind, s.status, s.reason, s.label_class, *s.box, *mask, s.derived_from, kept[1],
                 score, None, 1, None, False, json.dumps(s.attributes) if s.attributes else None, s.parent,
                 None, False)
            )  # fmt: skip
