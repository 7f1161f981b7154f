"""How migrations reach the file: blocking, in one transaction, waiting for others who migrate."""

import sqlite3
from typing import Any

import sqlalchemy as sa

from blog.db.sqlite.backend import sqlite_path

_LOCK_TIMEOUT_MS = 60_000


def migration_engine(url: str, *, writing: bool) -> sa.Engine:
    """For `sqlite:///FILE`; `writing` takes the lock at once."""
    made = sa.create_engine(sa.URL.create("sqlite", database=sqlite_path(url)), poolclass=sa.NullPool)
    sa.event.listen(made, "connect", _disable_driver_transactions)
    if writing:
        sa.event.listen(made, "begin", _begin_immediate)
    return made


def _disable_driver_transactions(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver would commit before each CREATE TABLE; a migration that fails must leave no trace.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={_LOCK_TIMEOUT_MS}")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
