"""The one ordered log of what happened. A row is written in the transaction of the change that it tells of.

A cursor is the epoch of the log and the id of the last event seen, such as `k3f9x2.1234`; to clients it is opaque.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.context import Context
from blog.domain.models import Comment, Post


class EventName(StrEnum):
    """What can happen; the names are part of the public contract."""

    POST_PUBLISHED = "post.published"
    POST_UPDATED = "post.updated"
    POST_UNPUBLISHED = "post.unpublished"
    POST_DELETED = "post.deleted"
    COMMENT_CREATED = "comment.created"
    COMMENT_UPDATED = "comment.updated"
    COMMENT_REMOVED = "comment.removed"


COMMENTS = "comments"
"""The channel of all comments, for pages that show how many there are."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the log."""

    id: int
    name: EventName
    at: dt.datetime
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
        """As clients see it."""
        return f"{self.epoch}.{self.id}"


def post_channel(post_id: int) -> str:
    """The channel of one post and its comments."""
    return f"post:{post_id}"


def _channels(post: Post) -> list[str]:
    tags = [f"tag:{tag.casefold()}" for tag in post.tags]
    return ["posts", post_channel(post.id), *tags, *(f"author:{name.casefold()}" for name in post.authors)]


async def record_post(ctx: Context, name: EventName, post: Post, before: Post | None = None) -> None:
    """Tell of a post; call it inside the transaction that changed it. Who followed it by a tag that it lost hears of it too."""
    channels = list(dict.fromkeys([*_channels(post), *(_channels(before) if before else ())]))
    await _record(ctx, name, channels, post.id, None, {"post": {"id": post.id, "slug": post.slug}})


async def record_comment(ctx: Context, name: EventName, comment: Comment) -> None:
    """Tell of a comment; call it inside the transaction that changed it."""
    data = {"comment": {"id": comment.id, "post_id": comment.post_id}}
    await _record(ctx, name, [COMMENTS, post_channel(comment.post_id)], comment.post_id, comment.id, data)


async def _record(
    ctx: Context, name: EventName, channels: list[str], post_id: int, comment_id: int | None, data: dict[str, Any]
) -> None:
    await ctx.db.execute(
        tables.events.insert().values(
            name=name.value,
            at=ctx.now,
            correlation_id=ctx.correlation_id,
            channels=channels,
            post_id=post_id,
            comment_id=comment_id,
            data=data,
        )
    )


async def position(db: Database) -> Position:
    """The end of the log. Read it in the same snapshot as the content that it goes with."""
    epoch = sa.select(tables.facts.c.value).where(tables.facts.c.name == "event_epoch").scalar_subquery()
    row = await db.fetch_one(sa.select(epoch.label("epoch"), sa.func.coalesce(sa.func.max(tables.events.c.id), 0).label("id")))
    if row is None:
        raise AssertionError("an aggregate without GROUP BY always gives a row")
    return Position(row["epoch"], row["id"])


async def after(db: Database, event_id: int, *, limit: int = 500) -> Sequence[Event]:
    """The events that follow an id, in order, at most `limit`."""
    query = sa.select(tables.events).where(tables.events.c.id > event_id).order_by(tables.events.c.id).limit(limit)
    return [_event(row) for row in await db.fetch_all(query)]


def _event(row: Any) -> Event:
    return Event(
        id=row["id"],
        name=EventName(row["name"]),
        at=row["at"],
        correlation_id=row["correlation_id"],
        channels=tuple(row["channels"]),
        post_id=row["post_id"],
        comment_id=row["comment_id"],
        data=row["data"],
    )
