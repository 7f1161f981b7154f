"""The event log: one ordered table. Rows are written in the transaction of the change (a transactional outbox).

A cursor consists of the epoch of the log and the id of the last event seen, such as `k3f9x2.1234`. Clients treat it as opaque.
"""

import contextlib
import datetime as dt
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery
from blog.db.database import Database
from blog.domain.core.context import Context
from blog.domain.core.models import CommentLike, PostLike
from blog.domain.core.rows import from_row
from blog.text.normalisation import fold_name

_INSERT = PreparedQuery(
    tables.events.insert(), columns=("type", "occurred_at", "correlation_id", "channels", "post_id", "comment_id", "data")
)
_EPOCH_KEY = "event_epoch"
_ARRAY_ELEMENTS = {"sqlite": sa.func.json_each, "postgresql": sa.func.json_array_elements_text}


class EventType(StrEnum):
    """Types of events; the values are part of the public contract."""

    POST_PUBLISHED = "post.published"
    POST_UPDATED = "post.updated"
    POST_UNPUBLISHED = "post.unpublished"
    POST_DELETED = "post.deleted"
    COMMENT_CREATED = "comment.created"
    COMMENT_UPDATED = "comment.updated"
    COMMENT_REMOVED = "comment.removed"
    COMMENT_HELD = "comment.held"
    SITE_CHANGED = "site.changed"
    """A change of the site or of a profile. It invalidates caches and is never sent to clients."""


MODERATION = "moderation"
"""Channel of held comments and the decisions about them; for editors."""


POSTS = "posts"
"""Channel of all posts."""

SITE = "site"
"""Channel of what every page may show: title, navigation, display names. Internal: clients cannot subscribe to it."""

COMMENTS = "comments"
"""Channel of all comments, for pages that show their number."""

