"""Statements and transactions of one task on PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from databases.backends.common.records import Record
from databases.interfaces import ConnectionBackend, TransactionBackend
from databases.interfaces import Record as RecordInterface
from sqlalchemy.sql import ClauseElement

from blog.db.compiled_queries import Query, Statement, StatementCache
from blog.db.instrumentation import timed
from blog.db.postgresql.pool import Pool, call_driver, is_alive
from blog.errors import Unavailable

WRITE_LOCK_ID = 0x626C6F67
"""The advisory lock of write transactions: "blog" in ASCII. Each database of a server has its own locks."""


class PostgreSQLConnection(ConnectionBackend):
    """The connection of one task. Each statement or transaction takes a physical connection from the pool."""

    def __init__(self, pool: Pool, statements: StatementCache, dialect: Any, on_query: list[Callable[[str], None]]) -> None:
        self._pool, self._statements, self._dialect, self._on_query = pool, statements, dialect, on_query
        self.pinned: Any = None  # the physical connection of the open transaction
        self.is_snapshot = False  # the open transaction only reads

    async def acquire(self) -> None:
        """Do nothing: a task without statements needs no physical connection."""

    async def release(self) -> None:
        """Do nothing: each statement and each transaction releases its own physical connection."""

    async def fetch_all(self, query: Query) -> list[RecordInterface]:
        """Return all rows."""
        statement, arguments = self._statements.compile(query)
        async with self._checkout_logged(statement) as connection:
            rows = await self._run(connection, connection.fetch, statement, arguments)
        return [Record(row, statement.columns, self._dialect, statement.column_maps) for row in rows]

    async def fetch_many(self, queries: Sequence[Query]) -> list[list[RecordInterface]]:
        """Return all rows of several queries, which run one after the other."""
        return [await self.fetch_all(query) for query in queries]

    async def fetch_one(self, query: Query) -> RecordInterface | None:
        """Return the first row, or None."""
        rows = await self.fetch_all(query)
        return rows[0] if rows else None

    async def execute(self, query: Query) -> Any:
        """Return the new id of an INSERT of one row, or None if it inserted nothing; else the number of changed rows."""
        statement, arguments = self._statements.compile(query)
        async with self._checkout_logged(statement) as connection:
            if not statement.columns:
                status = await self._run(connection, connection.execute, statement, arguments)
                return None if statement.is_insert else _affected_rows(status)
            rows = await self._run(connection, connection.fetch, statement, arguments)
        if statement.is_insert:
            return rows[0][0] if rows else None
        return len(rows)

    async def pipeline(self, queries: Sequence[Query]) -> None:
        """Run statements one after the other, at once."""
        for query in queries:
            await self.execute(query)

    async def execute_many(self, queries: list[ClauseElement]) -> None:
        """Run statements one after the other; atomic only inside a transaction."""
        for query in queries:
            await self.execute(query)

    def transaction(self) -> "PostgreSQLTransaction":
        """Return a new transaction, which has not begun yet."""
        return PostgreSQLTransaction(self, self._pool)

    @property
    def raw_connection(self) -> Any:
        """The driver's connection. Raises RuntimeError outside of a transaction."""
        if self.pinned is None:
            raise RuntimeError("there is a driver connection only inside a transaction")
        return self.pinned

    async def _run(
        self, connection: Any, method: Callable[..., Awaitable[Any]], statement: Statement, arguments: list[Any]
    ) -> Any:
        self.notify_query_listeners(statement.sql)
        step = self._pool.call(connection, method, statement.sql, *arguments)
        return await timed("postgresql", statement.sql, step, on_cancel=lambda call: call.cancel())

    @contextlib.asynccontextmanager
    async def _checkout_logged(self, statement: Statement) -> AsyncIterator[Any]:
        with self._pool.log_outages(confirms=self.pinned is None):
            async with self._checkout(statement) as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def _checkout(self, statement: Statement) -> AsyncIterator[Any]:
        if self.pinned is None:
            connection = await self._pool.acquire_reader()
            try:
                yield connection
            finally:
                await self._pool.release_reader(connection)
            return
        if self.is_snapshot and statement.is_write:
            raise TypeError("a snapshot is read-only: open a transaction to write")
        if not is_alive(self.pinned):
            raise Unavailable("The connection to the database was lost, and this change was not saved: try again")
        yield self.pinned

    def notify_query_listeners(self, sql: str) -> None:
        """Call the listeners of the database with the text of a statement."""
        for listener in self._on_query:
            listener(sql)


def _affected_rows(status: str) -> int:
    """Return the number at the end of a command tag, such as 3 in `UPDATE 3`."""
    number = status.rpartition(" ")[2]
    return int(number) if number.isdecimal() else 0


class PostgreSQLTransaction(TransactionBackend):
    """A transaction: takes the write lock when it begins; sees one state with `readonly`; SAVEPOINT inside another one."""

    _savepoints = 0

    def __init__(self, connection: PostgreSQLConnection, pool: Pool) -> None:
        self._connection, self._pool = connection, pool
        self._physical: Any = None
        self._readonly = self._is_root = False
        self._savepoint = ""

    async def start(self, is_root: bool, extra_options: dict[Any, Any]) -> None:
        """Begin the transaction. After a failure here the caller must call `rollback`, which releases the connection."""
        if not is_root:
            PostgreSQLTransaction._savepoints += 1
            self._physical = self._connection.pinned
            self._savepoint = f"savepoint_{PostgreSQLTransaction._savepoints}"
            await self._run(f"SAVEPOINT {self._savepoint}")
            return
        self._is_root, self._readonly = True, bool(extra_options.get("readonly"))
        with self._pool.log_outages(confirms=False):
            self._physical = await (self._pool.acquire_reader() if self._readonly else self._pool.acquire_writer())
            self._connection.pinned, self._connection.is_snapshot = self._physical, self._readonly
            if self._readonly:
                await self._run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            else:  # READ COMMITTED: each statement sees all earlier commits, and with the lock nothing is committed in between
                await self._run(f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({WRITE_LOCK_ID})")

    async def commit(self) -> None:
        """Commit. After a failure the caller must call `rollback`, which releases the connection."""
        if not self._is_root:
            await self._run(f"RELEASE {self._savepoint}")
        else:
            with self._pool.log_outages(confirms=True):
                if await self._run("COMMIT") == "ROLLBACK":  # the command tag after an error that was not raised
                    raise Unavailable("The database rolled back this change: try again")
        await self._release()

    async def rollback(self) -> None:
        """Roll back, and release the connection."""
        try:
            if self._physical is None or not is_alive(self._physical) or not self._physical.is_in_transaction():
                return
            if self._is_root:
                await self._run("ROLLBACK")
            else:  # ROLLBACK TO alone would leave the savepoint open
                await self._run(f"ROLLBACK TO {self._savepoint}; RELEASE {self._savepoint}")
        finally:
            await self._release()

    async def _run(self, sql: str) -> str:
        self._connection.notify_query_listeners(sql)
        if self._physical is None:
            raise RuntimeError("the transaction has ended, or has not begun")
        return str(await timed("postgresql", sql, call_driver(self._physical, self._physical.execute, sql)))

    async def _release(self) -> None:
        physical, self._physical = self._physical, None
        if not self._is_root or physical is None:
            return
        self._connection.pinned, self._connection.is_snapshot = None, False
        if self._readonly:
            await self._pool.release_reader(physical)
        else:
            await self._pool.release_writer(physical)
