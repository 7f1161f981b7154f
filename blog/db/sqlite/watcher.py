"""Hears of commits, also of other processes."""

import asyncio
import contextlib
import sqlite3

from blog.db.database import run_shielded
from blog.db.sqlite.driver import Connection, connect
from blog.db.sqlite.errors import translate_errors
from blog.db.sqlite.pool import FileIdentity, close_connection, file_identity
from blog.errors import Unavailable


class CommitPoller:
    """Asks SQLite for its `data_version`, one integer that changes with the commits of all other connections."""

    def __init__(self, path: str, interval: float = 0.05) -> None:
        self._path, self._interval = path, interval
        self._connection: Connection | None = None
        self._last_version: int | None = None
        self._file_identity: FileIdentity = ()
        self._wakeup = asyncio.Event()

    async def open(self) -> None:
        """Open a connection of its own. Raises Unavailable."""
        try:
            await run_shielded(self._open())
        except BaseException:
            await self.close()
            raise

    async def wait(self, timeout: float) -> None:
        """Return after the next commit since the last call, of our own also if it wrote nothing, or after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while True:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wakeup.wait(), self._interval)
                    if self._wakeup.is_set():
                        self._wakeup.clear()
                        return
                    # SQLite tells nobody of a commit: asking is all there is. After one of our own it tells of that once more.
                    before, self._last_version = self._last_version, await run_shielded(self._poll())
                    if self._last_version != before:
                        return

    def notify(self) -> None:
        """This process committed: look now."""
        self._wakeup.set()

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await run_shielded(close_connection(connection))

    async def _open(self) -> None:
        with translate_errors():
            self._connection = await connect(self._path)
            self._last_version = await self._data_version()
            self._file_identity = file_identity(self._path)

    async def _poll(self) -> int | None:
        try:
            if (present := file_identity(self._path)) != self._file_identity and present[0] is not None:
                await self._reopen()
            return await self._data_version()
        except (sqlite3.Error, Unavailable):
            return self._last_version  # no news; whoever reads the tables meets the same trouble and tells of it

    async def _reopen(self) -> None:
        """Another file bears the name: whoever waits should look at it."""
        former = self._connection
        try:
            await self._open()
            self._last_version = None
        finally:
            if former is not None and former is not self._connection:
                await close_connection(former)

    async def _data_version(self) -> int:
        if self._connection is None:
            raise RuntimeError("open the watcher first")
        ((version,),) = await self._connection.execute_fetchall("PRAGMA data_version")
        return int(version)
