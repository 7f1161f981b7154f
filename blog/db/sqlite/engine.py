"""How migrations reach the file: blocking, in one transaction, waiting for others who migrate."""

import sqlite3
from typing import Any

import sqlalchemy as sa

from blog.db.sqlite.backend import path_of

_WAIT_MS = 60_000


def engine(url: str, *, writing: bool) -> sa.Engine:
    """For `sqlite:///FILE`; `writing` takes the lock at once."""
    made = sa.create_engine(sa.URL.create("sqlite", database=path_of(url)), poolclass=sa.NullPool)
    sa.event.listen(made, "connect", _leave_transactions_to_us)
    if writing:
        sa.event.listen(made, "begin", _begin_immediate)
    return made


def _leave_transactions_to_us(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver would commit before each CREATE TABLE; a migration that fails must leave no trace.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={_WAIT_MS}")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
