"""View counts of posts by day (UTC): counted in memory and written in batches. Nothing about the viewer is stored."""

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
"""Interval between writes, and the most that `kill -9` of the process can lose."""

_v, _p = tables.post_views.c, tables.posts.c


class ViewCounter:
    """Views that this process has counted and not yet written. Counting never waits for the database."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, dt.date]] = Counter()
        self._outage = OutageLog(log, "view counts cannot be written; retrying", "view counts are written again")

    def add(self, post_id: int, day: dt.date) -> None:
        """Count one view."""
        self._counts[post_id, day] += 1

    async def flush(self, db: Database) -> None:
        """Write the counts in one transaction. If it fails, they are kept for the next attempt."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            async with db.transaction():
                # Sorted, so that all processes lock rows in the same order and cannot deadlock.
                for (post_id, day), count in sorted(counts.items()):
                    await _upsert(db, post_id, day, count)
        except BaseException:
            self._counts.update(counts)
            raise

    async def flush_periodically(self, db: Database) -> None:
        """Flush every `FLUSH_SECONDS` until cancelled, and once more at the end."""
        try:
            while True:
                await anyio.sleep(FLUSH_SECONDS)
                await self._try_flush(db)
        finally:
            await self._try_flush(db)

    async def _try_flush(self, db: Database) -> None:
        with anyio.CancelScope(shield=True):  # if cancelled at COMMIT, it would be unknown whether to write again
            try:
                await self.flush(db)
                self._outage.recovered()
            except Unavailable as error:
                self._outage.failed(error.detail)
            except Exception:  # for example two processes that insert the first view of a post and day
                log.exception("view counts could not be written; retrying")


async def _upsert(db: Database, post_id: int, day: dt.date, count: int) -> None:
    # Upsert syntax differs between databases; an UPDATE that affects no row is portable.
    row = (_v.post_id == post_id) & (_v.day == day)
    if not await db.execute(tables.post_views.update().where(row).values(views=_v.views + count)):
        await db.execute(tables.post_views.insert().values(post_id=post_id, day=day, views=count))
    await db.execute(tables.posts.update().where(_p.id == post_id).values(view_count=_p.view_count + count))
