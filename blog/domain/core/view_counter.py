"""View counts of posts, and of referring sites, by day (in the time zone of the blog): counted in memory and written in batches.

Nothing about the viewer is stored: no address, no browser, and of the referring page only the host.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping

import anyio
import structlog

from blog.db import tables
from blog.db.database import Database
from blog.domain.core import referrers
from blog.errors import Unavailable
from blog.observability.logging import OutageLog

log = structlog.stdlib.get_logger("blog.views")
FLUSH_SECONDS = 5.0
"""Interval between writes, and the most that `kill -9` of the process can lose."""

MAX_PENDING = 5000
"""Pairs of a post and a host between two writes, above which hosts are not distinguished: anyone can send any host."""

_Key = tuple[int, dt.date, bytes]
"""A post, a day and the host of the referring page as it was sent."""
_v, _p = tables.post_views.c, tables.posts.c


class ViewCounter:
    """Views that this process has counted and not yet written. Counting never waits for the database."""

    def __init__(self, own_hosts: Collection[str] = ()) -> None:
        """own_hosts: host names of this blog, from which a view is direct."""
        self._counts: dict[_Key, int] = {}
        self._own_hosts = frozenset(host.lower().removeprefix("www.") for host in own_hosts)
        self._outage = OutageLog(log, "view counts cannot be written; retrying", "view counts are written again")

    def add(self, post_id: int, day: dt.date, referer: bytes | None = None) -> None:
        """Count one view. referer: the header of the request."""
        # One dictionary, because this is a part of each cached response: a second one doubles its time, which is about 0.5 µs.
        key = post_id, day, referrers.sent_host(referer)
        count = self._counts.get(key)
        if count is None and len(self._counts) >= MAX_PENDING:
            key = post_id, day, b"*"
            count = self._counts.get(key)
        self._counts[key] = (count or 0) + 1

    async def flush(self, db: Database) -> None:
        """Write the counts in one transaction. If it fails, they are kept for the next attempt."""
        counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            async with db.transaction():
                # Sorted, so that all processes lock rows in the same order and cannot deadlock.
                for (post_id, day), count in sorted(_by_post(counts).items()):
                    await _upsert(db, post_id, day, count)
                await referrers.add(db, self._by_host(counts))
        except BaseException:
            for key, count in counts.items():
                self._counts[key] = self._counts.get(key, 0) + count
            raise

    def _by_host(self, counts: Mapping[_Key, int]) -> Counter[tuple[dt.date, str]]:
        views = Counter[tuple[dt.date, str]]()
        for (_, day, sent), count in counts.items():
            views[day, referrers.normalise_host(sent, self._own_hosts)] += count
        return views

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


def _by_post(counts: Mapping[_Key, int]) -> Counter[tuple[int, dt.date]]:
    views = Counter[tuple[int, dt.date]]()
    for (post_id, day, _), count in counts.items():
        views[post_id, day] += count
    return views


async def _upsert(db: Database, post_id: int, day: dt.date, count: int) -> None:
    # Upsert syntax differs between databases; an UPDATE that affects no row is portable.
    row = (_v.post_id == post_id) & (_v.day == day)
    if not await db.execute(tables.post_views.update().where(row).values(views=_v.views + count)):
        await db.execute(tables.post_views.insert().values(post_id=post_id, day=day, views=count))
    await db.execute(tables.posts.update().where(_p.id == post_id).values(view_count=_p.view_count + count))
