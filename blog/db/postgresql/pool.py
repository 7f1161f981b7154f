"""The connection pool of one PostgreSQL database: many readers, one write transaction at a time."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import structlog

from blog.db.cancellation import run_shielded
from blog.db.database import PoolStats
from blog.db.instrumentation import WaitQueue
from blog.db.postgresql.errors import translate_errors
from blog.errors import Unavailable
from blog.observability.logging import OutageLog

log = structlog.stdlib.get_logger("blog.db")
_STATEMENT_CACHE_SIZE = 300  # prepared statements per connection
_IDLE_IN_TRANSACTION_TIMEOUT = 60
_SHUTDOWN = "The server is shutting down: try again"
_SETTLE_SECONDS = 1.0  # in an outage some connections are lost later than others


class Pool:
    """A pool of connections, opened on demand, and again after the server was down.

    One task of this process at a time may open a write transaction, in order of arrival. The others wait without a connection,
    so that waiting writers do not block readers. All times are in seconds.
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
            # The server cancels a slow statement itself; this is for a server that does not respond at all.
            "command_timeout": statement_timeout + 5,
            "statement_cache_size": _STATEMENT_CACHE_SIZE,
            "max_inactive_connection_lifetime": 300,
            "init": init_connection,
            "reset": _keep_session,
            "server_settings": server_settings(statement_timeout, lock_timeout),
        }
        self._pool: Any = None
        self._queue = WaitQueue()
        self._calls: set[asyncio.Task[Any]] = set()
        self._cancelled: frozenset[asyncio.Task[Any]] = frozenset()
        self._shutdown_timeout: float | None = None
        self._outage = OutageLog(
            log, "the database cannot be used", "the database can be used again", settle_seconds=_SETTLE_SECONDS
        )

    async def open(self) -> None:
        """Open `pool_min` connections, so that a wrong URL fails at start and not at the first request.

        Creates the lock here, because it belongs to the running event loop. Raises Unavailable.
        """
        self._write_lock, self._shutdown_timeout = asyncio.Lock(), None
        with translate_errors():
            self._pool = await asyncpg.create_pool(**self._options)

    async def close(self) -> None:
        """Close all connections, after those in use were released."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await run_shielded(_close_pool(pool, self._timeout))

    def limit_statements(self, seconds: float) -> None:
        """Cancel the statements that still run after `seconds`; each later one may take as long."""
        self._shutdown_timeout = seconds
        asyncio.get_running_loop().call_later(seconds, self._cancel_statements, frozenset(self._calls))

    def _cancel_statements(self, calls: frozenset[asyncio.Task[Any]]) -> None:
        self._cancelled = calls & self._calls
        for call in self._cancelled:
            call.cancel()  # the driver sends a cancel request to the server

    async def call(self, connection: Any, method: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Run a statement as `call_driver` does, until the shutdown of the server. Raises Unavailable, UniqueViolation."""
        call = asyncio.current_task()
        assert call is not None  # noqa: S101 (a coroutine runs in a task)
        self._calls.add(call)
        try:
            async with asyncio.timeout(self._shutdown_timeout):
                return await call_driver(connection, method, *arguments)
        except TimeoutError:
            raise Unavailable(_SHUTDOWN) from None
        except asyncio.CancelledError:
            if call in self._cancelled:
                raise Unavailable(_SHUTDOWN) from None
            raise
        finally:
            self._calls.discard(call)

    @contextlib.contextmanager
    def log_outages(self, *, confirms: bool) -> Iterator[None]:
        """Log the first failure of an outage, and its end. `confirms`: success of the block proves that the database works."""
        try:
            yield
        except Unavailable as error:
            self._outage.failed(error.detail)
            raise
        if confirms:
            self._outage.recovered()

    @property
    def stats(self) -> PoolStats:
        """The current state of the pool."""
        size = self._pool.get_size() if self._pool else 0
        idle = self._pool.get_idle_size() if self._pool else 0
        return PoolStats(size, size - idle, self._queue.waiting)

    async def acquire_reader(self) -> Any:
        """Return a connection. Raises Unavailable if all are busy for `acquire_timeout`, or if the server is down."""
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
        """Return a connection to the pool. If it is still in a transaction, it is closed, and replaced on demand."""
        if is_alive(connection) and connection.is_in_transaction():
            connection.terminate()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # the pool drops the connection
            await run_shielded(self._pool.release(connection))

    async def acquire_writer(self) -> Any:
        """Return a connection for a write transaction, to one task of this process at a time. Raises Unavailable."""
        try:
            with self._queue.track_wait("writer"):
                async with asyncio.timeout(self._timeout):
                    await self._write_lock.acquire()
        except TimeoutError:
            raise Unavailable("Other requests write to the database for too long: try again") from None
        try:
            return await self.acquire_reader()
        except BaseException:
            self._write_lock.release()
            raise

    async def release_writer(self, connection: Any) -> None:
        """Release the connection and the writer lock."""
        try:
            await self.release_reader(connection)
        finally:
            self._write_lock.release()


def is_alive(connection: Any) -> bool:
    """Return whether the connection is open. When the server goes down, the pool itself closes its connections."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False


def server_settings(statement_timeout: float, lock_timeout: float) -> dict[str, str]:
    """Return the session settings for each connection. The arguments are in seconds, the settings in milliseconds."""
    return {
        "application_name": "blog",
        "timezone": "UTC",
        "statement_timeout": str(int(statement_timeout * 1000)),
        "lock_timeout": str(int(lock_timeout * 1000)),
        # A client that stops in a write transaction, such as after a network failure, would block all other writers.
        "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_TIMEOUT * 1000),
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
    }


async def call_driver(connection: Any, method: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Call a method of the driver. After a connection error, the state of the connection is unknown and it is closed.

    Raises Unavailable, UniqueViolation.
    """
    with translate_errors():
        try:
            return await method(*arguments)
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            if is_alive(connection):
                connection.terminate()
            raise


async def init_connection(connection: Any) -> None:
    """Encode and decode JSON as on SQLite: SQLAlchemy encodes it, and reads return decoded values."""
    await connection.set_type_codec("json", schema="pg_catalog", encoder=str, decoder=json.loads)


async def _keep_session(_connection: Any) -> None:
    """Skip asyncpg's reset of a released connection: it costs a second round trip, and no session setting ever changes."""


async def _close_pool(pool: Any, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await pool.close()
    except Exception:  # the server is down, or a connection is never released
        pool.terminate()
