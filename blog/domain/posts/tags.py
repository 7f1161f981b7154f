"""Tags. Names with the same key, such as names that differ only in case, are the same tag."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery
from blog.db.database import Database
from blog.domain.core.context import Context
from blog.domain.posts.models import Tag
from blog.errors import NotFound
from blog.schemas.posts import PostStatus
from blog.text.normalisation import fold_name

_t, _pt, _p = tables.tags.c, tables.post_tags.c, tables.posts.c
_PUBLISHED = (_p.status == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None))
_UNUSED = ~sa.exists().where(_pt.tag_id == _t.id)
_INSERT = PreparedQuery(tables.post_tags.insert(), columns=("post_id", "tag_id", "position"))
_POST_COUNT = sa.func.count().label("posts")


async def set_for_post(db: Database, post_id: int, names: Sequence[str]) -> None:
    """Set the tags of a post, in this order. Call it inside a transaction."""
    ids = await get_or_create_ids(db, names)
    current = await db.fetch_all(sa.select(_pt.tag_id).where(_pt.post_id == post_id).order_by(_pt.position))
    if [row["tag_id"] for row in current] == ids:
        return
    await db.execute(tables.post_tags.delete().where(_pt.post_id == post_id))
    await db.pipeline(*insert_queries(post_id, ids))
    if removed := [row["tag_id"] for row in current if row["tag_id"] not in ids]:
        await db.execute(tables.tags.delete().where(_t.id.in_(removed), _UNUSED))


def insert_queries(post_id: int, tag_ids: Sequence[int]) -> list[BoundQuery]:
    """Return the queries that add tags to a post without tags."""
    return [_INSERT(post_id=post_id, tag_id=tag_id, position=position) for position, tag_id in enumerate(tag_ids)]


async def list_unused(db: Database) -> list[str]:
    """Return the names of tags that no post has."""
    rows = await db.fetch_all(sa.select(_t.name).where(_UNUSED).order_by(_t.name_folded))
    return [row["name"] for row in rows]


async def remove_unused(db: Database) -> None:
    """Delete the tags that no post has."""
    await db.execute(tables.tags.delete().where(_UNUSED))


async def get_or_create_ids(db: Database, names: Sequence[str]) -> list[int]:
    """Return the ids of these tags, without duplicates, and create missing tags. Call it inside a transaction."""
    by_key = {fold_name(name): name for name in reversed(names)}
    if not by_key:
        return []
    known = await _existing_ids(db, by_key)
    if missing := [{"name": name, "name_folded": key} for key, name in by_key.items() if key not in known]:
        await db.execute(tables.tags.insert().values(missing))
        known = await _existing_ids(db, by_key)
    return list(dict.fromkeys(known[fold_name(name)] for name in names))


async def _existing_ids(db: Database, keys: dict[str, str]) -> dict[str, int]:
    rows = await db.fetch_all(sa.select(_t.id, _t.name_folded).where(_t.name_folded.in_(list(keys))))
    return {row["name_folded"]: row["id"] for row in rows}


async def all_tags(ctx: Context) -> list[Tag]:
    """Return the tags of published posts, by name."""
    return await _fetch(ctx, _count_query().order_by(_t.name_folded))


async def with_count(ctx: Context, name: str) -> Tag:
    """Return a tag of published posts, in its canonical spelling. Raises NotFound, also if only drafts have it."""
    tags = await _fetch(ctx, _count_query().where(_t.name_folded == fold_name(name)))
    if not tags:
        raise NotFound("This tag does not exist")
    return tags[0]


async def related(ctx: Context, name: str, limit: int) -> list[Tag]:
    """Return the other tags of the published posts with this tag, counted on these posts, most frequent first."""
    links = tables.post_tags.alias().c
    key = fold_name(name)
    tagged = sa.select(links.post_id).join(tables.tags, links.tag_id == _t.id).where(_t.name_folded == key)
    return await _most_frequent(ctx, _t.name_folded != key, _pt.post_id.in_(tagged.correlate(None)), limit=limit)


async def for_author(ctx: Context, user_id: int, limit: int) -> list[Tag]:
    """Return the tags of an author's published posts, counted on these posts, most frequent first."""
    links = tables.post_authors.c
    written = sa.select(links.post_id).where(links.user_id == user_id)
    return await _most_frequent(ctx, _pt.post_id.in_(written), limit=limit)


async def _most_frequent(ctx: Context, *conditions: sa.ColumnElement[bool], limit: int) -> list[Tag]:
    return await _fetch(ctx, _count_query().where(*conditions).order_by(_POST_COUNT.desc(), _t.name_folded).limit(limit))


async def _fetch(ctx: Context, query: sa.Select[Any]) -> list[Tag]:
    return [Tag(row["name"], row["posts"]) for row in await ctx.db.fetch_all(query)]


def _count_query() -> sa.Select[Any]:
    return sa.select(_t.name, _POST_COUNT).select_from(_used_tags()).where(*_PUBLISHED).group_by(_t.id, _t.name, _t.name_folded)


async def canonical_name(ctx: Context, name: str) -> str:
    """Return the canonical spelling of a tag of published posts. Raises NotFound, also if only drafts have it."""
    query = sa.select(_t.name).select_from(_used_tags()).where(_t.name_folded == fold_name(name), *_PUBLISHED).limit(1)
    spelling: str | None = await ctx.db.fetch_val(query)
    if spelling is None:
        raise NotFound("This tag does not exist")
    return spelling


def _used_tags() -> sa.Join:
    return tables.tags.join(tables.post_tags, _pt.tag_id == _t.id).join(tables.posts, _p.id == _pt.post_id)
