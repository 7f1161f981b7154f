"""Posts: writing, changing, publishing and deleting them. Every write is a version and, if readers see it, an event."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery
from blog.db.database import Database
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.events import EventType, Position
from blog.domain.posts import post_queries, rendering, slugs, tags
from blog.domain.posts.models import Post
from blog.domain.posts.rendering import RenderedPost
from blog.errors import Conflict, FieldError, InvalidInput, NotFound, VersionConflict
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.text.plain_text import html_to_text

_p = tables.posts.c
_MAX_RETRIES = 20
_INSERT_POST = PreparedQuery(
    tables.posts.insert(),
    columns=(
        *(
            "title",
            "content",
            "html",
            "excerpt",
            "summary",
            "word_count",
            "renderer_version",
            "status",
            "publish_at",
            "published_at",
        ),
        *("slug", "version", "author_id", "comments_open", "created_at", "updated_at"),
    ),
)
_INSERT_AUTHOR = PreparedQuery(tables.post_authors.insert(), columns=("post_id", "user_id", "position"))
_INSERT_REVISION = PreparedQuery(
    tables.revisions.insert(),
    columns=("post_id", "version", "slug", "title", "content", "tags", "status", "editor_id", "created_at"),
)
ExpectedVersions = Collection[int] | None
"""The versions that a writer is ready to replace; None: whichever it is."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Who sees a post, and since when."""

    status: PostStatus
    publish_at: dt.datetime | None = None
    published_at: dt.datetime | None = None


async def get(ctx: Context, post_id: int) -> Post:
    """The post. Raises NotFound, also for the drafts of others."""
    return policy.require_visible(ctx, await post_queries.by_id(ctx.db, post_id))


async def get_with_position(ctx: Context, post_id: int) -> tuple[Post, Position]:
    """The post, and the place in the event log at which it was so: nothing falls between reading and following. As `get`."""
    post, now = await post_queries.by_id_with_position(ctx.db, post_id)
    return policy.require_visible(ctx, post), now


async def get_by_slug(ctx: Context, slug: str) -> Post:
    """The post that has this slug, or had it once (then its own `slug` differs). Raises NotFound."""
    post = await post_queries.by_slug(ctx.db, slug)
    if post is None and (post_id := await slugs.owner_of(ctx.db, slug)) is not None:
        post = await post_queries.by_id(ctx.db, post_id)
    return policy.require_visible(ctx, post)


async def create(ctx: Context, new: NewPost) -> Post:
    """Write a new post. Raises NotSignedIn, Forbidden, Conflict (slug), InvalidInput (publish_at)."""
    actor = policy.require_writer(ctx)
    timing = _resolve_publication(ctx, new.status, new.publish_at, None)
    manuscript = await rendering.render_post_in_thread(new.title, new.content, new.tags)
    async with ctx.db.transaction():
        if new.slug is not None:
            await slugs.require_available(ctx.db, new.slug)
        return await insert(
            ctx,
            manuscript,
            timing,
            slug=new.slug or await slugs.available(ctx.db, new.title),
            author_ids=[actor.id],
            created_at=ctx.now,
            comments_open=new.comments_open,
        )


async def insert(
    ctx: Context,
    rendered: RenderedPost,
    publication: Publication,
    *,
    slug: str,
    author_ids: Sequence[int],
    created_at: dt.datetime,
    comments_open: bool = True,
) -> Post:
    """Put a post into the database, under a slug that is free, for `create` and for imports; call it inside a transaction.

    The actor is its editor.
    """
    values = {
        **_content_values(rendered),
        **_publication_values(publication),
        "slug": slug,
        "version": 1,
        "author_id": author_ids[0],
    }
    values |= {"comments_open": comments_open, "created_at": created_at, "updated_at": created_at}
    post_id = await ctx.db.execute(_INSERT_POST(**values))
    tag_ids = await tags.get_or_create_ids(ctx.db, rendered.tags)
    await ctx.db.pipeline(
        slugs.insert_query(slug, post_id), *_author_rows(post_id, author_ids), *tags.insert_queries(post_id, tag_ids)
    )
    await fulltext.add(ctx.db, post_id, title=rendered.title, tags=" ".join(rendered.tags), body=rendered.plain_text)
    return await _store_revision(ctx, post_id, EventType.POST_PUBLISHED if publication.status is PostStatus.PUBLISHED else None)


async def overwrite(
    ctx: Context,
    rendered: RenderedPost,
    publication: Publication,
    *,
    post_id: int,
    slug: str,
    author_ids: Sequence[int],
    if_match: int,
) -> Post:
    """Write a post anew from its source, authors included, for imports; call it inside a transaction. The actor is its editor.

    Without an instant in `timing` a published post keeps that of its first publication. Raises NotFound, StaleVersion,
    Conflict (slug).
    """
    post = await post_queries.by_id(ctx.db, post_id)
    if post is None:
        raise NotFound("This post does not exist")
    _require_version(post, {if_match})
    if publication.status is PostStatus.PUBLISHED and publication.published_at is None:
        publication = Publication(publication.status, None, post.published_at or ctx.now)
    await ctx.db.execute(tables.post_authors.delete().where(tables.post_authors.c.post_id == post_id))
    await ctx.db.pipeline(*_author_rows(post_id, author_ids))
    await ctx.db.execute(tables.posts.update().where(_p.id == post_id).values(author_id=author_ids[0]))
    return await _update(ctx, post, rendered, publication, slug, post.comments_open)


