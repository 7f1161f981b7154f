"""Render rows of the event log for clients: the present state of the post or comment, and its HTML fragment."""

import json
from collections.abc import Mapping, Sequence
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
from blog.domain.media import embedded_images
from blog.domain.media.embedded_images import EmbeddedImage
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.framework.request.state import AppState
from blog.framework.response.serializers import post_out
from blog.framework.templating.templating import format_rfc3339
from blog.schemas.comments import CommentOut, CommentStatus
from blog.schemas.posts import PostStatus

Images = Mapping[str, EmbeddedImage]

log = structlog.stdlib.get_logger("blog.realtime")
_REMOVALS = frozenset({EventType.POST_UNPUBLISHED, EventType.POST_DELETED})
# An event that shows a comment is sent only while the comment has this status.
_REQUIRED_STATUS = {
    EventType.COMMENT_CREATED: CommentStatus.VISIBLE,
    EventType.COMMENT_UPDATED: CommentStatus.VISIBLE,
    EventType.COMMENT_HELD: CommentStatus.PENDING,
}


@dataclass(frozen=True, slots=True)
class RenderedEvent:
    """An event ready to send, visible to all subscribers of its channels. `data` is JSON, encoded once for all of them.

    `detail` replaces `data` for subscribers of `post:{id}`: it contains the whole article instead of the card for lists.
    """

    event: Event
    cursor: str
    data: str
    detail: str
    _json_by_channels: dict[tuple[str, ...], str] = field(default_factory=dict, compare=False)

    def to_message(self, channels: Sequence[str]) -> str:
        """Return the event as a JSON object for a client that follows these channels of it; cached for each set of channels."""
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
    """Return the events that subscribers may see, without rendering them."""
    posts, comments = tables.posts.c, tables.comments.c
    published_posts = post_queries.select(posts.id, posts.status).where(posts.status == PostStatus.PUBLISHED.value)
    async with db.snapshot():
        published = await _statuses_by_id(db, published_posts, posts.id, {event.post_id for event in events})
        ids = {event.comment_id for event in events if event.comment_id is not None}
        statuses = await _statuses_by_id(db, sa.select(comments.id, comments.status), comments.id, ids)
    return [
        event
        for event in events
        if event.event_type in _REMOVALS
        or (event.post_id in published and _REQUIRED_STATUS.get(event.event_type) in (None, statuses.get(event.comment_id or 0)))
    ]


async def _statuses_by_id(db: Database, query: sa.Select[Any], column: sa.ColumnElement[int], ids: set[int]) -> dict[int, str]:
    return {row["id"]: row["status"] for row in await db.fetch_all(query.where(column.in_(ids)))} if ids else {}


async def render_events(state: AppState, epoch: str, events: Sequence[Event]) -> list[RenderedEvent]:
    """Render the events that subscribers may see, in order, and leave out the others.

    A row of the log contains ids and no content. Access is checked against the present state, so that neither a draft nor a
    removed comment leaks when an old event is replayed.
    """
    db = state.site.db
    async with db.snapshot():
        ids = {event.post_id for event in events if event.event_type not in _REMOVALS}
        posts = (
            await post_queries.fetch(db, post_queries.select(*post_queries.FULL_COLUMNS).where(tables.posts.c.id.in_(ids)))
            if ids
            else []
        )
        images = await embedded_images.find(db, *(post.html for post in posts))
        comments = await comment_queries.by_ids(db, [event.comment_id for event in events if event.comment_id is not None])
    published = {post.id: post for post in posts if post.status is PostStatus.PUBLISHED}
    rendered_events = []
    for event in events:
        try:
            post, comment = published.get(event.post_id), comments.get(event.comment_id or 0)
            rendered = _render_event(state, epoch, event, post, comment, images)
        except Exception:
            # A bug in rendering one event must not block the events after it.
            log.exception("event cannot be rendered", event_id=event.id)
        else:
            rendered_events += [rendered] if rendered else []
    return rendered_events


def _render_event(
    state: AppState, epoch: str, event: Event, post: Post | None, comment: Comment | None, images: Images
) -> RenderedEvent | None:
    cursor = Position(epoch, event.id).cursor
    if event.event_type in _REMOVALS:
        data = _json_text(event.data)
        return RenderedEvent(event, cursor, data, data)
    if post is None:
        return None
    if event.comment_id is None:
        return _render_post_event(state, event, cursor, post, images)
    return _render_comment_event(state, event, cursor, post, comment)


def _render_post_event(state: AppState, event: Event, cursor: str, post: Post, images: Images) -> RenderedEvent:
    fields = post_out(post, state.urls).model_dump(mode="json")
    render = state.templates.render
    return RenderedEvent(
        event,
        cursor,
        _json_text({"post": fields, "html": render("posts/_card.html", post=post)}),
        _json_text({"post": fields, "html": render("posts/_article.html", post=post, images=images)}),
    )


def _render_comment_event(
    state: AppState, event: Event, cursor: str, post: Post, comment: Comment | None
) -> RenderedEvent | None:
    post_summary = {"id": post.id, "slug": post.slug, "comments": post.comment_count}
    required_status = _REQUIRED_STATUS.get(event.event_type)
    if comment is None or comment.status is not (required_status or CommentStatus.VISIBLE):
        if required_status:
            return None
        data = _json_text({**event.data, "post": post_summary})
        return RenderedEvent(event, cursor, data, data)
    html = state.templates.render("comments/_comment.html", comment=comment)
    fields = CommentOut.model_validate(comment).model_dump(mode="json")
    data = _json_text({"comment": fields, "post": post_summary, "html": html})
    return RenderedEvent(event, cursor, data, data)


def _json_text(content: Any) -> str:
    return to_json(content).decode()
