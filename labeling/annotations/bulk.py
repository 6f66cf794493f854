"""Many annotations at once, by PostgreSQL's COPY: a slide's proposals are a million rows."""

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import JSONField, Model
from django.db.models.base import ModelState

from labeling.annotations.models import Annotation, LayerHead
from labeling.annotations.state import AnnotationState

M = TypeVar("M", bound=Model)

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


@cache
def _blank(model: type[Model]) -> tuple[Mapping[str, Any], tuple[tuple[str, Callable[[], Any]], ...]]:
    """What a new instance holds, and the defaults that are made anew for each."""
    values = vars(model())
    with_default = [field for field in model._meta.concrete_fields if field.has_default()]
    made = [(field.attname, field.default) for field in with_default if callable(field.default)]
    return values, tuple(made)


def unsaved(model: type[M]) -> M:
    """A new instance as `model()` makes it, for the tens of thousands of a request.

    Django reads the arguments, asks for defaults and sets relations of each instance; for 10,000 cells and their
    effects that was two fifths of the processor time of the request. No signal of the model is sent.
    """
    values, made = _blank(model)
    new = model.__new__(model)
    vars(new).update(values, _state=ModelState())
    for name, default in made:
        setattr(new, name, default())
    return new


FEW = 50  # rows that one INSERT writes at least as fast as a COPY


def insert(rows: Sequence[Model]) -> None:
    """Insert instances of one model whose values are all set, and give them their ids.

    Django's bulk_create spends four fifths of its time in writing the statement and in psycopg's reading of it, for one
    row as for ten thousand. Here the text of a few rows is kept, and many are copied.
    """
    if not rows:
        return
    if len(rows) <= FEW:
        _insert(rows)
    else:
        _number(rows)
        _copy(rows)
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


def advance(head: LayerHead) -> None:
    """Save the seq of a head whose row is locked."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {head._meta.db_table} SET seq = %s WHERE layer_id = %s", [head.seq, head.layer_id])


@cache
def _columns(model: type[Model], with_id: bool) -> tuple[list[str], list[str], list[bool]]:
    """Attributes and columns of a model, and which of them are JSON."""
    fields = [field for field in model._meta.concrete_fields if with_id or not field.primary_key]
    attributes = [field.attname for field in fields]
    return attributes, [str(field.column) for field in fields], [isinstance(field, JSONField) for field in fields]


def _values(row: Model, attributes: Sequence[str], is_json: Sequence[bool]) -> list[Any]:
    """The values of a row as the database takes them; JSON as text, and NULL for None, as JSONField has it."""
    values = [getattr(row, name) for name in attributes]
    for number, json_ in enumerate(is_json):
        if json_ and values[number] is not None:
            values[number] = json.dumps(values[number])
    return values


def _insert(rows: Sequence[Model]) -> None:
    attributes, columns, is_json = _columns(type(rows[0]), with_id=False)
    values: list[Any] = []
    for row in rows:
        values += _values(row, attributes, is_json)
    with connection.cursor() as cursor:
        cursor.execute(_insert_text(type(rows[0])._meta.db_table, tuple(columns), len(rows)), values)
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key


@cache
def _insert_text(table: str, columns: tuple[str, ...], count: int) -> str:
    row = "(" + ", ".join(["%s"] * len(columns)) + ")"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * count)} RETURNING id"


def _number(rows: Sequence[Model]) -> None:
    """Ids from the sequence."""
    numbers = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
    with connection.cursor() as cursor:
        cursor.execute(numbers, [rows[0]._meta.db_table, len(rows)])
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key


def _copy(rows: Sequence[Model]) -> None:
    attributes, columns, is_json = _columns(type(rows[0]), with_id=True)
    statement = f"COPY {rows[0]._meta.db_table} ({', '.join(columns)}) FROM STDIN"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(_values(row, attributes, is_json))


def copy_rows(
    source: uuid.UUID,
    target: uuid.UUID,
    *,
    without: Collection[uuid.UUID],
    outside: tuple[int, int, int, int] | None = None,
    sources: Collection[uuid.UUID] = (),
) -> None:
    """Copy the annotations of an immutable layer into another one, with their uids, in the database.

    without  uids that are left out; sources: what is derived from these is left out as well
    outside  x, y, width, height: annotations whose middle lies in it are left out; None for none
    """
    names = ", ".join(COLUMNS)
    inside: list[str] = []
    copied = names.replace("layer_id", "%s", 1)
    table = Annotation._meta.db_table
    statement = f"INSERT INTO {table} ({names}) SELECT {copied} FROM {table} WHERE layer_id = %s"
    values: list[Any] = [target, source]  # untyped: as the database's driver takes them
    statement += " AND NOT uid = ANY(%s) AND (derived_from IS NULL OR NOT derived_from = ANY(%s))"
    values += [list(without), list(sources)]
    if outside is not None:
        x, y, width, height = outside
        for middle, start, end in (("(x0 + x1) / 2", x, x + width), ("(y0 + y1) / 2", y, y + height)):
            inside.append(f"{middle} >= %s AND {middle} < %s")
            values += [start, end]
        statement += f" AND NOT ({' AND '.join(inside)})"
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
