"""How often posts are read, by day (UTC): counted in memory, written together every few seconds. Nobody is remembered."""

import datetime as dt
from collections import Counter

import anyio
import structlog

from blog.db import tables
from blog.db.database import Database
from blog.errors import Unavailable
from blog.observability.logging import OutageLog

log = structlog.stdlib.get_logger("blog.views")
FLUSH_SECONDS = 5.0
"""How often counts are written: what `kill -9` of the process can lose."""

_v = tables.post_views.c


class ViewCounter:
    """The views that this process has counted and not yet written. Counting never waits."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, dt.date]] = Counter()
        self._outage = OutageLog(log, "views are written later", "views are written again")

    def add(self, post_id: int, day: dt.date) -> None:
        """Count one view."""
        self._counts[post_id, day] += 1

    async def flush(self, db: Database) -> None:
        """Write what was counted, in one transaction. When it fails the counts stay for the next time."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            async with db.transaction():
                # In one order in all processes, so that none waits for another in a circle.
                for (post_id, day), count in sorted(counts.items()):
                    await _upsert(db, post_id, day, count)
        except BaseException:
            self._counts.update(counts)
            raise

    async def flush_periodically(self, db: Database) -> None:
        """Flush every few seconds, for ever, and once more when that ends."""
        try:
            while True:
                await anyio.sleep(FLUSH_SECONDS)
                await self._try_flush(db)
        finally:
            await self._try_flush(db)

    async def _try_flush(self, db: Database) -> None:
        with anyio.CancelScope(shield=True):  # cut at COMMIT, nobody would know whether the counts are to be written again
            try:
                await self.flush(db)
                self._outage.recovered()
            except Unavailable as error:
                self._outage.failed(error.detail)
            except Exception:  # also two processes that write the first view of one post and day
                log.exception("views met an error, and are written later")


async def _upsert(db: Database, post_id: int, day: dt.date, count: int) -> None:
    # Upserts are written differently for each database; an update that finds no row says the same.
    row = (_v.post_id == post_id) & (_v.day == day)
    if not await db.execute(tables.post_views.update().where(row).values(views=_v.views + count)):
        await db.execute(tables.post_views.insert().values(post_id=post_id, day=day, views=count))
