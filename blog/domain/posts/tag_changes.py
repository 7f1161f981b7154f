"""Changes of tags: name, address, description, image; merging and deleting. For editors.

Posts refer to tags, so a rename is no new version of them: their old versions keep the names that they had. A former name is an
alias: it finds the tag, in addresses and in posts that are written with it, such as a restored version. Each change is one
transaction with the search index and an event for each public post, because its content has changed.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.events import EventType
from blog.domain.posts import post_queries, rendering, tags
from blog.domain.posts.models import Tag
from blog.errors import Conflict, FieldError, InvalidInput
from blog.schemas.accounts import Scope
from blog.schemas.posts import PostStatus
from blog.schemas.tags import TagChanges
from blog.text.normalisation import fold_name

_t, _pt, _p, _a = tables.tags.c, tables.post_tags.c, tables.posts.c, tables.tag_aliases.c
_BATCH_SIZE = 200  # posts that are read and indexed at once


def require_editor(ctx: Context) -> None:
    """Raise NotAuthenticated or Forbidden unless the actor may change tags."""
    ctx.require_actor(Scope.POSTS_WRITE)
    policy.require_editor(ctx)


async def change(ctx: Context, address: str, changes: TagChanges) -> Tag:
    """Change the fields that were sent.

    Raises NotAuthenticated, Forbidden, NotFound, InvalidInput (image) or Conflict (another tag has the name or the slug).
    """
    require_editor(ctx)
    values = {name: getattr(changes, name) for name in changes.model_fields_set}
    async with ctx.db.transaction():
        tag = await tags.by_address(ctx.db, address)
        if "name" in values:
            values["name_folded"] = fold_name(values["name"])
            await _rename_key(ctx, tag, values["name_folded"])
        if "slug" in values and (slug := values.pop("slug")) != tag.own_slug:
            values["own_slug"] = slug
            await _add_alias(ctx, tag, slug)
        if isinstance(image := values.get("image"), int):
            values["image"] = await _image_url(ctx, image)
        if values:
            await ctx.db.execute(tables.tags.update().where(_t.id == tag.id).values(values))
            await _announce(ctx, tag, await _post_ids(ctx, tag) if values.get("name", tag.name) != tag.name else [])
        return await tags.by_id(ctx.db, tag.id)


async def merge(ctx: Context, address: str, into: str) -> Tag:
    """Give the posts of a tag another tag instead, and return that one. The names of the first are aliases of it from then on.

    Raises NotAuthenticated, Forbidden, NotFound, or InvalidInput for an unknown target and for the tag itself.
    """
    require_editor(ctx)
    async with ctx.db.transaction():
        tag = await tags.by_address(ctx.db, address)
        target = await tags.find(ctx.db, into)
        if target is None or target.id == tag.id:
            message = "No tag has this name" if target is None else "Choose another tag: a tag cannot be merged into itself"
            raise InvalidInput([FieldError(("into",), message, "tag")])
        post_ids = await _post_ids(ctx, tag)
        other = tables.post_tags.alias()
        both = sa.select(other.c.post_id).where(other.c.tag_id == target.id)
        await ctx.db.execute(tables.post_tags.delete().where(_pt.tag_id == tag.id, _pt.post_id.in_(both)))
        await ctx.db.execute(tables.post_tags.update().where(_pt.tag_id == tag.id).values(tag_id=target.id))
        await ctx.db.execute(tables.tag_aliases.update().where(_a.tag_id == tag.id).values(tag_id=target.id))
        await ctx.db.execute(tables.tags.delete().where(_t.id == tag.id))
        await ctx.db.execute(tables.tag_aliases.insert().values(name_folded=fold_name(tag.name), tag_id=target.id))
        await _announce(ctx, tag, post_ids)
        return await tags.by_id(ctx.db, target.id)


async def delete(ctx: Context, address: str) -> None:
    """Remove a tag from all posts. Raises NotAuthenticated, Forbidden or NotFound."""
    require_editor(ctx)
    async with ctx.db.transaction():
        tag = await tags.by_address(ctx.db, address)
        post_ids = await _post_ids(ctx, tag)
        await ctx.db.execute(tables.tags.delete().where(_t.id == tag.id))
        await _announce(ctx, tag, post_ids)


async def _rename_key(ctx: Context, tag: Tag, key: str) -> None:
    """Make the old name an alias, and the new one none."""
    old = fold_name(tag.name)
    if key == old:
        return
    await _require_free(ctx, tag, key, "name")
    await ctx.db.execute(tables.tag_aliases.delete().where(_a.name_folded == key))
    await ctx.db.execute(tables.tag_aliases.insert().values(name_folded=old, tag_id=tag.id))


async def _add_alias(ctx: Context, tag: Tag, slug: str | None) -> None:
    if slug is None:
        return
    await _require_free(ctx, tag, fold_name(slug), "slug")
    if await tags.find(ctx.db, slug) is None:
        await ctx.db.execute(tables.tag_aliases.insert().values(name_folded=fold_name(slug), tag_id=tag.id))


async def _image_url(ctx: Context, media_id: int) -> str:
    name = await ctx.db.fetch_val(sa.select(tables.media.c.name).where(tables.media.c.id == media_id))
    if name is None:
        raise InvalidInput([FieldError(("image",), "No image has this id", "media")])
    return f"/media/{name}"


async def _require_free(ctx: Context, tag: Tag, key: str, field: str) -> None:
    other = await tags.find(ctx.db, key)
    if other is not None and other.id != tag.id:
        raise Conflict(f"The tag “{other.name}” has or had this {field}. Choose another one, or merge the tags.", loc=(field,))


async def _post_ids(ctx: Context, tag: Tag) -> Sequence[int]:
    """Return the ids of the posts with a tag, oldest first, without deleted posts: their tags are read when they are restored."""
    query = sa.select(_pt.post_id).join(tables.posts, _p.id == _pt.post_id).where(_pt.tag_id == tag.id, _p.deleted_at.is_(None))
    return [row["post_id"] for row in await ctx.db.fetch_all(query.order_by(_pt.post_id))]


async def _announce(ctx: Context, before: Tag, post_ids: Sequence[int]) -> None:
    """Index the posts again, and record the events after which caches and clients read them again.

    Followers of the former tag get the events too.
    """
    await events.record_site_changed(ctx)
    for start in range(0, len(post_ids), _BATCH_SIZE):
        batch = post_ids[start : start + _BATCH_SIZE]
        found = (await post_queries.summaries_by_id(ctx.db, batch)).values()
        await fulltext.replace_names(ctx.db, {post.id: rendering.names_of(post) for post in found})
        for post in sorted(found, key=lambda post: post.id):
            if post.status is PostStatus.PUBLISHED:
                former: Any = dataclasses.replace(post, tags=(before.name,))
                await ctx.db.pipeline(events.post_event(ctx, EventType.POST_UPDATED, post, former))
