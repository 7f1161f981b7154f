"""SQLite as the source or the target of `blog.db.database_copy`."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from itertools import islice
from typing import Any

import sqlalchemy as sa

from blog.db.sqlite.backend import sqlite_path
from blog.errors import Conflict

_BATCH_SIZE = 500


def begin_snapshot(connection: sa.Connection) -> None:
    """Start a read transaction: all later reads see one state of the database."""
    connection.exec_driver_sql("BEGIN")


def require_exclusive_access(url: str) -> None:
    """Raise Conflict if another process has the file open."""
    with closing(sqlite3.connect(sqlite_path(url), timeout=1, isolation_level=None)) as connection:
        try:  # leaving WAL mode needs exclusive access
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise Conflict("A server or another program has the target open: stop it first") from error


def begin_load(_connection: sa.Connection) -> None:
    """Do nothing: the engine has the write lock already."""


def insert_rows(connection: sa.Connection, table: sa.TableClause, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert all rows into a table."""
    iterator, statement = iter(rows), sa.insert(table)
    while batch := [dict(row) for row in islice(iterator, _BATCH_SIZE)]:
        connection.execute(statement, batch)


def last_event_id(connection: sa.Connection) -> int:
    """Return the last assigned event id, even if that event was deleted."""
    query = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
    return int(connection.exec_driver_sql(query).scalar_one())


def reset_sequences(connection: sa.Connection, last: int) -> None:
    """Let the next event id follow `last`."""
    connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'events'")
    connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (last,))


def check_references(connection: sa.Connection) -> None:
    """Raise Conflict if a row refers to a missing row."""
    if orphan := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise Conflict(f"A row of {orphan[0]} refers to a missing row of {orphan[2]}: run `blog check` on the source")
