"""Statements and transactions of one task on SQLite."""

import contextlib
import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from databases.interfaces import ConnectionBackend, TransactionBackend
from databases.interfaces import Record as RecordInterface
from sqlalchemy.sql import ClauseElement

from blog.db.compiled_queries import Query, Statement, StatementCache
from blog.db.instrumentation import timed
from blog.db.sqlite.driver import Connection, SqlAndParams, StatementResult
from blog.db.sqlite.errors import translate_errors
from blog.db.sqlite.pool import Pool, is_idle
from blog.errors import Unavailable

_BEGIN: SqlAndParams = ("BEGIN", ())
_BEGIN_IMMEDIATE: SqlAndParams = ("BEGIN IMMEDIATE", ())
_COMMIT: SqlAndParams = ("COMMIT", ())


class SQLiteConnection(ConnectionBackend):
    """The connection of one task. Each statement or transaction takes a physical one: the writer if it writes, else a reader."""

    def __init__(self, pool: Pool, statements: StatementCache, on_query: list[Callable[[str], None]]) -> None:
        self._pool, self._statements, self._on_query = pool, statements, on_query
        self.pinned: Connection | None = None  # the physical connection of the open transaction
        self.is_snapshot = False  # the open transaction only reads
        # Statements that run before the next one, in the same call to the thread: BEGIN, and pipelined writes.
        self.pending: list[SqlAndParams] = []

    async def acquire(self) -> None:
        """Do nothing: the first statement shows whether the task needs the writer or a reader."""

    async def release(self) -> None:
        """Do nothing: each statement and each transaction releases its own physical connection."""

    async def fetch_all(self, query: Query) -> list[RecordInterface]:
        """Return all rows."""
        (rows,) = await self.fetch_many([query])
        return rows

    async def fetch_many(self, queries: Sequence[Query], *, consistent: bool = False) -> list[list[RecordInterface]]:
        """Return all rows of several queries, in one call to the thread; with `consistent`, from one state of the database."""
        compiled = [self._statements.compile(query) for query in queries]
        results = await self._run(compiled, in_transaction=consistent and self.pinned is None)
        return [list(statement.rows(one.columns, one.rows)) for (statement, _), one in zip(compiled, results, strict=True)]

    async def fetch_one(self, query: Query) -> RecordInterface | None:
        """Return the first row, or None."""
        rows = await self.fetch_all(query)
        return rows[0] if rows else None

    async def execute(self, query: Query) -> Any:
        """Return the new id of an INSERT, or None if it inserted nothing; else the number of changed rows.

        `lastrowid` of an INSERT that inserts nothing is an old id. For another value of the row use RETURNING and `fetch_val`.
        """
        statement, arguments = self._statements.compile(query)
        (result,) = await self._run([(statement, arguments)])
        if not statement.is_insert:
            return result.rowcount
        return result.lastrowid if result.rowcount or result.columns else None

    async def pipeline(self, queries: Sequence[Query]) -> None:
        """Queue statements of a transaction: they run with its next statement, or with its COMMIT."""
        if self.is_snapshot:
            raise _read_only_error()
        self.pending += (self._sql_and_params(*self._statements.compile(query)) for query in queries)

    async def execute_many(self, queries: list[ClauseElement]) -> None:
        """Run statements one after the other; atomic only inside a transaction."""
        for query in queries:
            await self.execute(query)

    def transaction(self) -> "SQLiteTransaction":
        """Return a new transaction, which has not begun yet."""
        return SQLiteTransaction(self, self._pool)

    @property
    def raw_connection(self) -> Connection:
        """The driver's connection. Raises RuntimeError outside of a transaction."""
        if self.pinned is None:
            raise RuntimeError("there is a driver connection only inside a transaction")
        return self.pinned

    async def _run(
        self, compiled: Sequence[tuple[Statement, list[Any]]], *, in_transaction: bool = False
    ) -> list[StatementResult]:
        is_write = any(statement.is_write for statement, _ in compiled)
        with self._pool.log_outages(writing=is_write or self._is_writing, confirms=self.pinned is None):
            async with self._checkout(is_write=is_write) as connection:
                return await self.run_batch(
                    connection, *(self._sql_and_params(*one) for one in compiled), in_transaction=in_transaction
                )

    async def run_batch(
        self, connection: Connection, *texts: SqlAndParams, in_transaction: bool = False, is_rollback: bool = False
    ) -> list[StatementResult]:
        """Run the pending statements and then `texts`, in one call to the thread. Return the results of `texts`.

        With `in_transaction` they run in a read transaction. Interrupted at the statement timeout and when the caller is
        cancelled, except for a rollback: it is short, and without it the connection would be lost.
        """
        before, self.pending = [*self.pending, *[_BEGIN] * in_transaction], []
        batch = [*before, *texts, *[_COMMIT] * in_transaction]
        for sql, _ in batch:
            for listener in self._on_query:
                listener(sql)
        main_sql, prefix = "; ".join(sql for sql, _ in texts), "".join(f"{sql}; " for sql, _ in before)
        on_cancel = None if is_rollback else lambda _call: connection.abort()
        with translate_errors():
            step = connection.run(*batch, deadline=math.inf if is_rollback else self._pool.statement_deadline())
            results = await timed("sqlite", main_sql, step, prefix=prefix, on_cancel=on_cancel)
        return results[len(before) : len(before) + len(texts)]

    @staticmethod
    def _sql_and_params(statement: Statement, arguments: list[Any]) -> SqlAndParams:
        return statement.sql, arguments

    @property
    def _is_writing(self) -> bool:
        return self.pinned is not None and not self.is_snapshot

    @contextlib.asynccontextmanager
    async def _checkout(self, *, is_write: bool) -> AsyncIterator[Connection]:
        release: Callable[[Connection], None] | None = None
        if self.pinned is not None:
            if self.is_snapshot and is_write:
                raise _read_only_error()
            self.require_open(self.pinned)
            connection = self.pinned
        elif is_write:
            connection, release = await self._pool.acquire_writer(), self._pool.release_writer
        else:
            connection, release = await self._pool.acquire_reader(), self._pool.release_reader
        try:
            yield connection
        except Unavailable:
            self._pool.mark_broken(connection)
            raise
        finally:
            if release is not None:
                release(connection)

    def require_open(self, connection: Connection) -> None:
        """Raise Unavailable if SQLite has rolled back the transaction, as it does when its disk is full or fails.

        Without this check, later statements would be committed without the earlier ones.
        """
        if is_idle(connection) and not self.is_begin_pending:
            raise Unavailable("The database rolled back this change, its disk may be full: try again")

    @property
    def is_begin_pending(self) -> bool:
        """Whether the open transaction has run no statement yet: BEGIN runs together with the first one."""
        return self.pending[:1] in ([_BEGIN], [_BEGIN_IMMEDIATE])


