"""Transactions that always return their connection, whatever fails."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from databases.core import Connection as UpstreamConnection
from databases.core import Transaction as UpstreamTransaction


class Transaction(UpstreamTransaction):
    """A transaction that always returns its connection.

    `databases` keeps the connection when BEGIN or COMMIT fails or is cancelled: a pool of 5 was empty after 67 cancellations.

    - `connection`: returns the connection of the task.
    - `before_begin`: called before BEGIN; may begin another transaction around this one.
    - `after_commit`: called after a COMMIT of changes.
    """

    def __init__(
        self,
        connection: Callable[[], UpstreamConnection],
        force_rollback: bool,
        before_begin: Callable[[], Awaitable[None]] | None,
        after_commit: Callable[[], None],
        **options: Any,
    ) -> None:
        super().__init__(connection, force_rollback, **options)
        self._before_begin, self._after_commit = before_begin, after_commit
        self._is_read_only = bool(options.get("readonly"))

    async def start(self) -> "Transaction":
        """Run BEGIN, or SAVEPOINT inside another transaction."""
        if self._before_begin is not None and not self._is_read_only:
            await self._before_begin()
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
        """Run COMMIT, or RELEASE of the savepoint."""
        await self._end("commit")

    async def rollback(self) -> None:
        """Run ROLLBACK, or ROLLBACK TO the savepoint."""
        await self._end("rollback")

    async def _end(self, method: str) -> None:
        connection, backend = self._connection, self._transaction
        async with connection._transaction_lock:
            connection._transaction_stack.remove(self)
            try:
                await getattr(backend, method)()
            except BaseException:
                await self._release_after_failure(connection, backend)
                raise
            self._transaction = None
            await connection.__aexit__()
        if method == "commit" and not connection._transaction_stack and not self._is_read_only:
            self._after_commit()

    async def _release_after_failure(self, connection: UpstreamConnection, backend: Any) -> None:
        try:
            with contextlib.suppress(Exception):  # the caller raises the first error
                await backend.rollback()
        finally:
            self._transaction = None
            await connection.__aexit__()
