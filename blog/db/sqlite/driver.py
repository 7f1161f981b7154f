"""aiosqlite with one call to its thread per batch of statements; upstream needs three per statement: run, fetch, close."""

import asyncio
import math
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import anyio.to_thread

_CACHED_STATEMENTS = 512
_STEPS_PER_CHECK = 50_000  # instructions of SQLite's virtual machine, some ms; a check needs Python's interpreter
_BUSY_STEP = 0.1  # seconds
_ITERATE_CHUNK_SIZE = 64  # rows per chunk of `iterate`, which is not used


@dataclass(frozen=True, slots=True)
class StatementResult:
    """The result of a statement: rows, column names, number of changed rows, id of the last INSERT."""

    rows: list[tuple[Any, ...]]
    columns: tuple[str, ...]
    rowcount: int
    lastrowid: int | None


SqlAndParams = tuple[str, Sequence[Any]]
"""A statement and its parameters."""


class StatementLimits:
    """The limits of the statements that a connection runs. The event loop sets them, the connection's thread reads them."""

    def __init__(self, busy_timeout: float) -> None:
        self.busy_timeout, self.is_aborted = busy_timeout, False
        self.deadline = math.inf
        """Of the present statements, in seconds of `time.monotonic`."""
        self.shutdown_timeout = math.inf
        """In seconds; for all statements that begin after the shutdown of the server."""

    def is_over(self) -> bool:
        """Return whether to stop. Called by SQLite after every `_STEPS_PER_CHECK` instructions of a statement."""
        return self.is_aborted or time.monotonic() > self.deadline

    def raise_if_over(self) -> None:
        """Raise the error of an interrupted statement, between two statements."""
        if self.is_over():
            error = sqlite3.OperationalError("interrupted")
            error.sqlite_errorcode = sqlite3.SQLITE_INTERRUPT
            raise error


class Connection(aiosqlite.Connection):
    """A connection with a thread that runs its statements one after the other, within limits.

    `sqlite3.Connection.interrupt` alone would be lost between two statements of a batch. A progress handler is not.
    """

    limits: StatementLimits

    def run(self, *statements: SqlAndParams, deadline: float = math.inf) -> "asyncio.Future[list[StatementResult]]":
        """Run statements in one call to the thread, and return a future of their results. The first failure stops the batch.

        A statement that runs at `deadline` (of `time.monotonic`) fails with SQLITE_INTERRUPT. Not a coroutine like the methods
        of aiosqlite: `run_shielded` would need a task for it, which takes as long as a short statement.
        """
        self.limits.deadline = min(deadline, time.monotonic() + self.limits.shutdown_timeout)
        call = partial(_run, self._conn, self.limits, statements)
        future: asyncio.Future[list[StatementResult]] = asyncio.get_running_loop().create_future()
        future.add_done_callback(self._reset_limits)
        self._tx.put_nowait((future, call))
        return future

    def _reset_limits(self, _future: object) -> None:
        self.limits.deadline, self.limits.is_aborted = math.inf, False

    def abort(self) -> None:
        """Make the statements that run now, or wait for the thread, fail with SQLITE_INTERRUPT."""
        self.limits.is_aborted = True


def _run(connection: sqlite3.Connection, limits: StatementLimits, statements: Sequence[SqlAndParams]) -> list[StatementResult]:
    results = []
    for sql, arguments in statements:
        limits.raise_if_over()
        cursor = _execute(connection, limits, sql, arguments)
        columns = tuple(column[0] for column in cursor.description or ())
        rows = cursor.fetchall()  # before `rowcount`: a statement with RETURNING is complete only after its last row
        results.append(StatementResult(rows, columns, cursor.rowcount, cursor.lastrowid))
        cursor.close()
    return results


def _execute(connection: sqlite3.Connection, limits: StatementLimits, sql: str, arguments: Sequence[Any]) -> sqlite3.Cursor:
    """Execute a statement. Wait for the lock of another process in short steps: SQLite's own wait cannot be interrupted."""
    started = time.monotonic()
    while True:
        try:
            return connection.execute(sql, arguments)
        except sqlite3.OperationalError as error:
            is_locked = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY and not connection.in_transaction
            if not is_locked or limits.is_over() or time.monotonic() - started >= limits.busy_timeout:
                raise


async def connect(path: str, busy_timeout: float = 0.0) -> Connection:
    """Open an existing file. By default SQLite would create an empty file if it is missing.

    `busy_timeout`: seconds that a statement waits for the lock of another process.
    """
    open_file = partial(sqlite3.connect, _file_uri(path), uri=True, isolation_level=None, cached_statements=_CACHED_STATEMENTS)
    # If opening fails in aiosqlite's thread, the thread reports to an event loop that may be closed: fail before it starts.
    await anyio.to_thread.run_sync(lambda: open_file().close())
    connection = Connection(open_file, _ITERATE_CHUNK_SIZE)
    connection.limits = StatementLimits(busy_timeout)
    await connection
    try:
        await connection.set_progress_handler(connection.limits.is_over, _STEPS_PER_CHECK)
        await connection.run((f"PRAGMA busy_timeout={int(min(busy_timeout, _BUSY_STEP) * 1000)}", ()))
    except BaseException:
        await connection.close()
        raise
    return connection


def _file_uri(path: str) -> str:
    return f"{Path(path).absolute().as_uri()}?mode=rw"
