"""The SQLite backend class of `databases`."""

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
    """Return the path in `sqlite:///FILE`, without decoding. Raises ValueError if there is none, or if the URL has options.

    The application and the migrations must read a URL the same way: `databases` decodes %20, SQLAlchemy does not.
    """
    path = url.removeprefix("sqlite:///")
    if path in (url, "", ":memory:") or "?" in path:
        raise ValueError("give the path of a file, without options, such as sqlite:///blog.db")
    return path


class SQLiteBackend(DatabaseBackend):
    """The backend for `sqlite:///FILE`.

    - `readers`: the maximum number of read connections.
    - `acquire_timeout`: seconds that a task waits for a connection.
    - `busy_timeout`: seconds that a statement waits for the lock of another process.
    - `statement_timeout`: seconds after which a statement is interrupted.
    - `synchronous`: the PRAGMA of this name; with FULL a commit is on disk when it returns.
    """

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
            raise ValueError("readers must be at least 1, and synchronous one of OFF, NORMAL, FULL, EXTRA")
        pragmas = (
            "PRAGMA journal_mode=WAL",
            f"PRAGMA synchronous={synchronous}",
            "PRAGMA foreign_keys=ON",
            "PRAGMA cache_size=-16000",
            "PRAGMA temp_store=MEMORY",
        )
        self._pool = Pool(
            self._path,
            readers,
            pragmas,
            acquire_timeout=acquire_timeout,
            statement_timeout=statement_timeout,
            busy_timeout=busy_timeout,
        )
        self._statements = StatementCache(_dialect())

    async def connect(self) -> None:
        """Open the file. Raises Unavailable."""
        await self._pool.open()

    async def disconnect(self) -> None:
        """Close every connection."""
        await self._pool.close()

    def limit_statements(self, seconds: float) -> None:
        """Interrupt the statements that still run after `seconds`; each later one may take as long."""
        self._pool.limit_statements(seconds)

    def connection(self) -> SQLiteConnection:
        """Return a connection for one task."""
        return SQLiteConnection(self._pool, self._statements, self.on_query)

    @property
    def pool_stats(self) -> PoolStats:
        """The connections of this process."""
        return self._pool.stats

    def watcher(self) -> CommitPoller:
        """Return a watcher for commits."""
        return CommitPoller(self._path)


def _dialect() -> Any:
    dialect = pysqlite.dialect(paramstyle="qmark")
    dialect.supports_native_decimal = False
    return dialect
