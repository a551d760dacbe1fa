"""Many rows into PostgreSQL at once, by its COPY."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError


def copied(connection: Connection, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows, of plain values in the order of the table's columns, within the connection's transaction.

    Raises
    ------
    sqlalchemy.exc.DBAPIError
        As an INSERT would: `IntegrityError` where a key is taken.
    """
    import psycopg
    from psycopg import sql

    names = sql.SQL(", ").join(map(sql.Identifier, table.c.keys()))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    raw: Any = connection.connection.dbapi_connection
    try:
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(
            f"COPY {table.name}", None, error, psycopg.Error,
            connection_invalidated=bool(raw.closed), dialect=connection.dialect,
        ) from error  # fmt: skip
