"""Statements about results, each one for any database.

The ORM would compile them again for every task; these are texts that are made once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Field, JSONField

from .models import TaskRecord

UNFINISHED = ("READY", "RUNNING")
#: What is known of an attempt when it begins.
ATTEMPT = ("started_at", "last_attempted_at", "worker_ids")
_ATTEMPTED = "last_attempted_at"
#: Where Django stores JSON as the text that json.dumps() makes of it.
_JSON_AS_TEXT = ("mysql", "sqlite")
#: As json.dumps(), without its being asked about all its options for each value.
_encode = json.JSONEncoder().encode
#: Since this release SQLite has ``->``.
_SQLITE_READS_ROWS = (3, 38)


class ConditionalUpdate:
    """``UPDATE ... SET columns WHERE the conditions hold``.

    :param columns: the fields that are set.
    :param where: the fields that must have given values.
    :param statuses: one of which the result must have.
    :param attempted: ``"<"`` where the latest attempt that was noted must have begun before the
        given ``last_attempted_at``, ``"<="`` where it may be that one.
    """

    def __init__(
        self,
        columns: Sequence[str],
        where: Sequence[str],
        statuses: Sequence[str],
        *,
        attempted: str = "",
    ) -> None:
        self._names = (*columns, *where, *([_ATTEMPTED] if attempted else []))
        self._columns = tuple(columns)
        self._where = tuple(where)
        self._statuses = tuple(statuses)
        self._attempted = attempted
        #: The field of each name; None: every database takes its values as they are.
        self._fields = [_converting(name) for name in self._names]

    def execute(self, using: str, values: Mapping[str, Any]) -> bool:
        """Update the result; return whether the conditions held.

        :param values: of the columns and of the conditions, by the fields' names.
        """
        connection = connections[using]
        with _alone(connection), connection.cursor() as cursor:
            cursor.execute(self._sql(connection), self._parameters(connection, values))
            return bool(cursor.rowcount)

    def execute_many(self, using: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Update the results for which the conditions hold; all of them, or none."""
        connection = connections[using]
        if len(rows) <= 1:
            for values in rows:
                self.execute(using, values)
        elif _reads_rows(connection) and _differ(rows):
            text = json.dumps(rows, default=_texts_of_times(connection))
            with _alone(connection), connection.cursor() as cursor:
                cursor.execute(self._sql_of_all(connection), (text, *self._statuses))
        else:
            parameters = [self._parameters(connection, values) for values in rows]
            with transaction.atomic(using=using), connection.cursor() as cursor:
                cursor.executemany(self._sql(connection), parameters)

    def _parameters(
        self, connection: BaseDatabaseWrapper, values: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        adapted = [
            values[name] if field is None else _adapted(connection, field, values[name])
            for name, field in zip(self._names, self._fields, strict=True)
        ]
        return (*adapted, *self._statuses)

    def _sql(self, connection: BaseDatabaseWrapper) -> str:
        return _sql(
            connection.ops.quote_name("x"),
            self._columns,
            self._where,
            self._statuses,
            self._attempted,
        )

    def _sql_of_all(self, connection: BaseDatabaseWrapper) -> str:
        """One statement for many rows, whose values are one parameter: a JSON array.

        A statement for each, with ten values that a driver adapts one by one, costs this
        process three times the CPU with PostgreSQL, and the server a round trip more.  SQLite
        is locked for one statement, and not while a transaction has many.
        """
        fields = dict(zip(self._names, self._fields, strict=True))
        return _sql_of_all(
            tuple(
                (name, "text" if field is None else str(field.db_type(connection)))
                for name, field in fields.items()
            ),
            self._columns,
            self._where,
            self._statuses,
            self._attempted,
            in_types=connection.vendor == "postgresql",
        )


def _reads_rows(connection: BaseDatabaseWrapper) -> bool:
    """Whether the database updates from the rows of a JSON array."""
    if connection.vendor == "sqlite":
        of_sqlite: Any = connection
        return bool(of_sqlite.Database.sqlite_version_info >= _SQLITE_READS_ROWS)
    return connection.vendor == "postgresql"


def _alone(connection: BaseDatabaseWrapper) -> AbstractContextManager[Any]:
    """What one statement needs around it: a savepoint where it is somebody's transaction.

    That of a test, say, would be of no use after a statement that fails.
    """
    return transaction.atomic(connection.alias) if connection.in_atomic_block else nullcontext()


def _differ(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each is of another result: one statement updates each but once."""
    return len(rows) == len({values["id"] for values in rows})


def _texts_of_times(connection: BaseDatabaseWrapper) -> Callable[[object], str]:
    """What makes a text of a time, as the database reads it in a JSON array."""
    # That of SQLite, whose columns of times hold text without a zone.
    zone = connection.timezone if connection.vendor == "sqlite" else None

    def text_of(value: object) -> str:
        if not isinstance(value, datetime):
            raise TypeError(f"{type(value).__name__} is not JSON")
        if zone is None or value.tzinfo is None:
            return value.isoformat(" ")
        return value.astimezone(zone).replace(tzinfo=None).isoformat(" ")

    return text_of


def fresh_digests(using: str, ids: Sequence[str]) -> dict[str, str]:
    """The digests of those results of which no attempt was noted yet, by their ids.

    :param ids: without commas.
    """
    connection = connections[using]
    # Drivers read a text that they do not know yet, and each parameter, at a cost.
    in_one = connection.vendor == "postgresql"
    sql = _fresh_sql(connection.ops.quote_name("x"), 0 if in_one else len(ids))
    with connection.cursor() as cursor:
        cursor.execute(sql, [",".join(ids)] if in_one else ids)
        return dict(cursor.fetchall())


def _converting(name: str) -> Field[Any, Any] | None:
    field: Field[Any, Any] = TaskRecord._meta.get_field(name)  # type: ignore[assignment]
    return None if isinstance(field, CharField) else field


def _adapted(connection: BaseDatabaseWrapper, field: Field[Any, Any], value: Any) -> Any:
    """A value of a field as the driver takes it."""
    if connection.vendor not in _JSON_AS_TEXT:
        return field.get_db_prep_save(value, connection)
    # What the fields themselves ask and convert before is so of all that is written here, and
    # costs each task a tenth of its CPU.
    if not isinstance(field, JSONField):
        return connection.ops.adapt_datetimefield_value(value)
    return None if value is None else "[]" if value == [] else _encode(value)


def _quoter(quoted_x: str) -> Callable[[str], str]:
    return lambda name: quoted_x.replace("x", name)


@lru_cache(maxsize=64)
def _fresh_sql(quoted_x: str, count: int) -> str:
    """Of so many ids, or of those in one text."""
    quote = _quoter(quoted_x)
    table = quote(TaskRecord._meta.db_table)
    ids = f"IN ({', '.join(['%s'] * count)})" if count else "= ANY(string_to_array(%s, ','))"
    # Names of our own fields, nothing that anybody else wrote.
    return (
        f"SELECT {quote('id')}, {quote('digest')} FROM {table} WHERE {quote('id')} {ids} "  # noqa: S608
        f"AND {quote('status')} = 'READY' AND {quote(_ATTEMPTED)} IS NULL"
    )


@lru_cache(maxsize=32)
def _sql(
    quoted_x: str,
    columns: tuple[str, ...],
    where: tuple[str, ...],
    statuses: tuple[str, ...],
    attempted: str,
) -> str:
    quote = _quoter(quoted_x)
    settings = ", ".join(f"{quote(name)} = %s" for name in columns)
    conditions = [f"{quote(name)} = %s" for name in where]
    if attempted:
        column = quote(_ATTEMPTED)
        conditions.append(f"({column} IS NULL OR {column} {attempted} %s)")
    conditions.append(f"{quote('status')} IN ({', '.join(['%s'] * len(statuses))})")
    table = quote(TaskRecord._meta.db_table)
    # Names of our own fields, nothing that anybody else wrote.
    return f"UPDATE {table} SET {settings} WHERE {' AND '.join(conditions)}"  # noqa: S608


@lru_cache(maxsize=32)
def _sql_of_all(
    types: tuple[tuple[str, str], ...],
    columns: tuple[str, ...],
    where: tuple[str, ...],
    statuses: tuple[str, ...],
    attempted: str,
    *,
    in_types: bool,
) -> str:
    """As :func:`_sql`, of rows that are objects of a JSON array.

    :param types: the type of each column.
    :param in_types: whether rows are read as PostgreSQL does, which takes types; else SQLite.
    """
    table = f'"{TaskRecord._meta.db_table}"'
    settings = ", ".join(f'"{name}" = new."{name}"' for name in columns)
    rows = _rows_in_types(types) if in_types else _rows_in_text(types)
    conditions = [f'{table}."{name}" = new."{name}"' for name in where]
    if attempted:
        column = f'{table}."{_ATTEMPTED}"'
        conditions.append(f'({column} IS NULL OR {column} {attempted} new."{_ATTEMPTED}")')
    conditions.append(f'{table}."status" IN ({", ".join(["%s"] * len(statuses))})')
    # Names of our own fields, nothing that anybody else wrote.
    return f"UPDATE {table} SET {settings} FROM {rows} WHERE {' AND '.join(conditions)}"  # noqa: S608


def _rows_in_types(types: tuple[tuple[str, str], ...]) -> str:
    given = ", ".join(f'"{name}" {kind}' for name, kind in types)
    return f"json_to_recordset(%s::json) AS new({given})"


def _rows_in_text(types: tuple[tuple[str, str], ...]) -> str:
    """SQLite's: JSON stays the text that it is, but for null, which is no value."""
    given = ", ".join(
        f"NULLIF(value -> '$.{name}', 'null') AS \"{name}\""
        if isinstance(TaskRecord._meta.get_field(name), JSONField)
        else f"value ->> '$.{name}' AS \"{name}\""
        for name, _ in types
    )
    return f"(SELECT {given} FROM json_each(%s)) AS new"  # noqa: S608
