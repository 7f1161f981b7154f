"""`databases` with transactions that survive cancellation, compiled statements, snapshots and commit notifications.

A connection belongs to one asyncio task. A child task (`gather`, a task group) does not take part in its parent's transaction.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, cast

from databases import Database as UpstreamDatabase
from databases.core import Connection as UpstreamConnection
from databases.interfaces import Record

from blog.db.compiled_queries import Query
from blog.db.transaction import Transaction


class UniqueViolation(Exception):
    """A row with the same value of a unique column exists already."""

    def __init__(self, table: str, column: str) -> None:
        super().__init__(f"{table}.{column} must be unique")
        self.table, self.column = table, column


@dataclass(frozen=True, slots=True)
class PoolStats:
    """The number of open connections of this process, of connections in use, and of tasks that wait for one."""

    size: int
    in_use: int
    waiting: int


class CommitWatcher(Protocol):
    """Wait for commits of any process. A wake-up is only a hint to read the event log."""

    async def open(self) -> None:
        """Start watching. Raises Unavailable."""
        ...

    async def wait(self, timeout: float) -> None:
        """Return after the next commit, or after `timeout` seconds."""
        ...

    def notify(self) -> None:
        """Wake up at once, because this process has committed."""
        ...

    async def close(self) -> None:
        """Stop watching."""
        ...


class Database(UpstreamDatabase):
    """The database of one blog.

    - `url`: `sqlite:///FILE` or `postgresql://…`.
    - `acquire_timeout`: seconds that a task waits for a connection.
    - `options`: the options of the backend (`blog/db/sqlite/backend.py`, `blog/db/postgresql/backend.py`).

    Callables in `on_query` get the SQL text of each statement before it runs. Callables in `on_commit` run after each commit
    of a transaction that may have written. Raises ValueError for an invalid URL or option; all methods raise Unavailable if
    the database does not work, and UniqueViolation.
    """

    SUPPORTED_BACKENDS = {  # noqa: RUF012 (a class attribute of `databases`)
        "sqlite": "blog.db.sqlite.backend:SQLiteBackend",
        "postgresql": "blog.db.postgresql.backend:PostgreSQLBackend",
    }

    def __init__(self, url: str, *, acquire_timeout: float = 10.0, **options: Any) -> None:
        self.on_query: list[Callable[[str], None]] = []
        self.on_commit: list[Callable[[], None]] = []
        self._watchers: weakref.WeakSet[CommitWatcher] = weakref.WeakSet()
        # The beginnings of deferred transactions, by task: a child task does not take part in its parent's transaction.
        self._deferred: weakref.WeakKeyDictionary[asyncio.Task[Any], Callable[[], Awaitable[None]]] = weakref.WeakKeyDictionary()
        super().__init__(url, acquire_timeout=acquire_timeout, **options)
        self._backend.on_query = self.on_query

    def connection(self) -> UpstreamConnection:
        """Return the connection of this task."""
        if (connection := self._connection) is None:
            connection = self._connection = UpstreamConnection(self, self._backend)
        return connection

    def transaction(self, *, force_rollback: bool = False, **options: Any) -> Transaction:
        """Return an atomic write transaction. Write transactions run one after the other: to only read, use `snapshot`."""
        return Transaction(self.connection, force_rollback, self._begin_deferred, self._after_commit, **options)

    @contextlib.asynccontextmanager
    async def deferred_transaction(self, on_begin: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Put all write transactions of the block into one, which begins with the first of them.

        Slow work before that, such as rendering, does not hold the write lock. `on_begin` runs inside the transaction, before
        all changes; what it raises is raised where the first transaction begins. Statements of the block that run before any
        transaction are separate.
        """
        task = asyncio.current_task()
        if task is None or task in self._deferred or self.connection()._transaction_stack:
            raise RuntimeError("a deferred transaction is the outermost one of its task")
        async with contextlib.AsyncExitStack() as stack:

            async def begin() -> None:
                await stack.enter_async_context(Transaction(self.connection, False, None, self._after_commit))
                await on_begin()

            self._deferred[task] = begin
            try:
                yield
            finally:
                del self._deferred[task]

    async def _begin_deferred(self) -> None:
        task = asyncio.current_task()
        if task is not None and task in self._deferred and not self.connection()._transaction_stack:
            await self._deferred[task]()

    async def fetch_all(self, query: Query | str, values: dict[Any, Any] | None = None) -> list[Record]:
        """Return all rows."""
        return await super().fetch_all(cast(Any, query), values)

    async def fetch_one(self, query: Query | str, values: dict[Any, Any] | None = None) -> Record | None:
        """Return the first row, or None."""
        return await super().fetch_one(cast(Any, query), values)

    async def fetch_val(self, query: Query | str, values: dict[Any, Any] | None = None, column: Any = 0) -> Any:
        """Return one value of the first row, or None."""
        return await super().fetch_val(cast(Any, query), values, column)

    async def execute(self, query: Query | str, values: dict[Any, Any] | None = None) -> Any:
        """Return the new id of an INSERT of one row, or None if it inserted nothing; else the number of changed rows."""
        return await super().execute(cast(Any, query), values)

    async def pipeline(self, *queries: Query) -> None:
        """Queue statements without a result, inside a transaction. Together they cost little more than one statement.

        They run with the next statement of the transaction or with its COMMIT, which then raises their errors.
        """
        connection = self.connection()
        if not connection._transaction_stack:
            raise RuntimeError("open a transaction first: several statements must be atomic")
        if queries:
            async with connection._query_lock:
                backend: Any = connection._connection
                await backend.pipeline(queries)

    async def fetch_many(self, *queries: Query) -> list[list[Record]]:
        """Return all rows of each query. Together they cost little more than one query."""
        async with self.connection() as connection, connection._query_lock:
            backend: Any = connection._connection
            rows: list[list[Record]] = await backend.fetch_many(queries)
            return rows

    async def fetch_many_consistent(self, *queries: Query) -> list[list[Record]]:
        """Return all rows of each query, from one state of the database, as in a `snapshot`."""
        if self.kind != "sqlite":
            async with self.snapshot():
                return await self.fetch_many(*queries)
        async with self.connection() as connection, connection._query_lock:
            backend: Any = connection._connection
            rows: list[list[Record]] = await backend.fetch_many(queries, consistent=True)
            return rows

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """Let all reads in the block see one state of the database: that of the open transaction, if there is one."""
        if self.connection()._transaction_stack:
            yield
            return
        async with self.transaction(readonly=True):
            yield

    async def __aenter__(self) -> Self:
        """Connect."""
        await self.connect()
        return self

    @property
    def kind(self) -> str:
        """The kind of database: `sqlite` or `postgresql`."""
        return self.url.dialect

    @property
    def pool_stats(self) -> PoolStats:
        """The connections of this process."""
        stats: PoolStats = self._backend.pool_stats
        return stats

    def limit_statements(self, seconds: float) -> None:
        """Interrupt the statements that still run after `seconds`, for a shutdown; each later one may take as long."""
        self._backend.limit_statements(seconds)

    def watcher(self) -> CommitWatcher:
        """Return a watcher for the commits of all processes."""
        watcher: CommitWatcher = self._backend.watcher()
        self._watchers.add(watcher)
        return watcher

    def _after_commit(self) -> None:
        for callback in self.on_commit:
            callback()
        self.notify_watchers()

    def notify_watchers(self) -> None:
        """Wake up all watchers at once, after a commit."""
        for watcher in self._watchers:
            watcher.notify()

    def iterate(self, query: Any, values: dict[Any, Any] | None = None) -> AsyncGenerator[Mapping[Any, Any], None]:
        """Raise TypeError: `databases` would lock the connection for as long as the caller iterates."""
        raise TypeError("read keyset pages with fetch_all instead")

    def _get_backend(self) -> str:
        try:
            return self.SUPPORTED_BACKENDS[self.url.dialect]
        except KeyError:
            supported = ", ".join(self.SUPPORTED_BACKENDS)
            raise ValueError(f"databases of the kind {self.url.dialect!r} are not supported, use one of: {supported}") from None