ME = "me"
"""Channel of the subscribing member: own posts, comments on them, own comments and replies to these."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the log."""

    id: int
    event_type: EventType
    occurred_at: dt.datetime
    correlation_id: str
    channels: tuple[str, ...]
    post_id: int
    comment_id: int | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log: after event `id` of this `epoch`."""

    epoch: str
    id: int

    @property
    def cursor(self) -> str:
        """Return the position as an opaque string for clients."""
        return f"{self.epoch}.{self.id}"


def post_channel(post_id: int) -> str:
    """Return the channel of one post and its comments."""
    return f"post:{post_id}"


def personal_channel(username: str) -> str:
    """Return the channel name that the log uses for `me` of this member."""
    return f"{ME}:{fold_name(username)}"


def client_channel(channel: str) -> str:
    """Return the name by which clients know a channel of the log."""
    return ME if channel.startswith(f"{ME}:") else channel


def is_private(channel: str) -> bool:
    """Return whether a channel of the log needs permission."""
    return channel == MODERATION or channel.startswith(f"{ME}:")


def _post_channels(post: PostLike) -> list[str]:
    tags = [f"tag:{fold_name(tag)}" for tag in post.tags]
    usernames = [author.username for author in post.authors]
    authors = [f"author:{fold_name(username)}" for username in usernames]
    return [POSTS, post_channel(post.id), *tags, *authors, *map(personal_channel, usernames)]


async def record_post(ctx: Context, event_type: EventType, post: PostLike, before: PostLike | None = None) -> None:
    """Record an event of a post. Call it inside the transaction of the change."""
    await ctx.db.execute(post_event(ctx, event_type, post, before))


def post_event(ctx: Context, event_type: EventType, post: PostLike, before: PostLike | None = None) -> BoundQuery:
    """Return the statement that records an event of a post.

    The channels of `before`, the post before the change, are included: followers of a tag that it lost get the event too.
    """
    channels = list(dict.fromkeys([*_post_channels(post), *(_post_channels(before) if before else ())]))
    data = {"post": {"id": post.id, "slug": post.slug}}
    return _INSERT(**_event_row(ctx, event_type, channels, post.id), comment_id=None, data=data)


async def record_comments(ctx: Context, comment_events: Iterable[tuple[EventType, Sequence[str], CommentLike]]) -> None:
    """Record events of comments, in this order, each with its channels. Call it inside the transaction of the change."""
    rows = [
        _event_row(ctx, event_type, channels, comment.post_id)
        | {"comment_id": comment.id, "data": {"comment": {"id": comment.id, "post_id": comment.post_id}}}
        for event_type, channels, comment in comment_events
    ]
    if rows:
        await ctx.db.execute(tables.events.insert().values(rows))


async def record_site_changed(ctx: Context) -> None:
    """Record a change of the site or of a profile. Call it inside the transaction of the change."""
    row = _event_row(ctx, EventType.SITE_CHANGED, [SITE], 0) | {"comment_id": None, "data": {}}
    await ctx.db.execute(tables.events.insert().values(row))


def _event_row(ctx: Context, event_type: EventType, channels: Sequence[str], post_id: int) -> dict[str, Any]:
    return {
        "type": event_type.value,
        "occurred_at": ctx.now,
        "correlation_id": ctx.correlation_id,
        "channels": list(channels),
        "post_id": post_id,
    }


LATEST_POSITION = PreparedQuery(
    sa.select(
        sa.select(tables.app_metadata.c.value).where(tables.app_metadata.c.name == _EPOCH_KEY).scalar_subquery().label("epoch"),
        sa.func.coalesce(sa.func.max(tables.events.c.id), 0).label("id"),
    )
)


async def position(db: Database) -> Position:
    """Return the end of the log. Read it in the same snapshot as the content that it describes."""
    return position_from_rows(await db.fetch_all(LATEST_POSITION()))


def position_from_rows(rows: Sequence[Record]) -> Position:
    """Return the position from the rows of `LATEST_POSITION`."""
    (row,) = rows  # an aggregate without GROUP BY always returns one row
    return Position(row["epoch"], row["id"])


@contextlib.asynccontextmanager
async def snapshot_with_position(db: Database) -> AsyncIterator[Position]:
    """Open a snapshot and yield the end of the log in it, so that content and position match."""
    async with db.snapshot():
        yield await position(db)


async def renew_epoch(db: Database) -> None:
    """Start a new log, so that all cursors of clients become invalid. Used after a restore."""
    await set_metadata(db, _EPOCH_KEY, secrets.token_hex(4))


async def set_metadata(db: Database, name: str, value: str) -> None:
    """Store a value in `app_metadata`."""
    async with db.transaction():
        await db.execute(tables.app_metadata.delete().where(tables.app_metadata.c.name == name))
        await db.execute(tables.app_metadata.insert().values(name=name, value=value))


def channel_elements(db_kind: str) -> sa.TableValuedAlias:
    """Return the channels of an event as a table with the column `value`, to join with `events`."""
    return _ARRAY_ELEMENTS[db_kind](tables.events.c.channels).table_valued("value")


_AFTER = PreparedQuery(
    sa.select(tables.events, tables.events.c.type.label("event_type"))
    .where(tables.events.c.id > sa.bindparam("id", type_=tables.events.c.id.type))
    .order_by(tables.events.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


async def after(db: Database, event_id: int, *, limit: int = 500) -> Sequence[Event]:
    """Return at most `limit` events after an id, in log order."""
    return [from_row(Event, row) for row in await db.fetch_all(_AFTER(id=event_id, limit=limit))]


async def read_batch(db: Database, event_id: int, *, limit: int) -> tuple[Position, Sequence[Event]]:
    """Return the end of the log and at most `limit` events after an id; fewer than `limit` reach up to that end."""
    end, rows = await db.fetch_many(LATEST_POSITION(), _AFTER(id=event_id, limit=limit))
    return position_from_rows(end), [from_row(Event, row) for row in rows]
