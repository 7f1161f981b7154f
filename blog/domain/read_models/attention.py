"""Reminders for owners: waiting comments and drafts, failed e-mails, the age of the last backup, the schema and the disk."""

import datetime as dt
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import anyio.to_thread
import sqlalchemy as sa
from databases.interfaces import Record

from blog import __version__
from blog.db import migration, tables
from blog.domain.core import email_queue, policy
from blog.domain.core.context import Context
from blog.domain.site import database_probe
from blog.schemas.comments import CommentStatus
from blog.schemas.posts import PostStatus

_p, _c, _e, _m = tables.posts.c, tables.comments.c, tables.email_queue.c, tables.app_metadata.c
DRAFT_DAYS = 14
"""Days without a change after which a draft waits."""
EMAIL_DAYS = 7
"""Days for which an e-mail that was given up is shown."""
MIN_FREE_BYTES, MIN_FREE_SHARE = 1_000_000_000, 0.1
"""The disk is nearly full below both: a small disk that is mostly empty is well."""


class Topic(StrEnum):
    """The subject of an item."""

    COMMENTS = "comments"
    DRAFTS = "drafts"
    EMAILS = "emails"
    EMAIL_ABANDONED = "email_abandoned"
    NO_BACKUP = "no_backup"
    BACKUP = "backup"
    SCHEMA_OLD = "schema_old"
    SCHEMA_NEW = "schema_new"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that needs attention. `number`: how many, how many days, or how many free megabytes."""

    topic: Topic
    number: int = 0


@dataclass(frozen=True, slots=True)
class Attention:
    """The items, the version of the blog that runs, and the schema revision of the database."""

    items: Sequence[Item]
    version: str
    revision: str


async def read(ctx: Context) -> Attention:
    """Return everything that needs attention. Raises NotAuthenticated, Forbidden."""
    policy.require_owner(ctx)
    async with ctx.db.snapshot():
        counts = await ctx.db.fetch_one(_count_query(ctx.now))
        times = {row["name"]: row["value"] for row in await ctx.db.fetch_all(_TIMES)}
        revision = await database_probe.current_revision(ctx.db) or ""
    folders = (ctx.site.settings.data_dir, ctx.site.settings.media_dir)
    free = await anyio.to_thread.run_sync(_scarce_bytes, folders)
    disk = [] if free is None else [Item(Topic.DISK, free // 1_000_000)]
    items = [*_waiting_items(counts), *_past_items(ctx, times), *_schema_items(revision), *disk]
    return Attention(items, __version__, revision)


_TIMES = sa.select(_m.name, _m.value).where(_m.name.in_((database_probe.LAST_BACKUP, email_queue.LAST_ABANDONED)))


def _count_query(now: dt.datetime) -> sa.Select[tuple[int, ...]]:
    old = now - dt.timedelta(days=DRAFT_DAYS)
    is_waiting = (_p.status == PostStatus.DRAFT.value) & _p.deleted_at.is_(None) & (_p.updated_at < old)
    # A first attempt that is in progress counts too, but an e-mail is usually sent within a second.
    conditions = {
        Topic.COMMENTS: (tables.comments, _c.status == CommentStatus.PENDING.value),
        Topic.DRAFTS: (tables.posts, is_waiting),
        Topic.EMAILS: (tables.email_queue, (_e.attempts > 0) & (_e.created_at < now - dt.timedelta(minutes=1))),
    }
    return sa.select(
        *(
            sa.select(sa.func.count()).select_from(table).where(condition).scalar_subquery().label(topic.value)
            for topic, (table, condition) in conditions.items()
        )
    )


def _waiting_items(counts: Record | None) -> Iterator[Item]:
    for topic in (Topic.COMMENTS, Topic.DRAFTS, Topic.EMAILS):
        if counts and (number := counts[topic.value]):
            yield Item(topic, number)


def _past_items(ctx: Context, times: dict[str, str]) -> Iterator[Item]:
    ages = {name: (ctx.now - dt.datetime.fromisoformat(value)).days for name, value in times.items()}
    if (age := ages.get(email_queue.LAST_ABANDONED)) is not None and age < EMAIL_DAYS:
        yield Item(Topic.EMAIL_ABANDONED, age)
    limit, age = ctx.site.settings.backup_reminder_days, ages.get(database_probe.LAST_BACKUP)
    if limit and age is None:
        yield Item(Topic.NO_BACKUP)
    elif limit and age is not None and age >= limit:
        yield Item(Topic.BACKUP, age)


def _schema_items(revision: str) -> Iterator[Item]:
    if revision != migration.head():
        yield Item(Topic.SCHEMA_OLD if migration.is_known(revision) else Topic.SCHEMA_NEW)


def _scarce_bytes(folders: Sequence[os.PathLike[str]]) -> int | None:
    """Return the free bytes of the fullest disk of these folders if it is nearly full, else None."""
    scarce = []
    for folder in folders:
        try:
            usage = shutil.disk_usage(folder)
        except FileNotFoundError:  # the folder of images is created with the first image
            continue
        if usage.free < min(MIN_FREE_BYTES, usage.total * MIN_FREE_SHARE):
            scarce.append(usage.free)
    return min(scarce, default=None)
