"""The open connections to one file: one writer, several readers."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import structlog

from blog.db.database import PoolState, to_the_end
from blog.db.instrumentation import Queue
from blog.db.sqlite.driver import Connection, connect
from blog.db.sqlite.errors import translated
from blog.errors import Unavailable
from blog.observability.logging import Outage

log = structlog.stdlib.get_logger("blog.db")
_OPEN_LOG = "SELECT count(*) FROM sqlite_master"  # by the first read: then it is known which file it is
_SETTLE = 1.0  # seconds: while a disk is full, what is small may still find room
Identity = tuple[tuple[int, int] | None, ...]


class Pool:
    """The open connections to one file. Readers cannot write; one task at a time has the writer, first come first served."""

    def __init__(self, path: str, readers: int, acquire_timeout: float, statement_timeout: float, pragmas: Sequence[str]) -> None:
        self._path, self._size, self._timeout, self._pragmas = path, readers, acquire_timeout, pragmas
        self._statement_timeout = statement_timeout
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._writer: Connection | None = None
        self._suspects: set[Connection] = set()
        self._files: dict[Connection, Identity] = {}
        self._reading = Outage(log, "the database cannot be read", "the database can be read again", settle=_SETTLE)
        self._writing = Outage(log, "the database cannot be written", "the database can be written again", settle=_SETTLE)
        self._closing: set[asyncio.Task[None]] = set()
        self._queue = Queue()

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
        await to_the_end(self._close())

    async def _close(self) -> None:
        writer, self._writer, self._idle = self._writer, None, []
        for connection in self._all - {writer}:
            self._drop(connection)
        await self._closed()
        if writer is not None:  # alone at last: two that close at once leave the log and its index behind
            self._drop(writer)
            await self._closed()

    async def _closed(self) -> None:
        await asyncio.gather(*self._closing)

    @property
    def state(self) -> PoolState:
        """How it stands now."""
        is_writer_idle = self._writer is not None and not self._write_lock.locked()
        return PoolState(len(self._all), len(self._all) - len(self._idle) - is_writer_idle, self._queue.waiting)

    async def reader(self) -> Connection:
        """A connection that only reads. Raises Unavailable when all are busy for too long."""
        await self._in_time("reader", self._slots.acquire())
        try:
            # The loop: a caller cancelled while connecting leaves the new connection idle for somebody else.
            while True:
                while self._idle:
                    if is_clean(connection := self._idle.pop()) and self._is_current(connection):
                        return connection
                    self._drop(connection)
                await to_the_end(self._add_reader())
        except BaseException:
            self._slots.release()
            raise

    async def _add_reader(self) -> None:
        self._idle.append(await self._connect("PRAGMA query_only=ON"))

    def give_back_reader(self, connection: Connection) -> None:
        """Idle again; one that met trouble is closed, and the next reader opens another."""
        if self._is_fit(connection):
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._slots.release()

    async def writer(self) -> Connection:
        """The connection that writes, for this task alone. Raises Unavailable when others write for too long."""
        await self._in_time("writer", self._write_lock.acquire())
        try:
            while self._writer is None or not (is_clean(self._writer) and self._is_current(self._writer)):
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

    def give_back_writer(self, connection: Connection) -> None:
        """Free for the next task; one that met trouble is closed, which also rolls back what it could not end."""
        if not self._is_fit(connection):
            self._drop(connection)
            self._writer = None
        self._write_lock.release()

    @contextlib.contextmanager
    def in_time(self, connection: Connection) -> Iterator[None]:
        """Interrupt a statement that runs for too long: it then fails, and with it the transaction that it wrote in."""
        # What aiosqlite wraps in a coroutine is one call that any thread may make, and that does nothing once it has ended.
        ending = asyncio.get_running_loop().call_later(self._statement_timeout, connection._conn.interrupt)
        try:
            yield
        finally:
            ending.cancel()

    def suspect(self, connection: Connection) -> None:
        """It met trouble with its file: close it when it comes back, a new one may do better."""
        self._suspects.add(connection)

    @contextlib.contextmanager
    def noted(self, *, writing: bool, proves: bool) -> Iterator[None]:
        """Log what fails inside, if it is the first of its kind; what succeeds ends that, if it `proves` that it works again."""
        outage = self._writing if writing else self._reading
        try:
            yield
        except Unavailable as error:
            outage.met(error.detail)
            raise
        if proves:
            outage.over()

    def _is_current(self, connection: Connection) -> bool:
        """Is its file still the one of this name? What is written to another is lost. Takes some microseconds."""
        return self._files.get(connection) == identity(self._path)

    def _is_fit(self, connection: Connection) -> bool:
        return connection in self._all and connection not in self._suspects and is_clean(connection)

    def _drop(self, connection: Connection) -> None:
        self._all.discard(connection)
        self._suspects.discard(connection)
        self._files.pop(connection, None)
        closing = asyncio.ensure_future(close(connection))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _connect(self, *more: str) -> Connection:
        with translated():
            connection = await connect(self._path)
            try:
                await connection.run(*((statement, ()) for statement in (*self._pragmas, *more, _OPEN_LOG)))
            except BaseException:
                await connection.close()
                raise
        self._all.add(connection)
        self._files[connection] = identity(self._path)
        return connection

    async def _in_time(self, role: str, step: Any) -> None:
        try:
            with self._queue.joined(role):
                async with asyncio.timeout(self._timeout):
                    await step
        except TimeoutError:
            raise Unavailable("All connections to the database are busy: try again") from None


def is_clean(connection: Connection) -> bool:
    """Open, and in no transaction."""
    try:
        return not connection.in_transaction
    except (ValueError, sqlite3.ProgrammingError):  # closed
        return False


async def close(connection: Connection) -> None:
    """Close it, whatever state it is in."""
    with contextlib.suppress(Exception):  # it is given up in any case
        await connection.close()


def identity(path: str) -> Identity:
    """Which files bear the name of the database and of its log just now."""
    return _file(path), _file(f"{path}-wal")


def _file(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
