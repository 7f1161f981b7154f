"""The backend that `databases` finds by its name."""

from collections.abc import Callable
from typing import Any

from databases import DatabaseURL
from databases.interfaces import DatabaseBackend
from sqlalchemy.dialects.sqlite import pysqlite

from blog.db.compiled_queries import StatementCache
from blog.db.database import PoolStats
from blog.db.sqlite.connection import SQLiteConnection
from blog.db.sqlite.pool import Pool
from blog.db.sqlite.watcher import CommitPoller


def sqlite_path(url: str) -> str:
    """The file that `sqlite:///FILE` names, taken as it stands. Raises ValueError when it names none or has options.

    One reading for the application and for migrations: `databases` decodes %20, SQLAlchemy does not.
    """
    path = url.removeprefix("sqlite:///")
    if path in (url, "", ":memory:") or "?" in path:
        raise ValueError("give the path of a file, without options, such as sqlite:///blog.db")
    return path


class SQLiteBackend(DatabaseBackend):
    """The backend that `Database` uses for `sqlite:///FILE`; times are in seconds."""

    on_query: list[Callable[[str], None]]

    def __init__(
        self,
        database_url: DatabaseURL | str,
        *,
        readers: int = 4,
        acquire_timeout: float = 10.0,
        busy_timeout: float = 10.0,
        statement_timeout: float = 30.0,
        synchronous: str = "FULL",
    ) -> None:
        self._path = sqlite_path(str(database_url))
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
        self._pool = Pool(self._path, readers, acquire_timeout, statement_timeout, pragmas)
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

    @property
    def pool_stats(self) -> PoolStats:
        """Its connections."""
        return self._pool.stats

    def watcher(self) -> CommitPoller:
        """Waits for commits."""
        return CommitPoller(self._path)


def _dialect() -> Any:
    dialect = pysqlite.dialect(paramstyle="qmark")
    dialect.supports_native_decimal = False
    return dialect
