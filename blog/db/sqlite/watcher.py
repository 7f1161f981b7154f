"""Hears of commits, also of other processes."""

import asyncio
import contextlib
import sqlite3

from blog.db.database import to_the_end
from blog.db.sqlite.driver import Connection, connect
from blog.db.sqlite.errors import translated
from blog.db.sqlite.pool import Identity, close, identity
from blog.errors import Unavailable


class CommitPoller:
    """Asks SQLite for its `data_version`, one integer that changes with the commits of all other connections."""

    def __init__(self, path: str, every: float = 0.05) -> None:
        self._path, self._every = path, every
        self._connection: Connection | None = None
        self._seen: int | None = None
        self._files: Identity = ()
        self._noticed = asyncio.Event()

    async def open(self) -> None:
        """Open a connection of its own. Raises Unavailable."""
        try:
            await to_the_end(self._open())
        except BaseException:
            await self.close()
            raise

    async def wait(self, timeout: float) -> None:
        """Return after the next commit since the last call, of our own also if it wrote nothing, or after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while True:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._noticed.wait(), self._every)
                    if self._noticed.is_set():
                        self._noticed.clear()
                        return
                    # SQLite tells nobody of a commit: asking is all there is. After one of our own it tells of that once more.
                    before, self._seen = self._seen, await to_the_end(self._poll())
                    if self._seen != before:
                        return

    def notice(self) -> None:
        """This process committed: look now."""
        self._noticed.set()

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await to_the_end(close(connection))

    async def _open(self) -> None:
        with translated():
            self._connection = await connect(self._path)
            self._seen = await self._version()
            self._files = identity(self._path)

    async def _poll(self) -> int | None:
        try:
            if (present := identity(self._path)) != self._files and present[0] is not None:
                await self._reopen()
            return await self._version()
        except (sqlite3.Error, Unavailable):
            return self._seen  # no news; whoever reads the tables meets the same trouble and tells of it

    async def _reopen(self) -> None:
        """Another file bears the name: whoever waits should look at it."""
        former = self._connection
        try:
            await self._open()
            self._seen = None
        finally:
            if former is not None and former is not self._connection:
                await close(former)

    async def _version(self) -> int:
        if self._connection is None:
            raise RuntimeError("open the watcher first")
        ((version,),) = await self._connection.execute_fetchall("PRAGMA data_version")
        return int(version)
