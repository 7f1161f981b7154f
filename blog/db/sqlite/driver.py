"""aiosqlite with one call to its thread per batch of statements; upstream needs three per statement: run, fetch, close."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import anyio.to_thread

_CACHED_STATEMENTS = 512
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


class Connection(aiosqlite.Connection):
    """A connection with a thread that runs its statements one after the other."""

    async def run(self, *statements: SqlAndParams) -> list[StatementResult]:
        """Run statements in one call to the thread, and return their results. The first failure stops the batch."""
        results: list[StatementResult] = await self._execute(_run, self._conn, statements)  # type: ignore[no-untyped-call]
        return results


def _run(connection: sqlite3.Connection, statements: Sequence[SqlAndParams]) -> list[StatementResult]:
    results = []
    for sql, arguments in statements:
        cursor = connection.execute(sql, arguments)
        columns = tuple(column[0] for column in cursor.description or ())
        rows = cursor.fetchall()  # before `rowcount`: a statement with RETURNING is complete only after its last row
        results.append(StatementResult(rows, columns, cursor.rowcount, cursor.lastrowid))
        cursor.close()
    return results


async def connect(path: str) -> Connection:
    """Open an existing file. By default SQLite would create an empty file if it is missing."""
    open_file = partial(sqlite3.connect, _file_uri(path), uri=True, isolation_level=None, cached_statements=_CACHED_STATEMENTS)
    # If opening fails in aiosqlite's thread, the thread reports to an event loop that may be closed: fail before it starts.
    await anyio.to_thread.run_sync(lambda: open_file().close())
    connection = Connection(open_file, _ITERATE_CHUNK_SIZE)
    await connection
    return connection


def _file_uri(path: str) -> str:
    return f"{Path(path).absolute().as_uri()}?mode=rw"
