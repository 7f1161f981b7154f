"""`databases` made fit for production: transactions that survive cancellation, compiled statements, one table of errors.

A connection belongs to an asyncio task: what a child task (of `gather`, of a task group) does inside a transaction of its
parent is not part of that transaction.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar, cast

import anyio
from databases import Database as UpstreamDatabase
from databases.core import Connection as UpstreamConnection
from databases.core import Transaction as UpstreamTransaction
from databases.interfaces import Record

from blog.db.compiled_queries import Query
from blog.observability import server_timing

T = TypeVar("T")


class UniqueViolation(Exception):
    """A row with this value exists already; `table` and `column` name what must be unique."""

    def __init__(self, table: str, column: str) -> None:
        super().__init__(f"{table}.{column} must be unique")
        self.table, self.column = table, column


@dataclass(frozen=True, slots=True)
class PoolStats:
    """The connections of this process: open ones, those in use, and the tasks that wait for one."""

    size: int
    in_use: int
    waiting: int


class CommitWatcher(Protocol):
    """Tells that somebody committed something of which followers may want to hear: a hint to read on, never the news."""

    async def open(self) -> None:
        """Begin to watch."""
        ...

    async def wait(self, timeout: float) -> None:
        """Return after the next such commit of any connection, or after `timeout` seconds."""
        ...

    def notify(self) -> None:
        """This process committed: no need to wait until the database says so."""
        ...

    async def close(self) -> None:
        """Stop watching."""
        ...


async def run_shielded(step: Coroutine[Any, Any, T]) -> T:
    """Finish a driver's step although the caller is cancelled meanwhile, and only then raise the cancellation.

    A step cut in the middle would leave a connection in a state that nobody knows.
    """
    inner = asyncio.ensure_future(step)
    with server_timing.measure("db"):
        try:
            await asyncio.wait([inner])  # that which is waited for is not cancelled
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                while not inner.done():
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait([inner])
            if not inner.cancelled():
                inner.exception()  # retrieved, so that it is not reported as lost
            raise
    return inner.result()


class Transaction(UpstreamTransaction):
    """Upstream keeps the connection for ever when BEGIN or COMMIT fails or is cancelled; here it always goes back."""

    async def start(self) -> "Transaction":
        """BEGIN, or SAVEPOINT inside another transaction."""
        connection = self._connection
        self._transaction = backend = connection._connection.transaction()
        async with connection._transaction_lock:
            is_root = not connection._transaction_stack
            await connection.__aenter__()
            try:
                await backend.start(is_root=is_root, extra_options=self._extra_options)
            except BaseException:
                await self._release_after_failure(connection, backend)
                raise
            connection._transaction_stack.append(self)
        return self

    async def commit(self) -> None:
        """COMMIT, or RELEASE."""
        await self._end("commit")

    async def rollback(self) -> None:
        """ROLLBACK, to the savepoint inside another transaction."""
        await self._end("rollback")

    async def _end(self, how: str) -> None:
        connection, backend = self._connection, self._transaction
        async with connection._transaction_lock:
            connection._transaction_stack.remove(self)
            try:
                await getattr(backend, how)()
            except BaseException:
                await self._release_after_failure(connection, backend)
                raise
            self._transaction = None
            await connection.__aexit__()
        is_over = how == "commit" and not connection._transaction_stack and not self._extra_options.get("readonly")
        if is_over and isinstance(connection._database, Database):
            connection._database._after_commit()

    async def _release_after_failure(self, connection: UpstreamConnection, backend: Any) -> None:
        try:
            with contextlib.suppress(Exception):  # the error that led here is the one to tell of
                await backend.rollback()
        finally:
            self._transaction = None
            await connection.__aexit__()


class Database(UpstreamDatabase):
    """The database of one blog.

    `acquire_timeout` is how long, in seconds, a task waits for a connection. Further options are those of the backend
    (`blog/db/sqlite/backend.py`, `blog/db/postgresql/backend.py`). Raises ValueError for a URL or an option that cannot be;
    `blog.errors.Unavailable` when the database cannot serve for the moment; `UniqueViolation`.

    Each callable in `on_query` is told the SQL text of each statement before it runs, each in `on_commit` of each transaction
    that may have written something.
    """

    SUPPORTED_BACKENDS = {  # noqa: RUF012 (upstream's own class attribute)
        "sqlite": "blog.db.sqlite.backend:SQLiteBackend",
        "postgresql": "blog.db.postgresql.backend:PostgreSQLBackend",
    }

    def __init__(self, url: str, *, acquire_timeout: float = 10.0, **options: Any) -> None:
        self.on_query: list[Callable[[str], None]] = []
        self.on_commit: list[Callable[[], None]] = []
        self._watchers: weakref.WeakSet[CommitWatcher] = weakref.WeakSet()
        super().__init__(url, acquire_timeout=acquire_timeout, **options)
        self._backend.on_query = self.on_query

    def connection(self) -> UpstreamConnection:
        """The connection of this task."""
        if (connection := self._connection) is None:
            connection = self._connection = UpstreamConnection(self, self._backend)
        return connection

    def transaction(self, *, force_rollback: bool = False, **options: Any) -> Transaction:
        """All or nothing, and alone: one transaction after the other writes. To read only, use `snapshot` instead."""
        return Transaction(self.connection, force_rollback=force_rollback, **options)

    async def fetch_all(self, query: Query | str, values: dict[Any, Any] | None = None) -> list[Record]:
        """All rows."""
        return await super().fetch_all(cast(Any, query), values)

    async def fetch_one(self, query: Query | str, values: dict[Any, Any] | None = None) -> Record | None:
        """The first row."""
        return await super().fetch_one(cast(Any, query), values)

    async def fetch_val(self, query: Query | str, values: dict[Any, Any] | None = None, column: Any = 0) -> Any:
        """One value of the first row."""
        return await super().fetch_val(cast(Any, query), values, column)

    async def execute(self, query: Query | str, values: dict[Any, Any] | None = None) -> Any:
        """The new id of an INSERT of one row, None when it inserted nothing; of other statements the number of rows changed."""
        return await super().execute(cast(Any, query), values)

    async def pipeline(self, *queries: Query) -> None:
        """Run statements whose outcome nobody needs, for little more than one costs; inside a transaction only.

        They run at the latest with its next statement, or with its COMMIT, which then tells of their errors.
        """
        connection = self.connection()
        if not connection._transaction_stack:
            raise RuntimeError("open a transaction: of several statements either all are kept or none")
        if queries:
            async with connection._query_lock:
                backend: Any = connection._connection
                await backend.pipeline(queries)

    async def fetch_many(self, *queries: Query) -> list[list[Record]]:
        """All rows of each query, for little more than one costs; of one state inside a `snapshot`."""
        async with self.connection() as connection, connection._query_lock:
            backend: Any = connection._connection
            rows: list[list[Record]] = await backend.fetch_many(queries)
            return rows

    async def fetch_many_consistent(self, *queries: Query) -> list[list[Record]]:
        """All rows of each query, as in a `snapshot` of their own."""
        if self.kind != "sqlite":
            async with self.snapshot():
                return await self.fetch_many(*queries)
        async with self.connection() as connection, connection._query_lock:
            backend: Any = connection._connection
            rows: list[list[Record]] = await backend.fetch_many(queries, consistent=True)
            return rows

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """All reads inside see one state of the database. Inside a transaction it is that transaction's."""
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
        """Which database it is: `sqlite` or `postgresql`."""
        return self.url.dialect

    @property
    def pool_stats(self) -> PoolStats:
        """The connections of this process."""
        state: PoolStats = self._backend.pool_stats
        return state

    def watcher(self) -> CommitWatcher:
        """Something that waits for commits, of this process and of others."""
        watcher: CommitWatcher = self._backend.watcher()
        self._watchers.add(watcher)
        return watcher

    def _after_commit(self) -> None:
        """A transaction of this process is in the database: watchers look at once."""
        for told in self.on_commit:
            told()
        self.notify_watchers()

    def notify_watchers(self) -> None:
        """Somebody wrote something: watchers look at once."""
        for watcher in self._watchers:
            watcher.notify()

    def iterate(self, query: Any, values: dict[Any, Any] | None = None) -> AsyncGenerator[Mapping[Any, Any], None]:
        """Not here: upstream holds the task's connection and its lock for as long as the caller takes."""
        raise TypeError("read keyset pages with fetch_all instead")

    def _get_backend(self) -> str:
        try:
            return self.SUPPORTED_BACKENDS[self.url.dialect]
        except KeyError:
            known = ", ".join(self.SUPPORTED_BACKENDS)
            raise ValueError(f"no database of the kind {self.url.dialect!r} is supported, only {known}") from None