async def replace(ctx: Context, post_id: int, new: NewPost, *, if_match: ExpectedVersions = None) -> Post:
    """Write all of a post anew. Raises as `edit` does."""
    members = {name: getattr(new, name) for name in type(new).model_fields}
    if new.slug is None:
        del members["slug"]  # a slug is never taken away, only given
    return await _save_with_retries(ctx, post_id, members, if_match)


async def edit(ctx: Context, post_id: int, changes: PostChanges, *, if_match: ExpectedVersions = None) -> Post:
    """Change the members that were sent; what changes nothing makes no version.

    Raises NotSignedIn, NotFound, Forbidden, StaleVersion (the version is not in `if_match`), Conflict (slug), InvalidInput.
    """
    members = {name: getattr(changes, name) for name in changes.model_fields_set}
    return await _save_with_retries(ctx, post_id, members, if_match)


async def _save_with_retries(ctx: Context, post_id: int, members: Mapping[str, Any], if_match: ExpectedVersions) -> Post:
    for _ in range(_MAX_RETRIES):
        before = policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))
        try:
            return await _save_merged(ctx, before, members, {before.version} if if_match is None else if_match)
        except VersionConflict:
            # The text was merged with what was read before. Who named a version must hear that it is gone; for anybody else
            # the change is merged anew, with what somebody wrote in between.
            if if_match is not None:
                raise
    raise Conflict("Others write this post at the same moment: try again")


async def _save_merged(ctx: Context, before: Post, members: Mapping[str, Any], versions: Collection[int]) -> Post:
    post_id, merged = before.id, _merge_members(before, members)
    manuscript = await rendering.render_post_in_thread(
        merged["title"], merged["content"], merged["tags"], await _stored_summary(ctx.db, post_id)
    )
    async with ctx.db.transaction():
        post = policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))
        _require_version(post, versions)
        timing = _resolve_publication(ctx, merged["status"], merged["publish_at"], post)
        if _is_unchanged(post, merged, timing):
            return post
        return await _update(ctx, post, manuscript, timing, merged["slug"], merged["comments_open"])


async def _update(
    ctx: Context, post: Post, manuscript: RenderedPost, timing: Publication, slug: str, comments_open: bool
) -> Post:
    await slugs.assign(ctx.db, slug, post.id)
    values = {
        **_content_values(manuscript),
        **_publication_values(timing),
        "slug": slug,
        "comments_open": comments_open,
        "version": post.version + 1,
        "updated_at": ctx.now,
    }
    await ctx.db.execute(tables.posts.update().where(_p.id == post.id).values(values))
    await _update_tags_and_index(ctx.db, post.id, manuscript)
    return await _store_revision(ctx, post.id, _event_for_change(post.status, timing.status), before=post)


async def delete(ctx: Context, post_id: int, *, if_match: ExpectedVersions = None) -> None:
    """Take a post from everybody's sight; its versions stay. Raises as `edit` does."""
    async with ctx.db.transaction():
        post = policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))
        if if_match is not None:
            _require_version(post, if_match)
        await ctx.db.execute(tables.posts.update().where(_p.id == post_id).values(deleted_at=ctx.now))
        await fulltext.remove(ctx.db, post_id)
        if post.status is PostStatus.PUBLISHED:
            await events.record_post(ctx, EventType.POST_DELETED, post)


async def get_deleted(ctx: Context, post_id: int) -> Post:
    """A deleted post, for those who may bring it back. Raises NotSignedIn, NotFound."""
    return policy.require_undelete(ctx, await post_queries.deleted_by_id(ctx.db, post_id))


async def undelete(ctx: Context, post_id: int) -> Post:
    """Bring a deleted post back as it was, at its own address. Raises NotSignedIn, NotFound, Conflict (just changed)."""
    seen = await get_deleted(ctx, post_id)
    body = await anyio.to_thread.run_sync(html_to_text, seen.html)
    async with ctx.db.transaction():
        post = await get_deleted(ctx, post_id)
        if post.version != seen.version:
            raise Conflict("Somebody else brought this post back at the same moment: try again")
        await ctx.db.execute(tables.posts.update().where(_p.id == post_id).values(deleted_at=None))
        await fulltext.index(ctx.db, post_id, title=post.title, tags=" ".join(post.tags), body=body)
        if post.status is PostStatus.PUBLISHED:
            await events.record_post(ctx, EventType.POST_PUBLISHED, post)
    return post


