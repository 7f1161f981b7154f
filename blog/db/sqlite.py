"""SQLite behind `databases`: one writer, several readers, all of them kept open.

Upstream opens a file, a connection and a thread for each query, keeps no PRAGMA, and begins transactions deferred, so that
two that read and then write lock each other out.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import aiosqlite
import anyio.to_thread
from databases import DatabaseURL
from databases.backends.common.records import Record, create_column_maps
from databases.backends.sqlite import Row  # type: ignore[attr-defined]  # its own module exports nothing by name
from databases.interfaces import ConnectionBackend, DatabaseBackend, TransactionBackend
from databases.interfaces import Record as RecordInterface
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine.cursor import CursorResultMetaData
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.sql.elements import TextClause

from blog.db.database import UniqueViolation, to_the_end
from blog.db.statements import StatementCache
from blog.errors import Unavailable

_LOCKED = "The database is locked: try again; if it stays so, end the other process that writes to it"
_DAMAGED = "The file of the database is damaged, or is not a database: restore a backup"
_FORBIDDEN = "The database cannot be written: let the server's user write to the file and to its folder"
# By SQLite's primary result codes. Any other is a fault in a statement: ours, and nothing that waiting would mend.
_ADVICE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_FULL: "The disk of the database is full: free some space on it",
    sqlite3.SQLITE_READONLY: _FORBIDDEN,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: "The database cannot be opened: check that its folder exists and that the server may write to it",
    sqlite3.SQLITE_IOERR: "The disk of the database fails: try again; if it stays so, check the disk and the server's log",
    sqlite3.SQLITE_NOMEM: "The server is short of memory: try again; if it stays so, give it more",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def path_of(url: str) -> str:
    """The file that `sqlite:///FILE` names, taken as it stands. Raises ValueError when it names none or has options.

    One reading for the application and for migrations: `databases` decodes %20, SQLAlchemy does not.
    """
    path = url.removeprefix("sqlite:///")
    if path in (url, "", ":memory:") or "?" in path:
        raise ValueError("give the path of a file, without options, such as sqlite:///blog.db")
    return path


class Pool:
    """The open connections to one file. Readers cannot write; one task at a time has the writer, first come first served."""

    def __init__(self, path: str, readers: int, acquire_timeout: float, pragmas: Sequence[str]) -> None:
        self._path, self._size, self._timeout, self._pragmas = path, readers, acquire_timeout, pragmas
        self._idle: list[aiosqlite.Connection] = []
        self._all: set[aiosqlite.Connection] = set()
        self._writer: aiosqlite.Connection | None = None
        self._suspects: set[aiosqlite.Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open the writer: fails at start, not at the first request. Locks belong to the running event loop."""
        self._slots, self._write_lock = asyncio.Semaphore(self._size), asyncio.Lock()
        try:
            await to_the_end(self._reopen_writer())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all; an open one would keep its thread, and with it the process, alive."""
        for connection in tuple(self._all):
            self._drop(connection)
        self._idle, self._writer = [], None
        await to_the_end(self._closed())

    async def _closed(self) -> None:
        await asyncio.gather(*self._closing)

    async def reader(self) -> aiosqlite.Connection:
        """A connection that only reads. Raises Unavailable when all are busy for too long."""
        await self._in_time(self._slots.acquire())
        try:
            # The loop: a caller cancelled while connecting leaves the new connection idle for somebody else.
            while True:
                while self._idle:
                    if _is_clean(connection := self._idle.pop()):
                        return connection
                    self._drop(connection)
                await to_the_end(self._add_reader())
        except BaseException:
            self._slots.release()
            raise

    async def _add_reader(self) -> None:
        self._idle.append(await self._connect("PRAGMA query_only=ON"))

    def give_back_reader(self, connection: aiosqlite.Connection) -> None:
        """Idle again; one that met trouble is closed, and the next reader opens another."""
        if self._is_fit(connection):
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._slots.release()

    async def writer(self) -> aiosqlite.Connection:
        """The connection that writes, for this task alone. Raises Unavailable when others write for too long."""
        await self._in_time(self._write_lock.acquire())
        try:
            while self._writer is None or not _is_clean(self._writer):
                await to_the_end(self._reopen_writer())
            return self._writer
        except BaseException:
            self._write_lock.release()
            raise

    async def _reopen_writer(self) -> None:
        if self._writer is not None:
            self._drop(self._writer)
        self._writer = None
        self._writer = await self._connect()

    def give_back_writer(self, connection: aiosqlite.Connection) -> None:
        """Free for the next task; one that met trouble is closed, which also rolls back what it could not end."""
        if not self._is_fit(connection):
            self._drop(connection)
            self._writer = None
        self._write_lock.release()

    def suspect(self, connection: aiosqlite.Connection) -> None:
        """It met trouble with its file: close it when it comes back, a new one may do better."""
        self._suspects.add(connection)

    def _is_fit(self, connection: aiosqlite.Connection) -> bool:
        return connection in self._all and connection not in self._suspects and _is_clean(connection)

    def _drop(self, connection: aiosqlite.Connection) -> None:
        self._all.discard(connection)
        self._suspects.discard(connection)
        closing = asyncio.ensure_future(_close(connection))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _connect(self, *more: str) -> aiosqlite.Connection:
        with translated():
            # A thread of aiosqlite whose opening fails reports to an event loop that may be gone: fail before it starts.
            await anyio.to_thread.run_sync(_open_and_close, self._path)
            connection = await aiosqlite.connect(self._path, isolation_level=None, cached_statements=512)
            try:
                for pragma in (*self._pragmas, *more):
                    await connection.execute_fetchall(pragma)
            except BaseException:
                await connection.close()
                raise
        self._all.add(connection)
        return connection

    async def _in_time(self, step: Any) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await step
        except TimeoutError:
            raise Unavailable("All connections to the database are busy: try again") from None


def _is_clean(connection: aiosqlite.Connection) -> bool:
    """Open, and in no transaction."""
    try:
        return not connection.in_transaction
    except (ValueError, sqlite3.ProgrammingError):  # closed
        return False


async def _close(connection: aiosqlite.Connection) -> None:
    with contextlib.suppress(Exception):  # it is given up in any case
        await connection.close()


def advice(error: BaseException | None) -> str | None:
    """What to do about an error of SQLite, as a sentence; None when it is a fault in the statement."""
    todo = _ADVICE.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF)
    return f"{todo} ({error})" if todo else None


def _open_and_close(path: str) -> None:
    sqlite3.connect(path).close()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The driver's errors in the language of the blog."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
            table, _, column = str(error).rpartition(": ")[2].split(",")[0].partition(".")
            raise UniqueViolation(table, column) from error
        raise
    except sqlite3.DatabaseError as error:
        if (todo := advice(error)) is None:
            raise
        raise Unavailable(todo) from error


class SQLiteConnection(ConnectionBackend):
    """What one task uses. A physical connection is taken at the first statement: the writer to write, else a reader."""

    def __init__(self, pool: Pool, statements: StatementCache, on_query: list[Callable[[str], None]]) -> None:
        self._pool, self._statements, self._on_query = pool, statements, on_query
        self.held: aiosqlite.Connection | None = None  # by an open transaction

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
        maps = create_column_maps(statement.columns)
        metadata: Any = CursorResultMetaData(statement.context, description)
        dialect = statement.context.context.dialect
        return [
            Record(Row(metadata, metadata._processors, metadata._keymap, row), statement.columns, dialect, maps) for row in rows
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
            with translated():
                async with connection.execute(statement.sql, arguments) as cursor:
                    if not _inserts(query):
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
        with translated():
            async with connection.execute(sql, arguments) as cursor:
                return list(await cursor.fetchall()), cursor.description

    @contextlib.asynccontextmanager
    async def _physical(self, query: ClauseElement) -> AsyncIterator[aiosqlite.Connection]:
        give_back: Callable[[aiosqlite.Connection], None] | None = None
        if self.held is not None:
            connection = self._begun(self.held)
        elif _writes(query):
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
        if _is_clean(held):
            # SQLite ends a transaction by itself when its disk is full or fails; what follows must not be kept alone.
            raise Unavailable("The database undid this change, its disk may be full: try again")
        return held

    def tell(self, sql: str) -> None:
        """Tell those who listen to the statements of this database."""
        for listener in self._on_query:
            listener(sql)


def _writes(query: ClauseElement) -> bool:
    """Only what cannot write may go to a reader; of texts, those that begin with SELECT."""
    if isinstance(query, TextClause):
        return not query.text.lstrip().upper().startswith("SELECT")
    return isinstance(query, UpdateBase) or not query.is_selectable


def _inserts(query: ClauseElement) -> bool:
    if isinstance(query, TextClause):
        return query.text.lstrip().upper().startswith(("INSERT", "REPLACE"))
    return isinstance(query, Insert)


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
        self._physical = await (self._pool.reader() if self._readonly else self._pool.writer())
        self._connection.held = self._physical
        await self._run("BEGIN" if self._readonly else "BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """Make it last. When this fails the connection is still held: `rollback` follows."""
        await self._run("COMMIT" if self._is_root else f"RELEASE {self._savepoint}")
        self._give_back()

    async def rollback(self) -> None:
        """Undo it."""
        try:
            if self._physical is None or _is_clean(self._physical):
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
        with translated():
            await to_the_end(self._held().execute_fetchall(sql))

    def _held(self) -> aiosqlite.Connection:
        if self._physical is None:
            raise RuntimeError("the transaction has ended, or has not begun")
        return self._physical

    def _give_back(self) -> None:
        physical, self._physical = self._physical, None
        if not self._is_root or physical is None:
            return
        self._connection.held = None
        if self._readonly:
            self._pool.give_back_reader(physical)
        else:
            self._pool.give_back_writer(physical)


class SQLiteBackend(DatabaseBackend):
    """The backend that `Database` uses for `sqlite:///FILE`."""

    on_query: list[Callable[[str], None]]

    def __init__(
        self,
        database_url: DatabaseURL | str,
        *,
        readers: int = 4,
        acquire_timeout: float = 10.0,
        busy_timeout: float = 10.0,
        synchronous: str = "FULL",
    ) -> None:
        self._path = path_of(str(database_url))
        if readers < 1 or synchronous not in ("OFF", "NORMAL", "FULL", "EXTRA"):
            raise ValueError("give at least 1 reader, and OFF, NORMAL, FULL or EXTRA for synchronous")
        pragmas = (
            f"PRAGMA busy_timeout={int(busy_timeout * 1000)}",
            "PRAGMA journal_mode=WAL",
            f"PRAGMA synchronous={synchronous}",
            "PRAGMA foreign_keys=ON",
            "PRAGMA cache_size=-16000",
            "PRAGMA temp_store=MEMORY",
        )
        self._pool = Pool(self._path, readers, acquire_timeout, pragmas)
        self._statements = StatementCache(_dialect())

    async def connect(self) -> None:
        """Open the file. Raises Unavailable."""
        await self._pool.open()

    async def disconnect(self) -> None:
        """Close every connection."""
        await self._pool.close()

    def connection(self) -> SQLiteConnection:
        """For one task."""
        return SQLiteConnection(self._pool, self._statements, self.on_query)

    def watcher(self) -> "CommitPoller":
        """Waits for commits."""
        return CommitPoller(self._path)


def _dialect() -> Any:
    dialect = pysqlite.dialect(paramstyle="qmark")
    dialect.supports_native_decimal = False
    return dialect


class CommitPoller:
    """Asks SQLite for its `data_version`, one integer that changes with the commits of all other connections."""

    def __init__(self, path: str, every: float = 0.05) -> None:
        self._path, self._every = path, every
        self._connection: aiosqlite.Connection | None = None
        self._seen: int | None = None

    async def open(self) -> None:
        """Open a connection of its own. Raises Unavailable."""
        try:
            await to_the_end(self._open())
        except BaseException:
            await self.close()
            raise

    async def wait(self, timeout: float) -> None:
        """Return after the next commit since the last call, or after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                # SQLite tells nobody of a commit: asking is all there is.
                while (version := await to_the_end(self._poll())) == self._seen:  # noqa: ASYNC110
                    await asyncio.sleep(self._every)
                self._seen = version

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await to_the_end(_close(connection))

    async def _open(self) -> None:
        with translated():
            self._connection = await aiosqlite.connect(self._path, isolation_level=None)
            self._seen = await self._version()

    async def _poll(self) -> int | None:
        try:
            return await self._version()
        except sqlite3.Error:
            return self._seen  # no news; whoever reads the tables meets the same trouble and tells of it

    async def _version(self) -> int:
        if self._connection is None:
            raise RuntimeError("open the watcher first")
        ((version,),) = await self._connection.execute_fetchall("PRAGMA data_version")
        return int(version)
