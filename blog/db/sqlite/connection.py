"""What `databases` asks of a backend: statements, transactions, rows."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiosqlite
from databases.backends.common.records import Record
from databases.backends.sqlite import Row  # type: ignore[attr-defined]  # its own module exports nothing by name
from databases.interfaces import ConnectionBackend, TransactionBackend
from databases.interfaces import Record as RecordInterface
from sqlalchemy.engine.cursor import CursorResultMetaData
from sqlalchemy.sql import ClauseElement

from blog.db.database import to_the_end
from blog.db.sqlite.errors import translated
from blog.db.sqlite.pool import Pool, is_clean
from blog.db.statements import StatementCache, inserts, writes
from blog.errors import Unavailable


class SQLiteConnection(ConnectionBackend):
    """What one task uses. A physical connection is taken at the first statement: the writer to write, else a reader."""

    def __init__(self, pool: Pool, statements: StatementCache, on_query: list[Callable[[str], None]]) -> None:
        self._pool, self._statements, self._on_query = pool, statements, on_query
        self.held: aiosqlite.Connection | None = None  # by an open transaction
        self.is_snapshot = False  # that transaction only reads

    async def acquire(self) -> None:
        """Nothing yet: what is needed is known with the first statement."""

    async def release(self) -> None:
        """Nothing: each statement and each transaction gives back what it took."""

    async def fetch_all(self, query: ClauseElement) -> list[RecordInterface]:
        """All rows."""
        statement, arguments = self._statements.compile(query)
        async with self._physical(query) as connection:
            rows, description = await to_the_end(self._fetch(connection, statement.sql, arguments))
        if not rows:
            return []
        metadata: Any = CursorResultMetaData(statement.context, description)
        dialect = statement.context.context.dialect
        return [
            Record(Row(metadata, metadata._processors, metadata._keymap, row), statement.columns, dialect, statement.maps)
            for row in rows
        ]

    async def fetch_one(self, query: ClauseElement) -> RecordInterface | None:
        """The first row."""
        rows = await self.fetch_all(query)
        return rows[0] if rows else None

    async def execute(self, query: ClauseElement) -> Any:
        """The new id of an INSERT, None when it inserted nothing; of other statements the number of rows changed.

        SQLite reports an old id for all that insert nothing. For a value of the row itself: RETURNING and `fetch_val`.
        """
        statement, arguments = self._statements.compile(query)

        async def run() -> Any:
            self.tell(statement.sql)
            with translated(), self._pool.in_time(connection):
                async with connection.execute(statement.sql, arguments) as cursor:
                    if not inserts(query):
                        return cursor.rowcount
                    return cursor.lastrowid if cursor.rowcount or cursor.description else None

        async with self._physical(query) as connection:
            return await to_the_end(run())

    async def execute_many(self, queries: list[ClauseElement]) -> None:
        """One after the other; all or nothing only inside a transaction."""
        for query in queries:
            await self.execute(query)

    def transaction(self) -> "SQLiteTransaction":
        """A new one, not yet begun."""
        return SQLiteTransaction(self, self._pool)

    @property
    def raw_connection(self) -> aiosqlite.Connection:
        """The driver's connection; inside a transaction only."""
        if self.held is None:
            raise RuntimeError("a connection is held only inside a transaction")
        return self.held

    async def _fetch(self, connection: aiosqlite.Connection, sql: str, arguments: list[Any]) -> tuple[list[Any], Any]:
        self.tell(sql)
        with translated(), self._pool.in_time(connection):
            async with connection.execute(sql, arguments) as cursor:
                return list(await cursor.fetchall()), cursor.description

    @contextlib.asynccontextmanager
    async def _physical(self, query: ClauseElement) -> AsyncIterator[aiosqlite.Connection]:
        is_write = writes(query)
        with self._pool.noted(writing=is_write or self._is_writing, proves=self.held is None):
            async with self._taken(query, is_write=is_write) as connection:
                yield connection

    @property
    def _is_writing(self) -> bool:
        return self.held is not None and not self.is_snapshot

    @contextlib.asynccontextmanager
    async def _taken(self, query: ClauseElement, *, is_write: bool) -> AsyncIterator[aiosqlite.Connection]:
        give_back: Callable[[aiosqlite.Connection], None] | None = None
        if self.held is not None:
            if self.is_snapshot and is_write:
                raise TypeError("a snapshot only reads: open a transaction to write")
            connection = self._begun(self.held)
        elif is_write:
            connection, give_back = await self._pool.writer(), self._pool.give_back_writer
        else:
            connection, give_back = await self._pool.reader(), self._pool.give_back_reader
        try:
            yield connection
        except Unavailable:
            self._pool.suspect(connection)
            raise
        finally:
            if give_back is not None:
                give_back(connection)

    def _begun(self, held: aiosqlite.Connection) -> aiosqlite.Connection:
        if is_clean(held):
            # SQLite ends a transaction by itself when its disk is full or fails; what follows must not be kept alone.
            raise Unavailable("The database undid this change, its disk may be full: try again")
        return held

    def tell(self, sql: str) -> None:
        """Tell those who listen to the statements of this database."""
        for listener in self._on_query:
            listener(sql)