async def publish_due(ctx: Context) -> int:
    """Publish the scheduled posts whose time has come, the earliest first; the number of them. Several workers may ask."""
    ids = await ctx.db.fetch_all(post_queries.select(_p.id).where(_is_due(ctx)).order_by(_p.publish_at, _p.id))
    count, failures = 0, []
    for row in ids:
        try:
            count += await _publish_one(ctx, row["id"])
        except Exception as error:  # one that cannot be published keeps no other from its time
            failures.append(error)
    if failures:
        raise failures[0]
    return count


async def count_overdue(ctx: Context) -> int:
    """How many scheduled posts have reached their time: they come out within a second, if all is well."""
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).where(_is_due(ctx) & _p.deleted_at.is_(None))))


async def _publish_one(ctx: Context, post_id: int) -> int:
    """1, or 0 when another worker was first, or the post was changed or deleted meanwhile."""
    this = (_p.id == post_id) & _is_due(ctx) & _p.deleted_at.is_(None)
    values = {
        "status": PostStatus.PUBLISHED.value,
        "published_at": _p.publish_at,
        "publish_at": None,
        "version": _p.version + 1,
        "updated_at": ctx.now,
    }
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.posts.update().where(this).values(values)):
            return 0
        await _store_revision(ctx, post_id, EventType.POST_PUBLISHED)
    return 1


def _is_due(ctx: Context) -> sa.ColumnElement[bool]:
    return (_p.status == PostStatus.SCHEDULED.value) & (_p.publish_at <= ctx.now)


async def _store_revision(ctx: Context, post_id: int, event: EventType | None, before: Post | None = None) -> Post:
    """Write the present state as a revision, and tell of it if readers see it; return it."""
    post = await post_queries.by_id(ctx.db, post_id)
    if post is None:
        raise NotFound("This post does not exist")
    revision = _INSERT_REVISION(
        post_id=post.id,
        version=post.version,
        slug=post.slug,
        title=post.title,
        content=post.content,
        tags=list(post.tags),
        status=post.status.value,
        editor_id=ctx.actor.id if ctx.actor else await ctx.db.fetch_val(sa.select(_p.author_id).where(_p.id == post_id)),
        created_at=post.updated_at,
    )
    await ctx.db.pipeline(revision, *([events.post_event(ctx, event, post, before)] if event else []))
    return post


def _author_rows(post_id: int, author_ids: Sequence[int]) -> list[BoundQuery]:
    return [_INSERT_AUTHOR(post_id=post_id, user_id=user_id, position=position) for position, user_id in enumerate(author_ids)]


async def _update_tags_and_index(db: Database, post_id: int, manuscript: RenderedPost) -> None:
    await tags.set_for_post(db, post_id, manuscript.tags)
    await fulltext.index(db, post_id, title=manuscript.title, tags=" ".join(manuscript.tags), body=manuscript.plain_text)


async def _stored_summary(db: Database, post_id: int) -> str | None:
    summary: str | None = await db.fetch_val(sa.select(_p.summary).where(_p.id == post_id))
    return summary


def _content_values(manuscript: RenderedPost) -> dict[str, Any]:
    names = ("title", "content", "html", "excerpt", "summary", "word_count", "renderer_version")
    return {name: getattr(manuscript, name) for name in names}


def _publication_values(timing: Publication) -> dict[str, Any]:
    return {"status": timing.status.value, "publish_at": timing.publish_at, "published_at": timing.published_at}


def _merge_members(post: Post, members: Mapping[str, Any]) -> dict[str, Any]:
    names = ("title", "content", "tags", "slug", "status", "publish_at", "comments_open")
    return {name: getattr(post, name) for name in names} | dict(members)


def _is_unchanged(post: Post, merged: Mapping[str, Any], timing: Publication) -> bool:
    if timing != Publication(post.status, post.publish_at, post.published_at) or _fold_tags(post.tags) != _fold_tags(
        merged["tags"]
    ):
        return False
    return all(getattr(post, name) == merged[name] for name in ("title", "content", "slug", "comments_open"))


def _fold_tags(tags: Iterable[str]) -> list[str]:
    """Another spelling of a tag is the same tag, in the first spelling."""
    return [tag.casefold() for tag in tags]


def _resolve_publication(ctx: Context, status: PostStatus, publish_at: dt.datetime | None, before: Post | None) -> Publication:
    """What a wished status means now. A post keeps the instant of its first publication."""
    first = before.published_at if before else None
    if status is PostStatus.SCHEDULED:
        if publish_at is None or publish_at <= ctx.now:
            raise InvalidInput([FieldError(("publish_at",), "Give an instant in the future for a scheduled post", "publish_at")])
        return Publication(status, publish_at, first)
    return Publication(status, None, first or (ctx.now if status is PostStatus.PUBLISHED else None))


def _require_version(post: Post, versions: Collection[int]) -> None:
    if post.version not in versions:
        raise VersionConflict(f"The post is at version {post.version} by now: read it again and repeat the change")


def _event_for_change(before: PostStatus, after: PostStatus) -> EventType | None:
    if after is PostStatus.PUBLISHED:
        return EventType.POST_UPDATED if before is PostStatus.PUBLISHED else EventType.POST_PUBLISHED
    return EventType.POST_UNPUBLISHED if before is PostStatus.PUBLISHED else None
