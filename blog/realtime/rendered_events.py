"""From rows of the log to what clients are told: the present state of the post, and the fragment that pages show."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog
from pydantic_core import to_json

from blog.db import tables
from blog.db.database import Database
from blog.domain.comments import comment_queries
from blog.domain.comments.models import Comment
from blog.domain.core.events import Event, EventType, Position, client_channel
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.framework.request.state import AppState
from blog.framework.response.serializers import post_out
from blog.framework.templating.templating import format_rfc3339
from blog.schemas.comments import CommentOut, CommentStatus
from blog.schemas.posts import PostStatus

log = structlog.stdlib.get_logger("blog.realtime")
_REMOVALS = frozenset({EventType.POST_UNPUBLISHED, EventType.POST_DELETED})
# An event that shows a comment is told only while the comment has this status.
_REQUIRED_STATUS = {
    EventType.COMMENT_CREATED: CommentStatus.VISIBLE,
    EventType.COMMENT_UPDATED: CommentStatus.VISIBLE,
    EventType.COMMENT_HELD: CommentStatus.PENDING,
}


@dataclass(frozen=True, slots=True)
class RenderedEvent:
    """An event ready for sending: everybody may see it, and its `data` is JSON already, encoded once for all.

    `detail` replaces `data` for those who follow the post itself: it holds the whole article, not the card of lists.
    """

    event: Event
    cursor: str
    data: str
    detail: str
    _json_by_channels: dict[tuple[str, ...], str] = field(default_factory=dict, compare=False)

    def to_message(self, channels: Sequence[str]) -> str:
        """The event as one JSON object, for a client that follows these channels of it; made once for all who do."""
        key = tuple(channels)
        if (text := self._json_by_channels.get(key)) is None:
            text = self._json_by_channels[key] = self._encode(channels)
        return text

    def _encode(self, channels: Sequence[str]) -> str:
        head = {
            "type": "event",
            "event": self.event.event_type.value,
            "cursor": self.cursor,
            "channels": [client_channel(channel) for channel in channels],
            "at": format_rfc3339(self.event.occurred_at),
            "correlation_id": self.event.correlation_id,
        }
        follows_post = any(channel.startswith("post:") for channel in channels)
        begin = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
        return f'{begin[:-1]},"data":{self.detail if follows_post else self.data}}}'


async def filter_visible(db: Database, events: Sequence[Event]) -> list[Event]:
    """Those of the events that `compose` would tell of, without their content."""
    posts, comments = tables.posts.c, tables.comments.c
    public = post_queries.select(posts.id, posts.status).where(posts.status == PostStatus.PUBLISHED.value)
    written = sa.select(comments.id, comments.status)
    async with db.snapshot():
        published = await _statuses_by_id(db, public, posts.id, {event.post_id for event in events})
        ids = {event.comment_id for event in events if event.comment_id is not None}
        statuses = await _statuses_by_id(db, written, comments.id, ids)
    return [
        event
        for event in events
        if event.event_type in _REMOVALS
        or (event.post_id in published and _REQUIRED_STATUS.get(event.event_type) in (None, statuses.get(event.comment_id or 0)))
    ]


async def _statuses_by_id(db: Database, query: sa.Select[Any], column: sa.ColumnElement[int], ids: set[int]) -> dict[int, str]:
    return {row["id"]: row["status"] for row in await db.fetch_all(query.where(column.in_(ids)))} if ids else {}


async def render_events(state: AppState, epoch: str, events: Sequence[Event]) -> list[RenderedEvent]:
    """What may be told of these events, in order.

    A row holds no content, only what it is about: access is asked of the present state, so that neither a draft nor a
    removed comment leaks when an old event is replayed. What may not be told any more is left out.
    """
    db = state.site.db
    async with db.snapshot():
        ids = {event.post_id for event in events if event.event_type not in _REMOVALS}
        posts = (
            await post_queries.fetch(db, post_queries.select(*post_queries.FULL_COLUMNS).where(tables.posts.c.id.in_(ids)))
            if ids
            else []
        )
        told = await comment_queries.by_ids(db, [event.comment_id for event in events if event.comment_id is not None])
    by_id = {post.id: post for post in posts if post.status is PostStatus.PUBLISHED}
    found = []
    for event in events:
        try:
            bulletin = _render_event(state, epoch, event, by_id.get(event.post_id), told.get(event.comment_id or 0))
        except Exception:
            # One event that cannot be shown, by a bug of ours, must not keep back all that follow.
            log.exception("an event cannot be shown", event_id=event.id)
        else:
            found += [bulletin] if bulletin else []
    return found


def _render_event(
    services: AppState, epoch: str, event: Event, post: Post | None, comment: Comment | None
) -> RenderedEvent | None:
    cursor = Position(epoch, event.id).cursor
    if event.event_type in _REMOVALS:
        data = _json_text(event.data)
        return RenderedEvent(event, cursor, data, data)
    if post is None:
        return None
    if event.comment_id is None:
        return _render_post_event(services, event, cursor, post)
    return _render_comment_event(services, event, cursor, post, comment)


def _render_post_event(services: AppState, event: Event, cursor: str, post: Post) -> RenderedEvent:
    shown = post_out(post, services.urls).model_dump(mode="json")
    render = services.templates.render
    return RenderedEvent(
        event,
        cursor,
        _json_text({"post": shown, "html": render("posts/_card.html", post=post)}),
        _json_text({"post": shown, "html": render("posts/_article.html", post=post)}),
    )


def _render_comment_event(
    services: AppState, event: Event, cursor: str, post: Post, comment: Comment | None
) -> RenderedEvent | None:
    about = {"id": post.id, "slug": post.slug, "comments": post.comment_count}
    shown = _REQUIRED_STATUS.get(event.event_type)
    if comment is None or comment.status is not (shown or CommentStatus.VISIBLE):
        if shown:
            return None
        data = _json_text({**event.data, "post": about})
        return RenderedEvent(event, cursor, data, data)
    html = services.templates.render("comments/_comment.html", comment=comment)
    data = _json_text({"comment": CommentOut.model_validate(comment).model_dump(mode="json"), "post": about, "html": html})
    return RenderedEvent(event, cursor, data, data)


def _json_text(content: Any) -> str:
    return to_json(content).decode()