class SQLiteTransaction(TransactionBackend):
    """BEGIN IMMEDIATE on the writer; `readonly` ones BEGIN on a reader; a savepoint inside another."""

    _savepoints = 0

    def __init__(self, connection: SQLiteConnection, pool: Pool) -> None:
        self._connection, self._pool = connection, pool
        self._physical: aiosqlite.Connection | None = None
        self._readonly = self._is_root = False
        self._savepoint = ""

    async def start(self, is_root: bool, extra_options: dict[Any, Any]) -> None:
        """Begin. What was taken is given back by `rollback`, also after a failure here."""
        if not is_root:
            SQLiteTransaction._savepoints += 1
            self._physical = self._connection.held
            self._savepoint = f"savepoint_{SQLiteTransaction._savepoints}"
            await self._run(f"SAVEPOINT {self._savepoint}")
            return
        self._is_root, self._readonly = True, bool(extra_options.get("readonly"))
        with self._pool.noted(writing=not self._readonly, proves=False):
            self._physical = await (self._pool.reader() if self._readonly else self._pool.writer())
            self._connection.held, self._connection.is_snapshot = self._physical, self._readonly
            await self._run("BEGIN" if self._readonly else "BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """Make it last. When this fails the connection is still held: `rollback` follows."""
        with self._pool.noted(writing=not self._readonly, proves=self._is_root):
            await self._run("COMMIT" if self._is_root else f"RELEASE {self._savepoint}")
        self._give_back()

    async def rollback(self) -> None:
        """Undo it."""
        try:
            if self._physical is None or is_clean(self._physical):
                return
            if self._is_root:
                await self._run("ROLLBACK")
            else:  # ROLLBACK TO alone would leave the savepoint open
                await self._run(f"ROLLBACK TO {self._savepoint}")
                await self._run(f"RELEASE {self._savepoint}")
        finally:
            self._give_back()

    async def _run(self, sql: str) -> None:
        self._connection.tell(sql)
        try:
            with translated():
                await to_the_end(self._held().execute_fetchall(sql))
        except Unavailable:
            self._pool.suspect(self._held())
            raise

    def _held(self) -> aiosqlite.Connection:
        if self._physical is None:
            raise RuntimeError("the transaction has ended, or has not begun")
        return self._physical

    def _give_back(self) -> None:
        physical, self._physical = self._physical, None
        if not self._is_root or physical is None:
            return
        self._connection.held, self._connection.is_snapshot = None, False
        if self._readonly:
            self._pool.give_back_reader(physical)
        else:
            self._pool.give_back_writer(physical)
