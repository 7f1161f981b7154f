"""What `databases` asks of a backend: statements, transactions, rows."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from databases.interfaces import ConnectionBackend, TransactionBackend
from databases.interfaces import Record as RecordInterface
from sqlalchemy.sql import ClauseElement

from blog.db.measuring import measured
from blog.db.sqlite.driver import Connection, Outcome, Text
from blog.db.sqlite.errors import translated
from blog.db.sqlite.pool import Pool, is_clean
from blog.db.statements import Query, Statement, StatementCache
from blog.errors import Unavailable

_BEGIN: Text = ("BEGIN", ())
_COMMIT: Text = ("COMMIT", ())


class SQLiteConnection(ConnectionBackend):
    """What one task uses. A physical connection is taken at the first statement: the writer to write, else a reader."""

    def __init__(self, pool: Pool, statements: StatementCache, on_query: list[Callable[[str], None]]) -> None:
        self._pool, self._statements, self._on_query = pool, statements, on_query
        self.held: Connection | None = None  # by an open transaction
        self.is_snapshot = False  # that transaction only reads
        self.is_to_begin = False  # and sees the state that its first statement finds, with which it begins

    async def acquire(self) -> None:
        """Nothing yet: what is needed is known with the first statement."""

    async def release(self) -> None:
        """Nothing: each statement and each transaction gives back what it took."""

    async def fetch_all(self, query: Query) -> list[RecordInterface]:
        """All rows."""
        (rows,) = await self.fetch_together([query])
        return rows

    async def fetch_together(self, queries: Sequence[Query], *, at_once: bool = False) -> list[list[RecordInterface]]:
        """All rows of several queries, in one trip to the thread of the connection; `at_once`: of one state of the database."""
        compiled = [self._statements.compile(query) for query in queries]
        outcomes = await self._run(compiled, framed=at_once and self.held is None)
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
        if not statement.inserts:
            return outcome.changed
        return outcome.last_id if outcome.changed or outcome.columns else None

    async def execute_together(self, queries: Sequence[Query]) -> None:
        """Several statements, in one trip to the thread of the connection."""
        await self._run([self._statements.compile(query) for query in queries])

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
        if self.held is None:
            raise RuntimeError("a connection is held only inside a transaction")
        return self.held

    async def _run(self, compiled: Sequence[tuple[Statement, list[Any]]], *, framed: bool = False) -> list[Outcome]:
        is_write = any(statement.writes for statement, _ in compiled)
        with self._pool.noted(writing=is_write or self._is_writing, proves=self.held is None):
            async with self._taken(is_write=is_write) as connection:
                begin, self.is_to_begin = [_BEGIN] * (framed or self.is_to_begin), False
                texts: list[Text] = [*begin, *((statement.sql, arguments) for statement, arguments in compiled)]
                texts += [_COMMIT] * framed
                for sql, _ in texts:
                    self.tell(sql)
                with translated(), self._pool.in_time(connection):
                    outcomes = await measured("sqlite", "; ".join(sql for sql, _ in texts[len(begin) :]), connection.run(*texts))
                return outcomes[len(begin) : len(begin) + len(compiled)]

    @property
    def _is_writing(self) -> bool:
        return self.held is not None and not self.is_snapshot

    @contextlib.asynccontextmanager
    async def _taken(self, *, is_write: bool) -> AsyncIterator[Connection]:
        give_back: Callable[[Connection], None] | None = None
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

    def _begun(self, held: Connection) -> Connection:
        if is_clean(held) and not self.is_to_begin:
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
        self._physical: Connection | None = None
        self._readonly = self._is_root = False
        self._savepoint = ""

    async def start(self, is_root: bool, extra_options: dict[Any, Any]) -> None:
        """Begin. What was taken is given back by `rollback`, also after a failure here."""
        if not is_root:
            SQLiteTransaction._savepoints += 1
            self._physical = self._connection.held
            if self._connection.is_to_begin:
                self._connection.is_to_begin = False
                await self._run(_BEGIN[0])
            self._savepoint = f"savepoint_{SQLiteTransaction._savepoints}"
            await self._run(f"SAVEPOINT {self._savepoint}")
            return
        self._is_root, self._readonly = True, bool(extra_options.get("readonly"))
        with self._pool.noted(writing=not self._readonly, proves=False):
            self._physical = await (self._pool.reader() if self._readonly else self._pool.writer())
            self._connection.held, self._connection.is_snapshot = self._physical, self._readonly
            if self._readonly:
                self._connection.is_to_begin = True  # one trip less: to SQLite it is all the same
            else:
                await self._run("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """Make it last. When this fails the connection is still held: `rollback` follows."""
        if self._connection.is_to_begin:  # nothing was asked
            self._give_back()
            return
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
                await measured("sqlite", sql, self._held().run((sql, ())))
        except Unavailable:
            self._pool.suspect(self._held())
            raise

    def _held(self) -> Connection:
        if self._physical is None:
            raise RuntimeError("the transaction has ended, or has not begun")
        return self._physical

    def _give_back(self) -> None:
        physical, self._physical = self._physical, None
        if not self._is_root or physical is None:
            return
        self._connection.held, self._connection.is_snapshot, self._connection.is_to_begin = None, False, False
        if self._readonly:
            self._pool.give_back_reader(physical)
        else:
            self._pool.give_back_writer(physical)
