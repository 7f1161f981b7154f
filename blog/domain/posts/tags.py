"""Tags. Names with the same key, such as names that differ only in case, are the same tag."""

import functools
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery
from blog.db.database import Database
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.posts.models import Tag
from blog.errors import NotFound
from blog.schemas.posts import PostStatus
from blog.text.normalisation import fold_name

_t, _pt, _p, _a = tables.tags.c, tables.post_tags.c, tables.posts.c, tables.tag_aliases.c
_PUBLISHED = (_p.status == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None))
_UNUSED = sa.and_(
    ~sa.exists().where(_pt.tag_id == _t.id), ~sa.exists().where(_a.tag_id == _t.id), _t.description == "", _t.image.is_(None)
)
"""Without posts, and without anything that an editor has added."""
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
    """Return the names of tags that no post has, without tags that an editor has described or renamed."""
    rows = await db.fetch_all(sa.select(_t.name).where(_UNUSED).order_by(_t.name_folded))
    return [row["name"] for row in rows]


async def remove_unused(db: Database) -> None:
    """Delete the tags of `list_unused`."""
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


async def _existing_ids(db: Database, keys: Collection[str]) -> dict[str, int]:
    rows = await db.fetch_all(_ids_query(len(keys))(**{f"key_{place}": key for place, key in enumerate(keys)}))
    return {row["name_folded"]: row["id"] for row in rows}


@functools.lru_cache(maxsize=100)
def _ids_query(count: int) -> PreparedQuery:
    """Return the query for the ids of `count` names or aliases: building it takes as long as running it."""
    keys = [sa.bindparam(f"key_{place}", type_=sa.String) for place in range(count)]
    names = sa.select(_t.id, _t.name_folded).where(_t.name_folded.in_(keys))
    return PreparedQuery(names.union_all(sa.select(_a.tag_id, _a.name_folded).where(_a.name_folded.in_(keys))))


def id_by_key(parameter: str) -> sa.ScalarSelect[int]:
    """Return the id of the tag with a name or an alias. parameter: the name of the parameter with its key."""
    key: sa.BindParameter[str] = sa.bindparam(parameter, type_=sa.String)
    found = sa.select(_t.id).where(_t.name_folded == key).union_all(sa.select(_a.tag_id).where(_a.name_folded == key))
    return sa.select(found.subquery().c.id).limit(1).scalar_subquery()


_COLUMNS = (_t.id, _t.name, _t.own_slug, _t.description, _t.image)
_PUBLIC_POSTS = (
    sa.select(sa.func.count())
    .select_from(tables.post_tags)
    .where(_pt.tag_id == _t.id, _pt.listed_at.is_not(None))
    .scalar_subquery()
)
_FIND = PreparedQuery(sa.select(*_COLUMNS, _PUBLIC_POSTS.label("posts")).where(_t.id == id_by_key("key")))


async def find(db: Database, address: str) -> Tag | None:
    """Return the tag with this name, alias or slug, with or without posts, or None."""
    row = await db.fetch_one(_FIND(key=fold_name(address)))
    return from_row(Tag, row) if row else None


async def by_address(db: Database, address: str) -> Tag:
    """Return the tag with this name, alias or slug, with or without posts. Raises NotFound."""
    if (tag := await find(db, address)) is None:
        raise NotFound("This tag does not exist")
    return tag


async def by_id(db: Database, tag_id: int) -> Tag:
    """Return a tag, with or without posts. Raises NotFound."""
    row = await db.fetch_one(sa.select(*_COLUMNS, _PUBLIC_POSTS.label("posts")).where(_t.id == tag_id))
    if row is None:
        raise NotFound("This tag does not exist")
    return from_row(Tag, row)


async def list_page(ctx: Context, text: str, after: CursorKey | None, *, limit: int = 50) -> ResultPage[Tag]:
    """Return a page of all tags by name, for editors. text: a part of the name."""
    policy.require_editor(ctx)
    query = sa.select(*_COLUMNS, _PUBLIC_POSTS.label("posts"), _t.name_folded).order_by(_t.name_folded).limit(limit + 1)
    if text:
        query = query.where(_t.name_folded.contains(fold_name(text), autoescape=True))
    if after is not None:
        query = query.where(_t.name_folded > after[0])
    rows = await ctx.db.fetch_all(query)
    return ResultPage.of([from_row(Tag, row) for row in rows], limit, lambda tag: (fold_name(tag.name), tag.id))


async def all_tags(ctx: Context) -> list[Tag]:
    """Return the tags of published posts, by name."""
    return await _fetch(ctx, _count_query().order_by(_t.name_folded))


async def with_count(ctx: Context, address: str) -> Tag:
    """Return a tag of published posts by name, alias or slug. Raises NotFound, also if only drafts have it."""
    tag = await find(ctx.db, address)
    if tag is None or not tag.posts:
        raise NotFound("This tag does not exist")
    return tag


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
    return [from_row(Tag, row) for row in await ctx.db.fetch_all(query)]


def _count_query() -> sa.Select[Any]:
    return sa.select(*_COLUMNS, _POST_COUNT).select_from(_used_tags()).where(*_PUBLISHED).group_by(*_COLUMNS, _t.name_folded)


def _used_tags() -> sa.Join:
    return tables.tags.join(tables.post_tags, _pt.tag_id == _t.id).join(tables.posts, _p.id == _pt.post_id)
