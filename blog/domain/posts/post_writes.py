"""Writes of posts: the row, slug, authors, tags, search index, revision and event of each version.

Call these functions inside a transaction. The actor is recorded as the editor of the version.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from blog.db import fulltext, tables
from blog.db.compiled_queries import PreparedQuery
from blog.db.database import Database
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import EventType
from blog.domain.posts import authors, post_queries, rendering, slugs, tags
from blog.domain.posts.models import Post
from blog.domain.posts.post_content import POST_FIELDS, column_values
from blog.domain.posts.rendering import RenderedPost
from blog.errors import NotFound, VersionConflict
from blog.schemas.posts import PostStatus

_p = tables.posts.c
_POST_COLUMNS, _REVISION_COLUMNS = (
    tuple(field.name for field in POST_FIELDS if field.name in table.c) for table in (tables.posts, tables.revisions)
)
_RENDERED_COLUMNS = ("html", "excerpt", "word_count", "renderer_version")
_INSERT_POST = PreparedQuery(
    tables.posts.insert(),
    columns=(*_POST_COLUMNS, *_RENDERED_COLUMNS, "version", "created_at", "updated_at"),
)
_INSERT_REVISION = PreparedQuery(
    tables.revisions.insert(), columns=(*_REVISION_COLUMNS, "post_id", "version", "editor_id", "created_at")
)


async def insert(ctx: Context, rendered: RenderedPost, *, created_at: dt.datetime) -> Post:
    """Insert a post and its first revision. The slug must be available."""
    content = rendered.content
    post_id = await ctx.db.execute(
        _INSERT_POST(
            **_post_values(rendered),
            version=1,
            created_at=created_at,
            updated_at=created_at,
        )
    )
    tag_ids = await tags.get_or_create_ids(ctx.db, content.tags)
    await ctx.db.pipeline(
        slugs.insert_query(content.slug, post_id),
        *authors.insert_queries(post_id, content.authors),
        *tags.insert_queries(post_id, tag_ids),
    )
    await fulltext.add(ctx.db, post_id, title=content.title, names=rendering.names_of(content), body=rendered.indexed_text)
    return await store_revision(ctx, post_id, EventType.POST_PUBLISHED if content.status is PostStatus.PUBLISHED else None)


async def update(ctx: Context, post: Post, rendered: RenderedPost) -> Post:
    """Replace the content of a post and store the next revision. Raises Conflict if another post has the slug."""
    content = rendered.content
    await slugs.assign(ctx.db, content.slug, post.id)
    values = {
        **_post_values(rendered),
        "version": post.version + 1,
        "updated_at": ctx.now,
    }
    await ctx.db.execute(tables.posts.update().where(_p.id == post.id).values(values))
    if content.authors != post.authors:
        await authors.set_for_post(ctx.db, post.id, content.authors)
    await _update_tags_and_index(ctx.db, post.id, rendered)
    return await store_revision(ctx, post.id, _event_for_change(post.status, content.status), before=post)


async def update_rendering(ctx: Context, post: Post, rendered: RenderedPost) -> None:
    """Replace the rendering of the current version, unless another writer has stored a newer version or rendering."""
    is_outdated = (_p.id == post.id) & (_p.version == post.version) & (_p.renderer_version < rendered.renderer_version)
    values = {name: getattr(rendered, name) for name in _RENDERED_COLUMNS}
    row = await ctx.db.fetch_one(tables.posts.update().where(is_outdated).values(values).returning(_p.deleted_at))
    if row is not None and row["deleted_at"] is None:
        await fulltext.index(ctx.db, post.id, title=post.title, names=rendering.names_of(post), body=rendered.indexed_text)


async def overwrite(ctx: Context, rendered: RenderedPost, *, post_id: int, if_match: int) -> Post:
    """Replace the content of an imported post. Without a publication date, a public post keeps the date that it has.

    if_match: the version to replace.

    Raises NotFound, VersionConflict or Conflict (slug).
    """
    post = await post_queries.by_id(ctx.db, post_id)
    if post is None:
        raise NotFound("This post does not exist")
    require_version(post, {if_match})
    if rendered.content.status is PostStatus.PUBLISHED and rendered.content.published_at is None:
        rendered = rendered.with_changes(published_at=post.published_at or ctx.now)
    return await update(ctx, post, rendered)


def require_version(post: Post, versions: Collection[int]) -> None:
    """Raise VersionConflict unless the post is at one of these versions."""
    if post.version not in versions:
        raise VersionConflict(f"The post is now at version {post.version}. Read it again and repeat the change.")


async def store_revision(ctx: Context, post_id: int, event: EventType | None, before: Post | None = None) -> Post:
    """Store the current state of a post as a revision, and return the post.

    event: the event to record, if readers see the change.
    before: the post before the change; subscribers to tags that it lost receive the event too.
    """
    post = await post_queries.by_id(ctx.db, post_id)
    if post is None:
        raise NotFound("This post does not exist")
    revision = _INSERT_REVISION(
        **column_values(post, _REVISION_COLUMNS),
        post_id=post.id,
        version=post.version,
        editor_id=ctx.actor.id if ctx.actor else post.authors[0].id,
        created_at=post.updated_at,
    )
    by_line = authors.insert_version_queries(post.id, post.version, post.authors)
    await ctx.db.pipeline(revision, *by_line, *([events.post_event(ctx, event, post, before)] if event else []))
    return post


def _post_values(rendered: RenderedPost) -> Mapping[str, Any]:
    return column_values(rendered.content, _POST_COLUMNS) | {name: getattr(rendered, name) for name in _RENDERED_COLUMNS}


async def _update_tags_and_index(db: Database, post_id: int, rendered: RenderedPost) -> None:
    content = rendered.content
    await tags.set_for_post(db, post_id, content.tags)
    await fulltext.index(db, post_id, title=content.title, names=rendering.names_of(content), body=rendered.indexed_text)


def _event_for_change(before: PostStatus, after: PostStatus) -> EventType | None:
    if after is PostStatus.PUBLISHED:
        return EventType.POST_UPDATED if before is PostStatus.PUBLISHED else EventType.POST_PUBLISHED
    return EventType.POST_UNPUBLISHED if before is PostStatus.PUBLISHED else None
