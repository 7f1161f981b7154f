"""The open connections to one file: one writer, several readers."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import structlog

from blog.db.database import PoolStats, run_shielded
from blog.db.instrumentation import WaitQueue
from blog.db.sqlite.driver import Connection, connect
from blog.db.sqlite.errors import translate_errors
from blog.errors import Unavailable
from blog.observability.logging import OutageLog

log = structlog.stdlib.get_logger("blog.db")
_OPEN_WAL_SQL = "SELECT count(*) FROM sqlite_master"  # by the first read: then it is known which file it is
_SETTLE_SECONDS = 1.0  # seconds: while a disk is full, what is small may still find room
FileIdentity = tuple[tuple[int, int] | None, ...]


class Pool:
    """The open connections to one file. Readers cannot write; one task at a time has the writer, first come first served."""

    def __init__(self, path: str, readers: int, acquire_timeout: float, statement_timeout: float, pragmas: Sequence[str]) -> None:
        self._path, self._size, self._timeout, self._pragmas = path, readers, acquire_timeout, pragmas
        self._statement_timeout = statement_timeout
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._writer: Connection | None = None
        self._broken: set[Connection] = set()
        self._file_identities: dict[Connection, FileIdentity] = {}
        self._read_outages = OutageLog(
            log, "the database cannot be read", "the database can be read again", settle_seconds=_SETTLE_SECONDS
        )
        self._write_outages = OutageLog(
            log, "the database cannot be written", "the database can be written again", settle_seconds=_SETTLE_SECONDS
        )
        self._closing_tasks: set[asyncio.Task[None]] = set()
        self._queue = WaitQueue()

    async def open(self) -> None:
        """Open the writer: fails at start, not at the first request. Locks belong to the running event loop."""
        self._slots, self._write_lock = asyncio.Semaphore(self._size), asyncio.Lock()
        try:
            await run_shielded(self._reopen_writer())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all; an open one would keep its thread, and with it the process, alive."""
        await run_shielded(self._close())

    async def _close(self) -> None:
        writer, self._writer, self._idle = self._writer, None, []
        for connection in self._connections - {writer}:
            self._drop(connection)
        await self._wait_closed()
        if writer is not None:  # alone at last: two that close at once leave the log and its index behind
            self._drop(writer)
            await self._wait_closed()

    async def _wait_closed(self) -> None:
        await asyncio.gather(*self._closing_tasks)

    @property
    def stats(self) -> PoolStats:
        """How it stands now."""
        is_writer_idle = self._writer is not None and not self._write_lock.locked()
        return PoolStats(len(self._connections), len(self._connections) - len(self._idle) - is_writer_idle, self._queue.waiting)

    async def acquire_reader(self) -> Connection:
        """A connection that only reads. Raises Unavailable when all are busy for too long."""
        await self._acquire_in_time("reader", self._slots.acquire())
        try:
            # The loop: a caller cancelled while connecting leaves the new connection idle for somebody else.
            while True:
                while self._idle:
                    if is_idle(connection := self._idle.pop()) and self._is_current(connection):
                        return connection
                    self._drop(connection)
                await run_shielded(self._add_reader())
        except BaseException:
            self._slots.release()
            raise

    async def _add_reader(self) -> None:
        self._idle.append(await self._connect("PRAGMA query_only=ON"))

    def release_reader(self, connection: Connection) -> None:
        """Idle again; one that met trouble is closed, and the next reader opens another."""
        if self._is_reusable(connection):
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._slots.release()

    async def acquire_writer(self) -> Connection:
        """The connection that writes, for this task alone. Raises Unavailable when others write for too long."""
        await self._acquire_in_time("writer", self._write_lock.acquire())
        try:
            while self._writer is None or not (is_idle(self._writer) and self._is_current(self._writer)):
                await run_shielded(self._reopen_writer())
            return self._writer
        except BaseException:
            self._write_lock.release()
            raise

    async def _reopen_writer(self) -> None:
        if self._writer is not None:
            self._drop(self._writer)
        self._writer = None
        self._writer = await self._connect()

    def release_writer(self, connection: Connection) -> None:
        """Free for the next task; one that met trouble is closed, which also rolls back what it could not end."""
        if not self._is_reusable(connection):
            self._drop(connection)
            self._writer = None
        self._write_lock.release()

    @contextlib.contextmanager
    def with_timeout(self, connection: Connection) -> Iterator[None]:
        """Interrupt a statement that runs for too long: it then fails, and with it the transaction that it wrote in."""
        # What aiosqlite wraps in a coroutine is one call that any thread may make, and that does nothing once it has ended.
        ending = asyncio.get_running_loop().call_later(self._statement_timeout, connection._conn.interrupt)
        try:
            yield
        finally:
            ending.cancel()

    def mark_broken(self, connection: Connection) -> None:
        """It met trouble with its file: close it when it comes back, a new one may do better."""
        self._broken.add(connection)

    @contextlib.contextmanager
    def log_outages(self, *, writing: bool, confirms: bool) -> Iterator[None]:
        """Log what fails inside, if it is the first of its kind; what succeeds ends that, if it `proves` that it works again."""
        outage = self._write_outages if writing else self._read_outages
        try:
            yield
        except Unavailable as error:
            outage.failed(error.detail)
            raise
        if confirms:
            outage.recovered()

    def _is_current(self, connection: Connection) -> bool:
        """Is its file still the one of this name? What is written to another is lost. Takes some microseconds."""
        return self._file_identities.get(connection) == file_identity(self._path)

    def _is_reusable(self, connection: Connection) -> bool:
        return connection in self._connections and connection not in self._broken and is_idle(connection)

    def _drop(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._broken.discard(connection)
        self._file_identities.pop(connection, None)
        closing = asyncio.ensure_future(close_connection(connection))
        self._closing_tasks.add(closing)
        closing.add_done_callback(self._closing_tasks.discard)

    async def _connect(self, *more: str) -> Connection:
        with translate_errors():
            connection = await connect(self._path)
            try:
                await connection.run(*((statement, ()) for statement in (*self._pragmas, *more, _OPEN_WAL_SQL)))
            except BaseException:
                await connection.close()
                raise
        self._connections.add(connection)
        self._file_identities[connection] = file_identity(self._path)
        return connection

    async def _acquire_in_time(self, role: str, step: Any) -> None:
        try:
            with self._queue.track_wait(role):
                async with asyncio.timeout(self._timeout):
                    await step
        except TimeoutError:
            raise Unavailable("All connections to the database are busy: try again") from None


def is_idle(connection: Connection) -> bool:
    """Open, and in no transaction."""
    try:
        return not connection.in_transaction
    except (ValueError, sqlite3.ProgrammingError):  # closed
        return False


async def close_connection(connection: Connection) -> None:
    """Close it, whatever state it is in."""
    with contextlib.suppress(Exception):  # it is given up in any case
        await connection.close()


def file_identity(path: str) -> FileIdentity:
    """Which files bear the name of the database and of its log just now."""
    return _device_and_inode(path), _device_and_inode(f"{path}-wal")


def _device_and_inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
