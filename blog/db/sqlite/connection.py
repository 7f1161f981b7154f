"""What `databases` asks of a backend: statements, transactions, rows."""

import contextlib
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
    """What one task uses. A physical connection is taken at the first statement: the writer to write, else a reader."""

    def __init__(self, pool: Pool, statements: StatementCache, on_query: list[Callable[[str], None]]) -> None:
        self._pool, self._statements, self._on_query = pool, statements, on_query
        self.pinned: Connection | None = None  # by an open transaction
        self.is_snapshot = False  # that transaction only reads
        # What it runs before the next statement, in the same trip to the thread: its BEGIN, and writes that bring nothing back.
        self.pending: list[SqlAndParams] = []

    async def acquire(self) -> None:
        """Nothing yet: what is needed is known with the first statement."""

    async def release(self) -> None:
        """Nothing: each statement and each transaction gives back what it took."""

    async def fetch_all(self, query: Query) -> list[RecordInterface]:
        """All rows."""
        (rows,) = await self.fetch_many([query])
        return rows

    async def fetch_many(self, queries: Sequence[Query], *, consistent: bool = False) -> list[list[RecordInterface]]:
        """All rows of several queries, in one trip to the thread of the connection; `at_once`: of one state of the database."""
        compiled = [self._statements.compile(query) for query in queries]
        outcomes = await self._run(compiled, in_transaction=consistent and self.pinned is None)
        return [list(statement.rows(one.columns, one.rows)) for (statement, _), one in zip(compiled, outcomes, strict=True)]

    async def fetch_one(self, query: Query) -> RecordInterface | None:
        """The first row."""
        rows = await self.fetch_all(query)
        return rows[0] if rows else None

    async def execute(self, query: Query) -> Any:
        """The new id of an INSERT, None when it inserted nothing; of other statements the number of rows changed.

        SQLite reports an old id for all that insert nothing. For a value of the row itself: RETURNING and `fetch_val`.
        """
        statement, arguments = self._statements.compile(query)
        (outcome,) = await self._run([(statement, arguments)])
        if not statement.is_insert:
            return outcome.rowcount
        return outcome.lastrowid if outcome.rowcount or outcome.columns else None

    async def pipeline(self, queries: Sequence[Query]) -> None:
        """Statements of a transaction whose outcome nobody needs: they run with the next one, or with its COMMIT."""
        if self.is_snapshot:
            raise _read_only_error()
        self.pending += (self._sql_and_params(*self._statements.compile(query)) for query in queries)

    async def execute_many(self, queries: list[ClauseElement]) -> None:
        """One after the other; all or nothing only inside a transaction."""
        for query in queries:
            await self.execute(query)

    def transaction(self) -> "SQLiteTransaction":
        """A new one, not yet begun."""
        return SQLiteTransaction(self, self._pool)

    @property
    def raw_connection(self) -> Connection:
        """The driver's connection; inside a transaction only."""
        if self.pinned is None:
            raise RuntimeError("a connection is held only inside a transaction")
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
        self, connection: Connection, *texts: SqlAndParams, in_transaction: bool = False
    ) -> list[StatementResult]:
        """Run statements, after those that are to run ahead of them, in one trip; `framed`: as a transaction that reads."""
        ahead, self.pending = [*self.pending, *[_BEGIN] * in_transaction], []
        run = [*ahead, *texts, *[_COMMIT] * in_transaction]
        for sql, _ in run:
            for listener in self._on_query:
                listener(sql)
        told, told_ahead = "; ".join(sql for sql, _ in texts), "".join(f"{sql}; " for sql, _ in ahead)
        with translate_errors(), self._pool.with_timeout(connection):
            outcomes = await timed("sqlite", told, connection.run(*run), prefix=told_ahead)
        return outcomes[len(ahead) : len(ahead) + len(texts)]

    @staticmethod
    def _sql_and_params(statement: Statement, arguments: list[Any]) -> SqlAndParams:
        return statement.sql, arguments

    @property
    def _is_writing(self) -> bool:
        return self.pinned is not None and not self.is_snapshot

    @contextlib.asynccontextmanager
    async def _checkout(self, *, is_write: bool) -> AsyncIterator[Connection]:
        give_back: Callable[[Connection], None] | None = None
        if self.pinned is not None:
            if self.is_snapshot and is_write:
                raise _read_only_error()
            self.require_open(self.pinned)
            connection = self.pinned
        elif is_write:
            connection, give_back = await self._pool.acquire_writer(), self._pool.release_writer
        else:
            connection, give_back = await self._pool.acquire_reader(), self._pool.release_reader
        try:
            yield connection
        except Unavailable:
            self._pool.mark_broken(connection)
            raise
        finally:
            if give_back is not None:
                give_back(connection)

    def require_open(self, held: Connection) -> None:
        """Raises Unavailable when SQLite has ended the transaction, as it does when its disk is full or fails.

        What followed would be kept alone.
        """
        if is_idle(held) and not self.is_begin_pending:
            raise Unavailable("The database undid this change, its disk may be full: try again")

    @property
    def is_begin_pending(self) -> bool:
        """The transaction has asked nothing so far; to SQLite it begins with its first statement."""
        return self.pending[:1] in ([_BEGIN], [_BEGIN_IMMEDIATE])


def _read_only_error() -> TypeError:
    return TypeError("a snapshot only reads: open a transaction to write")


class SQLiteTransaction(TransactionBackend):
    """BEGIN IMMEDIATE on the writer; `readonly` ones BEGIN on a reader; a savepoint inside another."""

    _savepoints = 0

    def __init__(self, connection: SQLiteConnection, pool: Pool) -> None:
        self._connection, self._pool = connection, pool
        self._physical: Connection | None = None
        self._readonly = self._is_root = False
        self._savepoint = ""

    async def start(self, is_root: bool, extra_options: dict[Any, Any]) -> None:
        """Begin. What was taken is given back by `rollback`, also after a failure here."""
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
        """Make it last. When this fails the connection is still held: `rollback` follows."""
        if not (self._is_root and self._connection.pending in ([_BEGIN], [_BEGIN_IMMEDIATE])):  # else nothing was asked
            with self._pool.log_outages(writing=not self._readonly, confirms=self._is_root):
                await self._run("COMMIT" if self._is_root else f"RELEASE {self._savepoint}")
        self._release()

    async def rollback(self) -> None:
        """Undo it."""
        try:
            self._connection.pending = []
            if self._physical is None or is_idle(self._physical):
                return
            if self._is_root:
                await self._run("ROLLBACK")
            else:  # ROLLBACK TO alone would leave the savepoint open
                await self._run(f"ROLLBACK TO {self._savepoint}")
                await self._run(f"RELEASE {self._savepoint}")
        finally:
            self._release()

    async def _run(self, sql: str) -> None:
        physical = self._physical
        if physical is None:
            raise RuntimeError("the transaction has ended, or has not begun")
        self._connection.require_open(physical)
        try:
            await self._connection.run_batch(physical, (sql, ()))
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
