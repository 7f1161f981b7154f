"""Posts: read, create, edit, delete and undelete. Each write stores a revision and, if readers see it, records an event."""

import contextlib
import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import anyio.to_thread

from blog.db import fulltext, tables
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.events import EventType, Position
from blog.domain.posts import authors, feature_image, post_queries, post_writes, rendering, slugs
from blog.domain.posts.models import Post
from blog.domain.posts.post_content import POST_FIELDS, PostContent, content_of, with_changes
from blog.domain.posts.post_filter import UNDELETE_WINDOW
from blog.domain.posts.status_rules import require_visible_content, resolve_status
from blog.errors import Conflict, Forbidden, VersionConflict
from blog.schemas.accounts import Scope
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.text.normalisation import fold_name, normalise_line

_p = tables.posts.c
_FIELD_NAMES = tuple(field.name for field in POST_FIELDS)
ExpectedVersions = Collection[int] | None
"""The versions that a writer may replace; None: any version."""


async def get(ctx: Context, post_id: int) -> Post:
    """Return the post. Raises NotFound, also for drafts that the actor may not see."""
    return policy.require_visible(ctx, await post_queries.by_id(ctx.db, post_id))


async def get_with_position(ctx: Context, post_id: int) -> tuple[Post, Position]:
    """Return the post and the end of the event log in one consistent read, so that a subscriber misses no event.

    Raises NotFound.
    """
    post, position = await post_queries.by_id_with_position(ctx.db, post_id)
    return policy.require_visible(ctx, post), position


async def get_by_slug(ctx: Context, slug: str) -> Post:
    """Return the post that has this slug, or had it before (then its current `slug` differs). Raises NotFound.

    Any spelling of the slug in Unicode is accepted: some browsers and file systems send `é` as two characters.
    """
    slug = normalise_line(slug)
    post = await post_queries.by_slug(ctx.db, slug)
    if post is None and (post_id := await slugs.owner_of(ctx.db, slug)) is not None:
        post = await post_queries.by_id(ctx.db, post_id)
    return policy.require_visible(ctx, post)


async def create(ctx: Context, new: NewPost) -> Post:
    """Create a post. Raises NotAuthenticated, Forbidden, Conflict (slug) or InvalidInput (`status_rules`, `authors`)."""
    actor = policy.require_writer(ctx)
    sent = {name: getattr(new, name) for name in _FIELD_NAMES if name != "status" or name in new.model_fields_set}
    sent = await feature_image.resolve_change(ctx, sent, None)
    values = resolve_status(sent, None, ctx.now) | {"tags": tuple(new.tags), "slug": new.slug or "", "authors": ()}
    content = PostContent(**values)
    if content.featured:
        policy.require_featuring(ctx)
    rendered = await rendering.render_post_in_thread(content)
    require_visible_content(rendered, None)
    async with ctx.db.transaction():
        named = await authors.resolve(ctx, new.authors) if new.authors else (authors.of_actor(actor),)
        authors.require_own_name(ctx, named)
        rendered = rendered.with_changes(authors=named)
        if new.slug is None:
            rendered = rendered.with_changes(slug=await slugs.available(ctx.db, new.title))
        else:
            await slugs.require_available(ctx.db, new.slug)
        post = await post_writes.insert(ctx, rendered, created_at=ctx.now)
        await authors.notify_added(ctx, post.id, post.authors)
    return post


async def replace(ctx: Context, post_id: int, new: NewPost, *, if_match: ExpectedVersions = None) -> Post:
    """Replace the content of a post. An absent slug, absent authors, status and `featured` are kept.

    Arguments and errors as for `save_changes`.
    """
    kept = {name for name in ("slug", "authors") if getattr(new, name) is None} | ({"featured"} - new.model_fields_set)
    if "status" not in new.model_fields_set:
        kept |= {"status", "publish_at", "published_at"} - new.model_fields_set
    changes = {name: getattr(new, name) for name in _FIELD_NAMES if name not in kept}
    return await save_changes(ctx, post_id, changes, if_match=if_match)


async def edit(ctx: Context, post_id: int, changes: PostChanges, *, if_match: ExpectedVersions = None) -> Post:
    """Change the fields that were sent. Arguments and errors as for `save_changes`."""
    values = {name: getattr(changes, name) for name in changes.model_fields_set}
    return await save_changes(ctx, post_id, values, if_match=if_match)


