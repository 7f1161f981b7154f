"""Detection of commits by any process, through polling."""

import asyncio
import contextlib
import sqlite3

from blog.db.cancellation import run_shielded
from blog.db.sqlite.driver import Connection, connect
from blog.db.sqlite.errors import translate_errors
from blog.db.sqlite.pool import FileIdentity, close_connection, file_identity
from blog.errors import Unavailable


class CommitPoller:
    """A `CommitWatcher` that polls `PRAGMA data_version`, an integer that changes with commits of other connections.

    - `path`: the database file.
    - `interval`: seconds between two polls.
    """

    def __init__(self, path: str, interval: float = 0.05) -> None:
        self._path, self._interval = path, interval
        self._connection: Connection | None = None
        self._last_version: int | None = None
        self._file_identity: FileIdentity = ()
        self._wakeup = asyncio.Event()

    async def open(self) -> None:
        """Open a connection for polling. Raises Unavailable."""
        try:
            await run_shielded(self._open())
        except BaseException:
            await self.close()
            raise

    async def wait(self, timeout: float) -> None:
        """Return after the next commit since the last call, or after `timeout` seconds. Our own commits may be empty."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while True:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wakeup.wait(), self._interval)
                    if self._wakeup.is_set():
                        self._wakeup.clear()
                        return
                    # SQLite has no notifications. After a commit of our own, the poll reports the same commit once more.
                    before, self._last_version = self._last_version, await run_shielded(self._poll())
                    if self._last_version != before:
                        return

    def notify(self) -> None:
        """Wake up at once, because this process has committed."""
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
            return self._last_version  # code that reads the tables has the same failure and reports it

    async def _reopen(self) -> None:
        """Open the file that replaced the old one, and wake up the waiting task."""
        old_connection = self._connection
        try:
            await self._open()
            self._last_version = None
        finally:
            if old_connection is not None and old_connection is not self._connection:
                await close_connection(old_connection)

    async def _data_version(self) -> int:
        if self._connection is None:
            raise RuntimeError("open the watcher first")
        ((version,),) = await self._connection.execute_fetchall("PRAGMA data_version")
        return int(version)
