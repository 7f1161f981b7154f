"""The open connections to one server: as many readers as there are connections, one writer of transactions."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import structlog

from blog.db.database import PoolStats, run_shielded
from blog.db.instrumentation import WaitQueue
from blog.db.postgresql.errors import translate_errors
from blog.errors import Unavailable
from blog.observability.logging import OutageLog

log = structlog.stdlib.get_logger("blog.database")
_STATEMENT_CACHE_SIZE = 300  # prepared for each connection
_IDLE_IN_TRANSACTION_TIMEOUT = 60
_SETTLE_SECONDS = 1.0  # seconds: some connections are lost later than others


class Pool:
    """Connections that are opened when they are needed, and again when the server was gone.

    One task of this process at a time has the writer, first come first served: the others wait without a connection, so that
    a crowd that wants to write takes none away from those who read.
    """

    def __init__(
        self, dsn: str, *, pool_min: int, pool_max: int, acquire_timeout: float, statement_timeout: float, lock_timeout: float
    ) -> None:
        self._timeout = acquire_timeout
        self._options: dict[str, Any] = {
            "dsn": dsn,
            "min_size": pool_min,
            "max_size": pool_max,
            "timeout": acquire_timeout,  # to connect
            # The server ends a statement in time; this is for a server that does not answer at all.
            "command_timeout": statement_timeout + 5,
            "statement_cache_size": _STATEMENT_CACHE_SIZE,
            "max_inactive_connection_lifetime": 300,
            "init": init_connection,
            "reset": _keep_session,
            "server_settings": server_settings(statement_timeout, lock_timeout),
        }
        self._pool: Any = None
        self._queue = WaitQueue()
        self._outage = OutageLog(
            log, "the database cannot be used", "the database can be used again", settle_seconds=_SETTLE_SECONDS
        )

    async def open(self) -> None:
        """Open as many as are always kept: fails at start, not at the first request. Locks belong to the running event loop."""
        self._write_lock = asyncio.Lock()
        with translate_errors():
            self._pool = await asyncpg.create_pool(**self._options)

    async def close(self) -> None:
        """Close all of them; those in use first come back."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await run_shielded(_close_pool(pool, self._timeout))

    @contextlib.contextmanager
    def log_outages(self, *, confirms: bool) -> Iterator[None]:
        """Log what fails inside, if it is the first; what succeeds ends that, if it `proves` that the database works again."""
        try:
            yield
        except Unavailable as error:
            self._outage.failed(error.detail)
            raise
        if confirms:
            self._outage.recovered()

    @property
    def stats(self) -> PoolStats:
        """How it stands now."""
        size = self._pool.get_size() if self._pool else 0
        idle = self._pool.get_idle_size() if self._pool else 0
        return PoolStats(size, size - idle, self._queue.waiting)

    async def acquire_reader(self) -> Any:
        """A connection. Raises Unavailable when all are busy for too long, or when the server is gone."""
        if self._pool is None:
            raise RuntimeError("connect the database first")
        with translate_errors():
            try:
                with self._queue.track_wait("reader"):
                    async with asyncio.timeout(self._timeout):
                        return await self._pool.acquire()
            except TimeoutError:
                raise Unavailable("All connections to the database are busy: try again") from None

    async def release_reader(self, connection: Any) -> None:
        """Idle again; one that is closed, or in a transaction that could not be ended, is replaced when it is needed."""
        if is_alive(connection) and connection.is_in_transaction():
            connection.terminate()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # it is given up in that case
            await run_shielded(self._pool.release(connection))

    async def acquire_writer(self) -> Any:
        """A connection for a transaction that writes, for this task alone in this process. Raises Unavailable."""
        try:
            with self._queue.track_wait("writer"):
                async with asyncio.timeout(self._timeout):
                    await self._write_lock.acquire()
        except TimeoutError:
            raise Unavailable("Others write to the database for too long: try again") from None
        try:
            return await self.acquire_reader()
        except BaseException:
            self._write_lock.release()
            raise

    async def release_writer(self, connection: Any) -> None:
        """Free for the next task."""
        try:
            await self.release_reader(connection)
        finally:
            self._write_lock.release()


def is_alive(connection: Any) -> bool:
    """Is it still open? The pool takes one back by itself when the server was lost."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False


def server_settings(statement_timeout: float, lock_timeout: float) -> dict[str, str]:
    """What the server shall do for each of our connections; times in milliseconds."""
    return {
        "application_name": "blog",
        "timezone": "UTC",
        "statement_timeout": str(int(statement_timeout * 1000)),
        "lock_timeout": str(int(lock_timeout * 1000)),
        # Whoever stops within a transaction that writes would stop all others: its machine may have lost its network.
        "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_TIMEOUT * 1000),
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
    }


async def call_driver(connection: Any, method: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """A driver's step; a connection that fails by itself is in a state that nobody knows, and is closed. Raises Unavailable."""
    with translate_errors():
        try:
            return await method(*arguments)
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            if is_alive(connection):
                connection.terminate()
            raise


async def init_connection(connection: Any) -> None:
    """JSON comes and goes as on SQLite: SQLAlchemy writes it, and what is read is ready for use."""
    await connection.set_type_codec("json", schema="pg_catalog", encoder=str, decoder=json.loads)


async def _keep_session(_connection: Any) -> None:
    """Nothing to do when a connection comes back: no session ever changes, and each query would have two ways to the server."""


async def _close_pool(pool: Any, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await pool.close()
    except Exception:  # a server that is gone, or a connection that never comes back
        pool.terminate()
