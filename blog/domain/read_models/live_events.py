"""The events that live clients may see, checked against the present state of posts and comments.

A row of the log contains ids and no content. Neither a draft nor a removed comment leaks when an old event is replayed.
"""

import functools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.db.database import Database
from blog.domain.core.events import Event, EventType, channel_elements
from blog.domain.core.rows import from_row
from blog.schemas.comments import CommentStatus
from blog.schemas.posts import PostStatus

REMOVALS = frozenset({EventType.POST_UNPUBLISHED, EventType.POST_DELETED})
_REQUIRED_STATUS = {
    EventType.COMMENT_CREATED: CommentStatus.VISIBLE,
    EventType.COMMENT_UPDATED: CommentStatus.VISIBLE,
    EventType.COMMENT_HELD: CommentStatus.PENDING,
}
"""An event that shows a comment is sent only while the comment has this status."""

_e, _p, _c = tables.events.c, tables.posts.c, tables.comments.c


@dataclass(frozen=True, slots=True)
class VisibleEvent:
    """An event that its followers may see.

    version: of the post and the comment that it shows; the same content has the same version. Events that only name a
    removed post have none.
    """

    event: Event
    shows_comment: bool
    version: Hashable | None


def _has_type(kinds: Iterable[EventType]) -> sa.ColumnElement[bool]:
    return _e.type.in_([sa.literal(kind.value) for kind in kinds])  # literals: the text of a prepared query is fixed


def _visible(*columns: Any) -> sa.Select[Any]:
    """Return a query for the visible events, in log order."""
    is_published = _p.deleted_at.is_(None) & (_p.status == PostStatus.PUBLISHED.value)
    source = tables.events.outerjoin(tables.posts, (_p.id == _e.post_id) & is_published)
    shows = [(_e.type == kind.value) & (_c.status == status.value) for kind, status in _REQUIRED_STATUS.items()]
    is_visible = _has_type(REMOVALS) | (_p.id.is_not(None) & (~_has_type(_REQUIRED_STATUS) | sa.or_(*shows)))
    return (
        sa.select(*columns)
        .select_from(source.outerjoin(tables.comments, _c.id == _e.comment_id))
        .where(is_visible)
        .order_by(_e.id)
    )


@functools.lru_cache(maxsize=100)
def _ids_query(kind: str, channel_count: int) -> PreparedQuery:
    names = [sa.bindparam(f"channel_{number}", type_=sa.String) for number in range(channel_count)]
    element = channel_elements(kind)
    follows = sa.select(sa.literal(1)).select_from(element).where(element.c.value.in_(names)).exists()
    since, until = (sa.bindparam(name, type_=_e.id.type) for name in ("since", "until"))
    query = _visible(_e.id).where(_e.id > since, _e.id <= until, follows)
    return PreparedQuery(query.limit(sa.bindparam("limit", type_=sa.Integer)))


async def visible_ids(db: Database, channels: Sequence[str], since: int, until: int, *, limit: int) -> list[int]:
    """Return the ids of at most `limit` visible events of the channels, after the id `since` and up to `until`."""
    names = {f"channel_{number}": channel for number, channel in enumerate(channels)}
    query = _ids_query(db.kind, len(channels))
    return [row["id"] for row in await db.fetch_all(query(**names, since=since, until=until, limit=limit))]


@functools.lru_cache(maxsize=100)
def _events_query(count: int) -> PreparedQuery:
    ids = [sa.bindparam(f"id_{number}", type_=_e.id.type) for number in range(count)]
    state = (
        _p.version.label("post_version"), _p.comment_count,
        _c.status.label("comment_status"), _c.updated_at.label("comment_updated_at"), _c.moderation_note,
    )  # fmt: skip
    return PreparedQuery(_visible(tables.events, _e.type.label("event_type"), *state).where(_e.id.in_(ids)))


async def by_ids(db: Database, ids: Sequence[int]) -> list[VisibleEvent]:
    """Return the events with these ids that are still in the log and still visible, in log order."""
    rows = await db.fetch_all(_events_query(len(ids))(**{f"id_{number}": id_ for number, id_ in enumerate(ids)}))
    return [_visible_event(row) for row in rows]


def _visible_event(row: Record) -> VisibleEvent:
    event = from_row(Event, row)
    if event.event_type in REMOVALS:
        return VisibleEvent(event, False, None)
    shows_comment = row["comment_status"] == _REQUIRED_STATUS.get(event.event_type, CommentStatus.VISIBLE).value
    post = (event.post_id, row["post_version"], row["comment_count"])
    comment = (event.comment_id, shows_comment, row["comment_status"], row["comment_updated_at"], row["moderation_note"])
    return VisibleEvent(event, shows_comment, (post, comment))