def _read_only_error() -> TypeError:
    return TypeError("a snapshot is read-only: open a transaction to write")


class SQLiteTransaction(TransactionBackend):
    """A transaction: BEGIN IMMEDIATE on the writer, BEGIN on a reader with `readonly`, SAVEPOINT inside another one."""

    _savepoints = 0

    def __init__(self, connection: SQLiteConnection, pool: Pool) -> None:
        self._connection, self._pool = connection, pool
        self._physical: Connection | None = None
        self._readonly = self._is_root = False
        self._savepoint = ""

    async def start(self, is_root: bool, extra_options: dict[Any, Any]) -> None:
        """Begin the transaction. After a failure here the caller must call `rollback`, which releases the connection."""
        if not is_root:
            SQLiteTransaction._savepoints += 1
            self._physical = self._connection.pinned
            self._savepoint = f"savepoint_{SQLiteTransaction._savepoints}"
            await self._run(f"SAVEPOINT {self._savepoint}")
            return
        self._is_root, self._readonly = True, bool(extra_options.get("readonly"))
        with self._pool.log_outages(writing=not self._readonly, confirms=False):
            self._physical = await (self._pool.acquire_reader() if self._readonly else self._pool.acquire_writer())
        self._connection.pinned, self._connection.is_snapshot = self._physical, self._readonly
        self._connection.pending = [_BEGIN if self._readonly else _BEGIN_IMMEDIATE]

    async def commit(self) -> None:
        """Commit. After a failure the caller must call `rollback`, which releases the connection."""
        if not (self._is_root and self._connection.pending in ([_BEGIN], [_BEGIN_IMMEDIATE])):  # else no statement was run
            with self._pool.log_outages(writing=not self._readonly, confirms=self._is_root):
                await self._run("COMMIT" if self._is_root else f"RELEASE {self._savepoint}")
        self._release()

    async def rollback(self) -> None:
        """Roll back, and release the connection."""
        try:
            self._connection.pending = []
            if self._physical is None or is_idle(self._physical):
                return
            if self._is_root:
                await self._run("ROLLBACK", is_rollback=True)
            else:  # ROLLBACK TO alone would leave the savepoint open
                await self._run(f"ROLLBACK TO {self._savepoint}", is_rollback=True)
                await self._run(f"RELEASE {self._savepoint}", is_rollback=True)
        finally:
            self._release()

    async def _run(self, sql: str, *, is_rollback: bool = False) -> None:
        physical = self._physical
        if physical is None:
            raise RuntimeError("the transaction has ended, or has not begun")
        self._connection.require_open(physical)
        try:
            await self._connection.run_batch(physical, (sql, ()), is_rollback=is_rollback)
        except Unavailable:
            self._pool.mark_broken(physical)
            raise

    def _release(self) -> None:
        physical, self._physical = self._physical, None
        if not self._is_root or physical is None:
            return
        self._connection.pinned, self._connection.is_snapshot, self._connection.pending = None, False, []
        if self._readonly:
            self._pool.release_reader(physical)
        else:
            self._pool.release_writer(physical)
