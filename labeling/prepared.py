"""Queries whose SQL is written once.

Django builds the text of a query anew each time, which takes five to ten times as long as asking PostgreSQL. Where a
request is made a hundred times a second, that was two thirds of its processor time (docs/benchmarks.md, "The load").

    ROLE = Prepared(lambda project, user: Membership.objects.filter(project=project, user=user).values_list("role"))
    ROLE.first(project.pk, user.pk)

The query is written with the ORM as any other, so rules of access stay in one place. tests/labeling/test_prepared.py
holds that each prepared query finds what the plain one finds.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators

M = TypeVar("M", bound=Model)
Argument = int | str | uuid.UUID | datetime
LONGEST = 4  # values of a list; a longer list is asked for by the plain query

# What stands in the place of an argument while the text is written. Nothing in a query equals one of them.
_STAND_INS: dict[type, Callable[[int], Argument]] = {
    int: lambda number: 2**62 + number,
    str: lambda number: f"boxwise stand-in {number}",
    uuid.UUID: lambda number: uuid.UUID(int=2**127 + number),
    datetime: lambda number: datetime(9000, 1, 1, tzinfo=UTC) + timedelta(days=number),
}


@dataclass(frozen=True)
class _Statement(Generic[M]):
    """The text of a query, and how a row of its answer becomes an object.

    arguments   of each parameter: which argument stands there, or None with the value that never changes
    converters  column -> functions of Django's fields (`from_db_value`)
    model       None where the query asks for values: then a row is a tuple
    """

    sql: str
    arguments: tuple[tuple[int | None, Any], ...]
    converters: tuple[tuple[int, Any, Any], ...]
    model: type[M] | None
    columns: tuple[int, int]
    attributes: tuple[str, ...]
    related: tuple[Any, ...]
    annotations: tuple[tuple[str, int], ...]
    locks: bool


class Prepared(Generic[M]):
    """A query of the default database.

    build  makes it from its arguments: ids, words, and lists of these. Whatever else the query depends on must not
           change while the program runs: not the time, and not what a person is.
    """

    def __init__(self, build: Callable[..., QuerySet[M, Any]]) -> None:
        self.build = build
        self._statements: dict[tuple[object, ...], _Statement[M]] = {}

    def all(self, *arguments: Any) -> list[Any]:
        """Objects of the query's model; tuples where it asks for values."""
        if any(isinstance(one, list) and not 0 < len(one) <= LONGEST for one in arguments):
            return list(self.build(*arguments))
        shape = tuple(_shape(one) for one in arguments)
        statement = self._statements.get(shape)
        if statement is None:
            statement = self._statements[shape] = _written(self.build, arguments)
        return _asked(statement, _flat(arguments))

    def first(self, *arguments: Any) -> Any:
        """The first one; None without any. The query itself says that one is enough (`[:1]`)."""
        found = self.all(*arguments)
        return found[0] if found else None


def _shape(argument: Any) -> object:
    """What the text depends on: kind of the argument, and of a list its length."""
    if isinstance(argument, list):
        return (len(argument), type(argument[0]))
    return type(argument)


def _flat(arguments: Sequence[Any]) -> list[Argument]:
    found: list[Argument] = []
    for one in arguments:
        found += one if isinstance(one, list) else [one]
    return found


def _written(build: Callable[..., QuerySet[M, Any]], arguments: Sequence[Any]) -> _Statement[M]:
    """The statement, with a stand-in for each argument while it is written."""
    stand_ins = [_STAND_INS[type(one)](number) for number, one in enumerate(_flat(arguments))]
    left = iter(stand_ins)
    given = [[next(left) for _ in one] if isinstance(one, list) else next(left) for one in arguments]
    queryset = build(*given)
    compiler = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
    sql, parameters = compiler.as_sql()
    places = [(stand_ins.index(one), None) if one in stand_ins else (None, one) for one in parameters]
    missing = set(range(len(stand_ins))) - {place for place, _ in places}
    if missing:
        raise ValueError(f"arguments {sorted(missing)} of a prepared query stand nowhere in its text: {sql}")
    converters = compiler.get_converters([column[0] for column in compiler.select])
    about: dict[str, Any] = {"model": None, "columns": (0, 0), "attributes": (), "related": ()}
    if queryset._iterable_class is ModelIterable:  # and not values_list
        selected = compiler.klass_info["select_fields"]
        columns = (selected[0], selected[-1] + 1)
        about = {
            "model": compiler.klass_info["model"],
            "columns": columns,
            "attributes": tuple(column[0].target.attname for column in compiler.select[slice(*columns)]),
            "related": tuple(get_related_populators(compiler.klass_info, compiler.select, DEFAULT_DB_ALIAS)),  # type: ignore[call-arg]
        }
    return _Statement(
        sql=sql,
        arguments=tuple(places),
        converters=tuple((place, functions, column) for place, (functions, column) in converters.items()),
        annotations=tuple((compiler.annotation_col_map or {}).items()),
        locks=queryset.query.select_for_update,
        **about,
    )


def _asked(statement: _Statement[M], arguments: Sequence[Argument]) -> list[Any]:
    if statement.locks and not connection.in_atomic_block:
        raise RuntimeError("a row is locked within a transaction only")
    parameters = [constant if place is None else arguments[place] for place, constant in statement.arguments]
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, parameters)
        rows = cursor.fetchall()
    return [_object(statement, row) for row in rows]


def _object(statement: _Statement[M], found: Sequence[Any]) -> Any:
    row = list(found)
    for place, functions, column in statement.converters:
        for function in functions:
            row[place] = function(row[place], column, connection)
    if statement.model is None:
        return tuple(row)
    begin, end = statement.columns
    made = statement.model.from_db(DEFAULT_DB_ALIAS, statement.attributes, row[begin:end])
    for populator in statement.related:
        populator.populate(row, made)
    for name, place in statement.annotations:
        setattr(made, name, row[place])
    return made
