"""The connection pool of one SQLite file: one writer and several readers."""

import asyncio
import contextlib
import math
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any

import structlog

from blog.db.cancellation import run_shielded
from blog.db.database import PoolStats
from blog.db.instrumentation import WaitQueue
from blog.db.sqlite.driver import Connection, connect
from blog.db.sqlite.errors import translate_errors
from blog.errors import Unavailable
from blog.observability.logging import OutageLog

log = structlog.stdlib.get_logger("blog.db")
_OPEN_WAL_SQL = "SELECT count(*) FROM sqlite_master"  # the first read opens the log file, so that its identity is known
_SETTLE_SECONDS = 1.0  # while a disk is full, small writes may still succeed
FileIdentity = tuple[tuple[int, int] | None, ...]


class Pool:
    """A pool of connections to one file. Readers cannot write. One task at a time has the writer, in order of arrival.

    - `readers`: the maximum number of read connections.
    - `pragmas`: the PRAGMA statements that run on each new connection.
    - `acquire_timeout`, `statement_timeout`, `busy_timeout`: in seconds.
    """

    def __init__(
        self,
        path: str,
        readers: int,
        pragmas: Sequence[str],
        *,
        acquire_timeout: float,
        statement_timeout: float,
        busy_timeout: float,
    ) -> None:
        self._path, self._size, self._timeout, self._pragmas = path, readers, acquire_timeout, pragmas
        self._statement_timeout, self._busy_timeout = statement_timeout, busy_timeout
        self._shutdown_timeout = math.inf
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
        """Open the writer, so that a wrong path fails at start and not at the first request.

        Creates the locks here, because they belong to the running event loop. Raises Unavailable.
        """
        self._shutdown_timeout = math.inf
        self._slots, self._write_lock = asyncio.Semaphore(self._size), asyncio.Lock()
        try:
            await run_shielded(self._reopen_writer())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all connections, and interrupt their statements. The thread of an open one would keep the process alive."""
        await run_shielded(self._close())

    async def _close(self) -> None:
        for connection in self._connections:
            connection.abort()
        writer, self._writer, self._idle = self._writer, None, []
        for connection in self._connections - {writer}:
            self._drop(connection)
        await self._wait_closed()
        if writer is not None:  # last and alone: two that close at the same time leave the log and its index behind
            self._drop(writer)
            await self._wait_closed()

    async def _wait_closed(self) -> None:
        await asyncio.gather(*self._closing_tasks)

    @property
    def stats(self) -> PoolStats:
        """The current state of the pool."""
        is_writer_idle = self._writer is not None and not self._write_lock.locked()
        return PoolStats(len(self._connections), len(self._connections) - len(self._idle) - is_writer_idle, self._queue.waiting)

    async def acquire_reader(self) -> Connection:
        """Return a read-only connection. Raises Unavailable if all are busy for `acquire_timeout`."""
        await self._acquire_in_time("reader", self._slots.acquire())
        try:
            # A loop, because a caller that is cancelled while it connects leaves the new connection to other tasks.
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
        """Return a connection to the pool. A broken one is closed, and a later caller opens a new one."""
        if self._is_reusable(connection):
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._slots.release()

    async def acquire_writer(self) -> Connection:
        """Return the writer, for this task alone. Raises Unavailable if other tasks have it for `acquire_timeout`."""
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
        """Release the writer. A broken one is closed, which also rolls back its transaction."""
        if not self._is_reusable(connection):
            self._drop(connection)
            self._writer = None
        self._write_lock.release()

    def statement_deadline(self) -> float:
        """Return the time of `time.monotonic` at which a statement that begins now is interrupted."""
        return time.monotonic() + self._statement_timeout

    def limit_statements(self, seconds: float) -> None:
        """Interrupt the statements that still run after `seconds`; each later one may take as long."""
        self._shutdown_timeout = seconds
        for connection in self._connections:
            connection.limits.shutdown_timeout = seconds
            connection.limits.deadline = min(connection.limits.deadline, time.monotonic() + seconds)

    def mark_broken(self, connection: Connection) -> None:
        """Mark a connection after an error of its file: it is closed when it is released. A new one may work."""
        self._broken.add(connection)

    @contextlib.contextmanager
    def log_outages(self, *, writing: bool, confirms: bool) -> Iterator[None]:
        """Log the first failure of an outage, and its end.

        - `writing`: whether the block writes; outages of reads and of writes are separate.
        - `confirms`: whether success of the block proves that the database works again.
        """
        outage = self._write_outages if writing else self._read_outages
        try:
            yield
        except Unavailable as error:
            outage.failed(error.detail)
            raise
        if confirms:
            outage.recovered()

    def _is_current(self, connection: Connection) -> bool:
        """Return whether the file of the connection still has its name: writes to a replaced file are lost. Takes some µs."""
        return self._file_identities.get(connection) == file_identity(self._path)

    def _is_reusable(self, connection: Connection) -> bool:
        return connection in self._connections and connection not in self._broken and is_idle(connection)

    def _drop(self, connection: Connection) -> None:
        """Close a connection, once: two calls of aiosqlite's `close` at a time would wait for a thread that has ended."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._broken.discard(connection)
        self._file_identities.pop(connection, None)
        closing = asyncio.ensure_future(close_connection(connection))
        self._closing_tasks.add(closing)
        closing.add_done_callback(self._closing_tasks.discard)

    async def _connect(self, *more: str) -> Connection:
        with translate_errors():
            connection = await connect(self._path, self._busy_timeout)
            try:
                await connection.run(*((statement, ()) for statement in (*self._pragmas, *more, _OPEN_WAL_SQL)))
            except BaseException:
                await connection.close()
                raise
        connection.limits.shutdown_timeout = self._shutdown_timeout
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
    """Return whether the connection is open and not in a transaction."""
    try:
        return not connection.in_transaction
    except (ValueError, sqlite3.ProgrammingError):  # closed
        return False


async def close_connection(connection: Connection) -> None:
    """Close a connection in any state, and ignore errors."""
    with contextlib.suppress(Exception):
        await connection.close()


def file_identity(path: str) -> FileIdentity:
    """Return the device and inode numbers of the database file and of its log."""
    return _device_and_inode(path), _device_and_inode(f"{path}-wal")


def _device_and_inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
