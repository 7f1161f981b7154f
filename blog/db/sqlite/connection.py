"""What `databases` asks of a backend: statements, transactions, rows."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from databases.interfaces import ConnectionBackend, TransactionBackend
from databases.interfaces import Record as RecordInterface
from sqlalchemy.sql import ClauseElement

from blog.db.compiled_queries import Query, Statement, StatementCache
from blog.db.instrumentation import measured
from blog.db.sqlite.driver import Connection, Outcome, Text
from blog.db.sqlite.errors import translated
from blog.db.sqlite.pool import Pool, is_clean
from blog.errors import Unavailable

_BEGIN: Text = ("BEGIN", ())
_BEGIN_TO_WRITE: Text = ("BEGIN IMMEDIATE", ())
_COMMIT: Text = ("COMMIT", ())


class SQLiteConnection(ConnectionBackend):
    """What one task uses. A physical connection is taken at the first statement: the writer to write, else a reader."""

    def __init__(self, pool: Pool, statements: StatementCache, on_query: list[Callable[[str], None]]) -> None:
        self._pool, self._statements, self._on_query = pool, statements, on_query
        self.held: Connection | None = None  # by an open transaction
        self.is_snapshot = False  # that transaction only reads
        # What it runs before the next statement, in the same trip to the thread: its BEGIN, and writes that bring nothing back.
        self.ahead: list[Text] = []

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

    async def pipeline(self, queries: Sequence[Query]) -> None:
        """Statements of a transaction whose outcome nobody needs: they run with the next one, or with its COMMIT."""
        if self.is_snapshot:
            raise _only_reads()
        self.ahead += (self._text(*self._statements.compile(query)) for query in queries)

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
                return await self.trip(connection, *(self._text(*one) for one in compiled), framed=framed)

    async def trip(self, connection: Connection, *texts: Text, framed: bool = False) -> list[Outcome]:
        """Run statements, after those that are to run ahead of them, in one trip; `framed`: as a transaction that reads."""
        ahead, self.ahead = [*self.ahead, *[_BEGIN] * framed], []
        run = [*ahead, *texts, *[_COMMIT] * framed]
        for sql, _ in run:
            for listener in self._on_query:
                listener(sql)
        told, told_ahead = "; ".join(sql for sql, _ in texts), "".join(f"{sql}; " for sql, _ in ahead)
        with translated(), self._pool.in_time(connection):
            outcomes = await measured("sqlite", told, connection.run(*run), ahead=told_ahead)
        return outcomes[len(ahead) : len(ahead) + len(texts)]

    @staticmethod
    def _text(statement: Statement, arguments: list[Any]) -> Text:
        return statement.sql, arguments

    @property
    def _is_writing(self) -> bool:
        return self.held is not None and not self.is_snapshot

    @contextlib.asynccontextmanager
    async def _taken(self, *, is_write: bool) -> AsyncIterator[Connection]:
        give_back: Callable[[Connection], None] | None = None
        if self.held is not None:
            if self.is_snapshot and is_write:
                raise _only_reads()
            self.require_begun(self.held)
            connection = self.held
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

    def require_begun(self, held: Connection) -> None:
        """Raises Unavailable when SQLite has ended the transaction, as it does when its disk is full or fails.

        What followed would be kept alone.
        """
        if is_clean(held) and not self.is_to_begin:
            raise Unavailable("The database undid this change, its disk may be full: try again")

    @property
    def is_to_begin(self) -> bool:
        """The transaction has asked nothing so far; to SQLite it begins with its first statement."""
        return self.ahead[:1] in ([_BEGIN], [_BEGIN_TO_WRITE])


def _only_reads() -> TypeError:
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
            self._physical = self._connection.held
            self._savepoint = f"savepoint_{SQLiteTransaction._savepoints}"
            await self._run(f"SAVEPOINT {self._savepoint}")
            return
        self._is_root, self._readonly = True, bool(extra_options.get("readonly"))
        with self._pool.noted(writing=not self._readonly, proves=False):
            self._physical = await (self._pool.reader() if self._readonly else self._pool.writer())
        self._connection.held, self._connection.is_snapshot = self._physical, self._readonly
        self._connection.ahead = [_BEGIN if self._readonly else _BEGIN_TO_WRITE]

    async def commit(self) -> None:
        """Make it last. When this fails the connection is still held: `rollback` follows."""
        if not (self._is_root and self._connection.ahead in ([_BEGIN], [_BEGIN_TO_WRITE])):  # else nothing was asked
            with self._pool.noted(writing=not self._readonly, proves=self._is_root):
                await self._run("COMMIT" if self._is_root else f"RELEASE {self._savepoint}")
        self._give_back()

    async def rollback(self) -> None:
        """Undo it."""
        try:
            self._connection.ahead = []
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
        physical = self._physical
        if physical is None:
            raise RuntimeError("the transaction has ended, or has not begun")
        self._connection.require_begun(physical)
        try:
            await self._connection.trip(physical, (sql, ()))
        except Unavailable:
            self._pool.suspect(physical)
            raise

    def _give_back(self) -> None:
        physical, self._physical = self._physical, None
        if not self._is_root or physical is None:
            return
        self._connection.held, self._connection.is_snapshot, self._connection.ahead = None, False, []
        if self._readonly:
            self._pool.give_back_reader(physical)
        else:
            self._pool.give_back_writer(physical)
