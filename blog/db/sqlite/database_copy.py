"""SQLite as the source or the target of a copy."""

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
    """What is read from here on is one state; others go on writing."""
    connection.exec_driver_sql("BEGIN")


def require_exclusive_access(url: str) -> None:
    """Raises Conflict when somebody else has the file open."""
    with closing(sqlite3.connect(sqlite_path(url), timeout=1, isolation_level=None)) as connection:
        try:  # only who has the file for himself may end its log
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise Conflict("A server or another program has the target open: stop it first") from error


def begin_load(_connection: sa.Connection) -> None:
    """The engine has taken the lock to write already."""


def insert_rows(connection: sa.Connection, table: sa.TableClause, rows: Iterable[Mapping[str, Any]]) -> None:
    """Put all of the rows into a table."""
    left, statement = iter(rows), sa.insert(table)
    while batch := [dict(row) for row in islice(left, _BATCH_SIZE)]:
        connection.execute(statement, batch)


def last_event_id(connection: sa.Connection) -> int:
    """The last id that was given to an event, also to one that is forgotten."""
    asked = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
    return int(connection.exec_driver_sql(asked).scalar_one())


def reset_sequences(connection: sa.Connection, last: int) -> None:
    """The next event gets an id after this one."""
    connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'events'")
    connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (last,))


def check_references(connection: sa.Connection) -> None:
    """Raises Conflict when a row refers to nothing."""
    if lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise Conflict(f"A row of {lost[0]} refers to a row of {lost[2]} that is gone: run `blog check` on the source")
