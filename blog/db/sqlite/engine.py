"""The SQLAlchemy engine for migrations: blocking, one transaction, and waits for other processes that migrate."""

import sqlite3
from typing import Any

import sqlalchemy as sa

from blog.db.sqlite.backend import sqlite_path

_LOCK_TIMEOUT_MS = 60_000


def migration_engine(url: str, *, writing: bool) -> sa.Engine:
    """Return the engine for `sqlite:///FILE`. With `writing` its transactions take the write lock at once."""
    engine = sa.create_engine(sa.URL.create("sqlite", database=sqlite_path(url)), poolclass=sa.NullPool)
    sa.event.listen(engine, "connect", _disable_driver_transactions)
    if writing:
        sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _disable_driver_transactions(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver would commit before each CREATE TABLE, so that a failed migration could not be rolled back.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={_LOCK_TIMEOUT_MS}")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
