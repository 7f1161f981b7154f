"""Render rows of the event log for clients: the present state of the post or comment, and its HTML fragment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from pydantic_core import to_json

from blog.db import tables
from blog.domain.comments import comment_queries
from blog.domain.comments.models import Comment
from blog.domain.core.events import Event, Position, client_channel
from blog.domain.media import embedded_images
from blog.domain.media.embedded_images import EmbeddedImage
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.domain.read_models import live_events
from blog.domain.read_models.live_events import VisibleEvent
from blog.framework.request.state import AppState
from blog.framework.response.serializers import comment_out, post_out
from blog.framework.templating.templating import format_rfc3339
from blog.realtime.content_cache import Content, ContentCache

log = structlog.stdlib.get_logger("blog.realtime")
_CACHE_SHARE = 4
_MAX_VARIANTS = 16


@dataclass(frozen=True, slots=True)
class RenderedEvent:
    """An event ready to send, visible to all subscribers of its channels."""

    event: Event
    cursor: str
    content: Content
    _variants: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = field(default_factory=dict, compare=False)

    def to_message(self, channels: Sequence[str], ids: Sequence[str] = ()) -> str:
        """Return the event as a JSON object for a client.

        - `channels`: the channels of the event that the client follows, as written in the log.
        - `ids`: the subscriptions that the event belongs to; none for transports with one subscription.

        Cached for 16 combinations, as clients can choose any id: all pages use the same one.
        """
        key = tuple(ids), tuple(channels)
        if (text := self._variants.get(key)) is None:
            text = self._encode(channels, ids)
            if len(self._variants) < _MAX_VARIANTS:
                self._variants[key] = text
        return text

    def _encode(self, channels: Sequence[str], ids: Sequence[str]) -> str:
        head = {
            "type": "event",
            "event": self.event.event_type.value,
            "cursor": self.cursor,
            **({"ids": ids} if ids else {}),
            "channels": [client_channel(channel) for channel in channels],
            "at": format_rfc3339(self.event.occurred_at),
            "correlation_id": self.event.correlation_id,
        }
        follows_post = any(channel.startswith("post:") for channel in channels)
        begin = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
        return f'{begin[:-1]},"data":{self.content.to_json(on_post_page=follows_post)}}}'


@dataclass(frozen=True, slots=True)
class _Sources:
    """Posts and comments by id, and the images of the posts."""

    posts: Mapping[int, Post]
    comments: Mapping[int, Comment]
    images: Mapping[str, EmbeddedImage]


class EventRenderer:
    """Render events of the log, and cache their contents by version in a quarter of `MAX_CACHE_BYTES`.

    A change of something that is not part of a version (the site, or the name of a member) clears the cache.
    """

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._cache = ContentCache(state.site.settings.max_cache_bytes // _CACHE_SHARE)

    def clear(self) -> None:
        """Remove all cached contents."""
        self._cache.clear()

    async def render(self, epoch: str, ids: Sequence[int], *, with_articles: bool) -> list[RenderedEvent]:
        """Render the events with these ids that may be seen, in log order, and leave out the others.

        `with_articles`: also for clients that follow `post:{id}`.
        """
        generation, db = self._cache.generation, self._state.site.db
        async with db.snapshot():
            visible = await live_events.by_ids(db, ids)
            contents = {one.version: content for one in visible if (content := self._find(one, with_articles))}
            new = [one for one in visible if one.version is not None and one.version not in contents]
            sources = await self._read(new, with_articles)
        rendered = []
        for one in visible:
            try:
                content = contents.get(one.version) or self._render_content(one, sources, with_articles)
            except Exception:
                # A bug in rendering one event must not block the events after it.
                log.exception("event cannot be rendered", event_id=one.event.id)
                continue
            if one.version is not None and one.version not in contents:
                contents[one.version] = content
                self._cache.store(one.version, content, generation)
            rendered.append(RenderedEvent(one.event, Position(epoch, one.event.id).cursor, content))
        return rendered

    def _find(self, one: VisibleEvent, with_articles: bool) -> Content | None:
        content = self._cache.find(one.version)
        is_enough = not with_articles or one.event.comment_id is not None
        return content if content and (is_enough or content.article) else None

    async def _read(self, visible: Sequence[VisibleEvent], with_articles: bool) -> _Sources:
        """Return what these events show."""
        if not visible:
            return _Sources({}, {}, {})
        db, post_ids = self._state.site.db, {one.event.post_id for one in visible}
        query = post_queries.select(*post_queries.FULL_COLUMNS).where(tables.posts.c.id.in_(post_ids))
        posts = {post.id: post for post in await post_queries.fetch(db, query)}
        comments = await comment_queries.by_ids(db, [one.event.comment_id for one in visible if one.event.comment_id])
        images = await embedded_images.find(db, *(post.html for post in posts.values())) if with_articles else {}
        return _Sources(posts, comments, images)

    def _render_content(self, one: VisibleEvent, sources: _Sources, with_articles: bool) -> Content:
        if one.version is None:
            return Content(_members(one.event.data))
        post, render = sources.posts[one.event.post_id], self._state.templates.render
        if one.event.comment_id is None:
            fields = post_out(post, self._state.urls).model_dump(mode="json")
            card = to_json(render("posts/_card.html", post=post))
            article = to_json(render("posts/_article.html", post=post, images=sources.images)) if with_articles else None
            return Content(_members({"post": fields}), card, article)
        summary = {"id": post.id, "slug": post.slug, "comments": post.comment_count}
        if not one.shows_comment:
            return Content(_members({**one.event.data, "post": summary}))
        comment = sources.comments[one.event.comment_id]
        html = to_json(render("comments/_comment.html", comment=comment))
        fields = comment_out(comment, self._state.urls).model_dump(mode="json")
        return Content(_members({"comment": fields, "post": summary}), html)


def _members(content: dict[str, Any]) -> bytes:
    return to_json(content)[1:-1]
