"""Many annotations at once, by PostgreSQL's COPY: a slide's proposals are a million rows."""

import json
from collections.abc import Iterable

from django.db import connection

from labeling.annotations.models import Annotation

COLUMNS = (
    "layer_id", "uid", "kind", "status", "reason", "label_class_id", "x0", "y0", "x1", "y1",
    "mask_x", "mask_y", "mask_width", "mask_height", "mask_bits", "derived_from", "provenance", "score",
    "author_id", "version", "last_op", "deleted",
)  # fmt: skip


def copy_annotations(rows: Iterable[Annotation]) -> None:
    """Insert unsaved rows, streamed one by one, all or none; the database checks them as it checks any other.

    The rows do not learn their primary keys. Raises IntegrityError as bulk_create does.
    """
    statement = f"COPY {Annotation._meta.db_table} ({', '.join(COLUMNS)}) FROM STDIN"
    kept: tuple[object, str] = (None, "{}")  # a layer's cells mostly share one provenance
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            values = [getattr(row, name) for name in COLUMNS]
            if row.provenance is not kept[0]:
                kept = (row.provenance, json.dumps(row.provenance))
            values[COLUMNS.index("provenance")] = kept[1]
            copy.write_row(values)
