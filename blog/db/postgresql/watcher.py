"""Notifications about events that any process or machine commits."""

import asyncio
import contextlib
from typing import Any

import asyncpg

from blog.db.cancellation import run_shielded
from blog.db.postgresql.errors import translate_errors
from blog.db.postgresql.pool import server_settings
from blog.errors import Unavailable

CHANNEL = "blog_events"
"""The channel that the trigger of the event log notifies when a transaction with an event commits."""
_RECONNECT_DELAY = 1.0


class Listener:
    """A `CommitWatcher` that LISTENs on a separate connection, because a pooled one stops listening when it is released."""

    def __init__(self, dsn: str, timeout: float) -> None:
        self._dsn, self._timeout = dsn, timeout
        self._connection: Any = None
        self._wakeup = asyncio.Event()

    async def open(self) -> None:
        """Connect. Raises Unavailable."""
        try:
            await run_shielded(self._open())
        except BaseException:
            await self.close()
            raise

    async def wait(self, timeout: float) -> None:
        """Return after the next event since the last call or after `timeout` seconds; after a reconnect, at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self._wakeup.is_set():
                    await self._reopen()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wakeup.wait(), None if self._connection else _RECONNECT_DELAY)
                self._wakeup.clear()

    def notify(self) -> None:
        """Wake up at once: this process has committed, or the connection is lost."""
        self._wakeup.set()

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.remove_termination_listener(self._on_lost)
            await run_shielded(_close(connection))

    async def _reopen(self) -> None:
        if self._connection is not None:
            return
        with contextlib.suppress(Unavailable):  # code that reads the tables has the same failure and reports it
            await run_shielded(self._open())
            self.notify()  # notifications were missed meanwhile

    async def _open(self) -> None:
        with translate_errors():
            connection = await asyncpg.connect(
                self._dsn,
                timeout=self._timeout,
                command_timeout=self._timeout,
                server_settings=server_settings(self._timeout, self._timeout) | {"application_name": "blog listener"},
            )
            try:
                await connection.add_listener(CHANNEL, self._on_event)
            except BaseException:
                connection.terminate()
                raise
        connection.add_termination_listener(self._on_lost)
        self._connection = connection

    def _on_event(self, *_details: object) -> None:
        self.notify()

    def _on_lost(self, *_details: object) -> None:
        self._connection = None
        self.notify()


async def _close(connection: Any) -> None:
    try:
        with contextlib.suppress(Exception):  # it is terminated in any case
            await connection.close(timeout=3)
    finally:
        connection.terminate()
