"""aiosqlite with one trip to its thread for a statement: upstream goes there to run it, to fetch its rows and to close it."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import anyio.to_thread

_CACHED_STATEMENTS = 512
_ITERATE_CHUNK_SIZE = 64  # rows of upstream's `iterate`, which is not used


@dataclass(frozen=True, slots=True)
class StatementResult:
    """What a statement brought: its rows and the names of their columns, how many it changed, the id of the last INSERT."""

    rows: list[tuple[Any, ...]]
    columns: tuple[str, ...]
    rowcount: int
    lastrowid: int | None


SqlAndParams = tuple[str, Sequence[Any]]
"""A statement and its values."""


class Connection(aiosqlite.Connection):
    """One connection; its thread runs one statement after the other."""

    async def run(self, *statements: SqlAndParams) -> list[StatementResult]:
        """Run statements, each with its values, in one trip. The first that fails ends it."""
        outcomes: list[StatementResult] = await self._execute(_run, self._conn, statements)  # type: ignore[no-untyped-call]
        return outcomes


def _run(connection: sqlite3.Connection, statements: Sequence[SqlAndParams]) -> list[StatementResult]:
    outcomes = []
    for sql, arguments in statements:
        cursor = connection.execute(sql, arguments)
        columns = tuple(column[0] for column in cursor.description or ())
        rows = cursor.fetchall()  # first of all: a statement with RETURNING is not over before its last row
        outcomes.append(StatementResult(rows, columns, cursor.rowcount, cursor.lastrowid))
        cursor.close()
    return outcomes


async def connect(path: str) -> Connection:
    """Open a file that is there: in the place of one that is gone, SQLite would make an empty one."""
    opened = partial(sqlite3.connect, _file_uri(path), uri=True, isolation_level=None, cached_statements=_CACHED_STATEMENTS)
    # A thread of aiosqlite whose opening fails reports to an event loop that may be gone: fail before it starts.
    await anyio.to_thread.run_sync(lambda: opened().close())
    connection = Connection(opened, _ITERATE_CHUNK_SIZE)
    await connection
    return connection


def _file_uri(path: str) -> str:
    return f"{Path(path).absolute().as_uri()}?mode=rw"
