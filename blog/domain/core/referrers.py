"""Views by referring site: of a `Referer` header the host is counted per day, and nothing else of it is kept."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database

DIRECT, OTHER = "", "*"
"""The hosts of views without a referring site or from this blog, and of views from sites that are not counted one by one."""
MAX_HOSTS_PER_DAY = 200
"""Hosts that have a row of their own each day: anyone can send any host. Workers that write at once can exceed it a little."""
RETENTION_DAYS = 365
_MAX_HOST_LENGTH = 253
_SCHEMES = frozenset((b"https:", b"http:"))
# A name with at least two labels, the last one not numeric: neither an IP address nor a machine of a local network.
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_r = tables.referrer_views.c


def sent_host(referer: bytes | None) -> bytes:
    """Return the host of a `Referer` header as it was sent, with its port. Called for each view, so that it does no more."""
    if not referer:
        return b""
    parts = referer.split(b"/", 3)
    return parts[2] if len(parts) > 2 and parts[0] in _SCHEMES and len(parts[2]) <= _MAX_HOST_LENGTH else b"*"


def normalise_host(sent: bytes, own_hosts: Collection[str]) -> str:
    """Return the host in lower case, without user, port and `www.`; `DIRECT` for own hosts, `OTHER` for no host name."""
    if not sent:
        return DIRECT
    name = sent.decode("latin-1").lower().rpartition("@")[2]
    host = re.sub(r":\d*$", "", name).rstrip(".").removeprefix("www.")
    if host in own_hosts:
        return DIRECT
    return host if _HOST.fullmatch(host) else OTHER


async def add(db: Database, views: Mapping[tuple[dt.date, str], int]) -> None:
    """Add views by day and host; call it inside a transaction. Hosts above the limit of a day count as `OTHER`."""
    bounded = Counter[tuple[dt.date, str]]()
    for day in {day for day, _ in views}:
        known = {row["host"] for row in await db.fetch_all(sa.select(_r.host).where(_r.day == day))} | {DIRECT, OTHER}
        for host, count in sorted((host, count) for (of_day, host), count in views.items() if of_day == day):
            if host not in known and len(known) >= MAX_HOSTS_PER_DAY + 2:
                host = OTHER
            known.add(host)
            bounded[day, host] += count
    # Sorted, so that all processes lock rows in the same order and cannot deadlock.
    for (day, host), count in sorted(bounded.items()):
        row = (_r.day == day) & (_r.host == host)
        if not await db.execute(tables.referrer_views.update().where(row).values(views=_r.views + count)):
            await db.execute(tables.referrer_views.insert().values(day=day, host=host, views=count))
