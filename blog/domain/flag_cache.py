"""The state of the feature flags as this process knows it: asking costs no query."""

from collections.abc import Mapping

import anyio
import sqlalchemy as sa
import structlog

from blog.db import tables
from blog.db.database import Database
from blog.errors import Unavailable
from blog.schemas.flags import Flag
from blog.settings import Settings

log = structlog.stdlib.get_logger("blog.flags")
REFRESH_SECONDS = 0.5
"""How often the state is read anew, so that each worker follows the others within a second."""


class FlagCache:
    """The defaults of the settings, and over them what owners have set."""

    def __init__(self, settings: Settings) -> None:
        self.defaults: Mapping[Flag, bool] = {
            Flag.REGISTRATION: settings.registration,
            Flag.COMMENTS: settings.comments,
            Flag.LIVE: settings.live,
            Flag.UPLOADS: settings.uploads,
        }
        self._states = dict(self.defaults)
        self._reading = anyio.Lock()

    def on(self, flag: Flag) -> bool:
        """Is it switched on?"""
        return self._states[flag]

    async def refresh(self, db: Database) -> None:
        """Read the state. Raises Unavailable; the last known state stays then."""
        async with self._reading:  # an older state read at the same time must not come last
            rows = await db.fetch_all(sa.select(tables.flags.c.name, tables.flags.c.enabled))
            # A newer version of the blog may know flags that this one does not.
            self._states = {**self.defaults, **{Flag(row["name"]): row["enabled"] for row in rows if row["name"] in set(Flag)}}

    async def follow(self, db: Database) -> None:
        """Read the state again and again, for ever."""
        while True:
            await anyio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh(db)
            except Unavailable as error:
                log.warning("feature flags stay as they were last known", reason=error.detail)
