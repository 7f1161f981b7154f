"""The PostgreSQL backend class of `databases`."""

from collections.abc import Callable
from typing import Any

from databases import DatabaseURL
from databases.interfaces import DatabaseBackend
from sqlalchemy.dialects.postgresql import asyncpg

from blog.db.compiled_queries import StatementCache
from blog.db.database import PoolStats
from blog.db.postgresql.connection import PostgreSQLConnection
from blog.db.postgresql.pool import Pool
from blog.db.postgresql.watcher import Listener


class PostgreSQLBackend(DatabaseBackend):
    """The backend for `postgresql://…`.

    - `acquire_timeout`: seconds that a task waits for a connection, or for the write lock.
    - `pool_min`, `pool_max`: the number of connections that stay open, and that may be open.
    - `statement_timeout`: seconds after which the server cancels a statement.
    """

    on_query: list[Callable[[str], None]]

    def __init__(
        self,
        database_url: DatabaseURL | str,
        *,
        acquire_timeout: float = 10.0,
        pool_min: int = 1,
        pool_max: int = 10,
        statement_timeout: float = 30.0,
    ) -> None:
        if not 0 <= pool_min <= pool_max or pool_max < 1:
            raise ValueError("pool_max must be at least 1, and pool_min between 0 and pool_max")
        self._url, self._acquire_timeout = str(database_url), acquire_timeout
        self._pool = Pool(
            self._url,
            pool_min=pool_min,
            pool_max=pool_max,
            acquire_timeout=acquire_timeout,
            statement_timeout=statement_timeout,
            lock_timeout=acquire_timeout,
        )
        self._dialect: Any = asyncpg.dialect()  # type: ignore[no-untyped-call]
        self._statements = StatementCache(self._dialect)

    async def connect(self) -> None:
        """Connect to the server. Raises Unavailable."""
        await self._pool.open()

    async def disconnect(self) -> None:
        """Close every connection."""
        await self._pool.close()

    def limit_statements(self, seconds: float) -> None:
        """Interrupt the statements that still run after `seconds`; each later one may take as long."""
        self._pool.limit_statements(seconds)

    def connection(self) -> PostgreSQLConnection:
        """Return a connection for one task."""
        return PostgreSQLConnection(self._pool, self._statements, self._dialect, self.on_query)

    @property
    def pool_stats(self) -> PoolStats:
        """The connections of this process."""
        return self._pool.stats

    def watcher(self) -> Listener:
        """Return a watcher for commits of events."""
        return Listener(self._url, self._acquire_timeout)