async def leave(ctx: Context, post_id: int) -> Post:
    """Remove the actor from the authors of a post, and return the post.

    Raises NotAuthenticated, NotFound, Forbidden (not an author) or Conflict (the only author).
    """
    actor = ctx.require_actor(Scope.POSTS_WRITE)
    while True:
        post = await get(ctx, post_id)
        if not policy.is_among(actor, post.authors):
            raise Forbidden("You are not an author of this post")
        others = [author.username for author in post.authors if author.id != actor.id]
        if not others:
            raise Conflict("You are the only author of this post. Name another author first, or delete the post.")
        with contextlib.suppress(VersionConflict):  # somebody saved the post meanwhile: its authors may be others
            return await save_changes(ctx, post_id, {"authors": others}, if_match={post.version}, leaves=True)


async def save_changes(
    ctx: Context, post_id: int, changes: Mapping[str, Any], *, if_match: ExpectedVersions = None, leaves: bool = False
) -> Post:
    """Store the next version of a post, unless nothing changes, and return the post.

    changes: valid values by the names of fields of `PostContent`; authors as usernames.
    if_match: the versions that may be replaced. With None, the changes are applied to whatever version is current.
    leaves: whether an author may be missing in the authors that they send.

    Raises NotAuthenticated, NotFound, Forbidden, VersionConflict (if_match), Conflict (slug) or InvalidInput (`status_rules`,
    `authors`).
    """
    post = policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))
    changes = await feature_image.resolve_change(ctx, changes, post.feature_image)
    while True:
        # Before the write lock is acquired. Again if another writer has changed a text that these changes keep.
        rendered = await rendering.render_post_in_thread(with_changes(post, _without_authors(changes)))
        async with ctx.db.transaction():
            post = policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))
            # Before the version is compared: the page of a conflict can show valid authors only.
            values = await authors.resolve_change(ctx, changes, post.authors)
            if if_match is not None:
                post_writes.require_version(post, if_match)
            content = with_changes(post, resolve_status(values, post, ctx.now))
            if content.authors != post.authors and not leaves:
                authors.require_own_name(ctx, content.authors)
            if _fold_tags(content) == _fold_tags(content_of(post)):
                return post
            if content.featured != post.featured:
                policy.require_featuring(ctx)
            if (current := rendered.reuse(content)) is not None:
                require_visible_content(current, post)
                await authors.notify_added(ctx, post.id, [author for author in content.authors if author not in post.authors])
                return await post_writes.update(ctx, post, current)


async def delete(ctx: Context, post_id: int, *, if_match: ExpectedVersions = None) -> None:
    """Hide a post; its row and its versions remain. Arguments and errors as for `save_changes`."""
    async with ctx.db.transaction():
        post = policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))
        if if_match is not None:
            post_writes.require_version(post, if_match)
        await ctx.db.execute(tables.posts.update().where(_p.id == post_id).values(deleted_at=ctx.now))
        await fulltext.remove(ctx.db, post_id)
        if post.status is PostStatus.PUBLISHED:
            await events.record_post(ctx, EventType.POST_DELETED, post)


async def get_deleted(ctx: Context, post_id: int) -> Post:
    """Return a post deleted in the last 30 days that the actor may restore. Raises NotAuthenticated or NotFound."""
    return policy.require_undelete(ctx, await post_queries.deleted_by_id(ctx.db, post_id, ctx.now - UNDELETE_WINDOW))


async def undelete(ctx: Context, post_id: int) -> Post:
    """Restore a deleted post at its URL. Raises NotAuthenticated, NotFound or Conflict (restored by somebody else)."""
    before = await get_deleted(ctx, post_id)
    body = await anyio.to_thread.run_sync(rendering.index_post, before)
    async with ctx.db.transaction():
        post = await get_deleted(ctx, post_id)
        if post.version != before.version:
            raise Conflict("Somebody else restored this post at the same time. Try again.")
        await ctx.db.execute(tables.posts.update().where(_p.id == post_id).values(deleted_at=None))
        post = dataclasses.replace(post, deleted_at=None)
        await fulltext.index(ctx.db, post_id, title=post.title, names=rendering.names_of(post), body=body)
        if post.status is PostStatus.PUBLISHED:
            await events.record_post(ctx, EventType.POST_PUBLISHED, post)
    return post


def _without_authors(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes without the usernames, which are resolved in the transaction."""
    return {name: value for name, value in changes.items() if name != "authors"}


def _fold_tags(content: PostContent) -> PostContent:
    """Replace tags by their keys: a tag keeps its first spelling, so another spelling changes nothing."""
    return dataclasses.replace(content, tags=tuple(fold_name(tag) for tag in content.tags))
