"""The open connections to one server: as many readers as there are connections, one writer of transactions."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import structlog

from blog.db.database import PoolState, to_the_end
from blog.db.instrumentation import Queue
from blog.db.postgresql.errors import translated
from blog.errors import Unavailable
from blog.observability.logging import Outage

log = structlog.stdlib.get_logger("blog.database")
_STATEMENTS = 300  # prepared for each connection
_IDLE_SECONDS = 60
_SETTLE = 1.0  # seconds: some connections are lost later than others


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
            "statement_cache_size": _STATEMENTS,
            "max_inactive_connection_lifetime": 300,
            "init": prepare,
            "reset": _leave,
            "server_settings": server_settings(statement_timeout, lock_timeout),
        }
        self._pool: Any = None
        self._queue = Queue()
        self._outage = Outage(log, "the database cannot be used", "the database can be used again", settle=_SETTLE)

    async def open(self) -> None:
        """Open as many as are always kept: fails at start, not at the first request. Locks belong to the running event loop."""
        self._write_lock = asyncio.Lock()
        with translated():
            self._pool = await asyncpg.create_pool(**self._options)

    async def close(self) -> None:
        """Close all of them; those in use first come back."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await to_the_end(_closed(pool, self._timeout))

    @contextlib.contextmanager
    def noted(self, *, proves: bool) -> Iterator[None]:
        """Log what fails inside, if it is the first; what succeeds ends that, if it `proves` that the database works again."""
        try:
            yield
        except Unavailable as error:
            self._outage.met(error.detail)
            raise
        if proves:
            self._outage.over()

    @property
    def state(self) -> PoolState:
        """How it stands now."""
        size = self._pool.get_size() if self._pool else 0
        idle = self._pool.get_idle_size() if self._pool else 0
        return PoolState(size, size - idle, self._queue.waiting)

    async def reader(self) -> Any:
        """A connection. Raises Unavailable when all are busy for too long, or when the server is gone."""
        if self._pool is None:
            raise RuntimeError("connect the database first")
        with translated():
            try:
                with self._queue.joined("reader"):
                    async with asyncio.timeout(self._timeout):
                        return await self._pool.acquire()
            except TimeoutError:
                raise Unavailable("All connections to the database are busy: try again") from None

    async def give_back_reader(self, connection: Any) -> None:
        """Idle again; one that is closed, or in a transaction that could not be ended, is replaced when it is needed."""
        if is_alive(connection) and connection.is_in_transaction():
            connection.terminate()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # it is given up in that case
            await to_the_end(self._pool.release(connection))

    async def writer(self) -> Any:
        """A connection for a transaction that writes, for this task alone in this process. Raises Unavailable."""
        try:
            with self._queue.joined("writer"):
                async with asyncio.timeout(self._timeout):
                    await self._write_lock.acquire()
        except TimeoutError:
            raise Unavailable("Others write to the database for too long: try again") from None
        try:
            return await self.reader()
        except BaseException:
            self._write_lock.release()
            raise

    async def give_back_writer(self, connection: Any) -> None:
        """Free for the next task."""
        try:
            await self.give_back_reader(connection)
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
        "idle_in_transaction_session_timeout": str(_IDLE_SECONDS * 1000),
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
    }


async def run(connection: Any, method: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """A driver's step; a connection that fails by itself is in a state that nobody knows, and is closed. Raises Unavailable."""
    with translated():
        try:
            return await method(*arguments)
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            if is_alive(connection):
                connection.terminate()
            raise


async def prepare(connection: Any) -> None:
    """JSON comes and goes as on SQLite: SQLAlchemy writes it, and what is read is ready for use."""
    await connection.set_type_codec("json", schema="pg_catalog", encoder=str, decoder=json.loads)


async def _leave(_connection: Any) -> None:
    """Nothing to do when a connection comes back: no session ever changes, and each query would have two ways to the server."""


async def _closed(pool: Any, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await pool.close()
    except Exception:  # a server that is gone, or a connection that never comes back
        pool.terminate()
