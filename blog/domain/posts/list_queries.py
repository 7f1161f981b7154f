"""The queries of `post_lists`: built once for each combination of filters, with a parameter for each value.

Parameters: `tag_0`, `tag_1`, … and `author` (folded names), `author_id`, `actor_id`, `slug`, `published_after`,
`published_before`, `updated_after`, `deleted_since`, `title_pattern`, `after_key` and `after_id` (the cursor), and `limit`.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.domain.posts import post_queries, tags
from blog.domain.posts.post_filter import ListShape
from blog.domain.posts.post_queries import PreparedPosts
from blog.schemas.posts import PostStatus

_p = tables.posts.c
MAX_FEATURED = 3
"""Featured posts on the first page of a list."""
LISTED_DATE = sa.func.coalesce(_p.published_at, _p.publish_at, _p.created_at)
"""The date of a post in a list of all statuses. An index of the same expression covers it."""
_COLUMNS: dict[str, sa.ColumnElement[Any]] = {
    "updated_at": _p.updated_at,
    "title": sa.func.lower(_p.title),
    "comments": _p.comment_count,
    "views": _p.view_count,
}


@dataclass(frozen=True, slots=True)
class _Listing:
    """The source of a list, ordered by `sort_key` and `post_id`, which an index covers."""

    links: sa.Table | None  # None: the table of posts
    post_id: sa.ColumnElement[int]
    sort_key: sa.ColumnElement[Any]
    conditions: Sequence[sa.ColumnElement[bool]]

    def apply_order(self, query: sa.Select[Any], shape: ListShape) -> sa.Select[Any]:
        """Filter, order and limit the query; it starts after a cursor if the shape has one."""
        columns, query = (self.sort_key, self.post_id), query.where(*self.conditions)
        if "after_id" in shape.parameters:
            cursor = sa.tuple_(sa.bindparam("after_key", type_=self.sort_key.type), _id_parameter("after_id"))
            query = query.where(sa.tuple_(*columns) < cursor if shape.sort.is_descending else sa.tuple_(*columns) > cursor)
        query = query.order_by(*(column.desc() if shape.sort.is_descending else column.asc() for column in columns))
        return query.limit(sa.bindparam("limit", type_=sa.Integer))


@functools.lru_cache(maxsize=200)
def page(shape: ListShape) -> PreparedPosts:
    """Return the queries for the posts of a page, with their authors and tags."""
    return post_queries.prepare(select_page(shape))


def select_page(shape: ListShape, *, only: Sequence[int] | None = None) -> sa.Select[Any]:
    """Return the query for the posts of a page, with the column `sort_key`. only: ids to limit it to."""
    listing = _build_listing(shape, only=only)
    columns = post_queries.FULL_COLUMNS if shape.full else post_queries.SUMMARY_COLUMNS
    query = sa.select(*columns, listing.sort_key.label("sort_key"))
    if listing.links is not None:
        query = query.join(listing.links, listing.post_id == _p.id)
    return listing.apply_order(query, shape)


@functools.cache
def first_page(shape: ListShape) -> PreparedPosts:
    """Return the queries for the posts of the first page and the newest featured posts, which may be among them.

    One list of ids, so that featured posts need no further queries for themselves, their authors and their tags.
    """
    listing = _build_listing(shape)
    newest = listing.apply_order(sa.select(listing.post_id), shape).subquery()
    # With the column itself, SQLite would read all published posts. The expression leaves it the index of featured posts.
    is_shown = (_p.status.concat("") == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None))
    featured = sa.select(_p.id).where(_p.featured, *is_shown).order_by(_p.published_at.desc(), _p.id.desc())
    ids = sa.union_all(sa.select(newest), sa.select(featured.limit(MAX_FEATURED).subquery()))
    query = sa.select(*post_queries.SUMMARY_COLUMNS, listing.sort_key.label("sort_key")).where(_p.id.in_(ids))
    return post_queries.prepare(query.order_by(_p.published_at.desc(), _p.id.desc()))


def select_count(shape: ListShape, matches: sa.Subquery | None = None) -> sa.Select[Any]:
    """Return the query for the number of posts on all pages. matches: the posts of a search to limit it to."""
    listing = _build_listing(shape)
    counted = sa.select(sa.func.count()).select_from(tables.posts if listing.links is None else listing.links)
    counted = counted.where(*listing.conditions)
    return counted if matches is None else counted.where(listing.post_id.in_(sa.select(matches.c.post_id)))


@functools.lru_cache(maxsize=200)
def count(shape: ListShape) -> PreparedQuery:
    """Return the prepared query of `select_count`."""
    return PreparedQuery(select_count(shape))


@functools.lru_cache(maxsize=200)
def scan(shape: ListShape) -> PreparedQuery:
    """Return the query for the columns by which a list is ordered: `id` and `sort_key`."""
    listing = _build_listing(shape)
    query = sa.select(listing.post_id.label("id"), listing.sort_key.label("sort_key"))
    return PreparedQuery(listing.apply_order(query, shape))


def _build_listing(shape: ListShape, *, only: Sequence[int] | None = None) -> _Listing:
    """Return the source for all filters except `text`.

    only: ids to limit the list to.

    Published posts of a tag or an author are listed from the link tables, which have the publication time in an index.
    """
    owners = list(_owners(shape))
    if owners and _is_in_links(shape):
        (column, owner), *others = owners
        links = column.table
        conditions = [column == owner, links.c.listed_at.is_not(None), *link_conditions(links.c.post_id, others)]
        conditions += _date_conditions(shape, links.c.listed_at)
        conditions += [] if only is None else [links.c.post_id.in_(only)]
        return _Listing(links, links.c.post_id, links.c.listed_at, conditions)
    date = _date(shape)
    conditions = [*_status_conditions(shape, only=only), *link_conditions(_p.id, owners), *_date_conditions(shape, date)]
    if "slug" in shape.parameters:
        conditions.append(_p.slug == sa.bindparam("slug", type_=_p.slug.type))
    if "updated_after" in shape.parameters:
        conditions.append(_p.updated_at > sa.bindparam("updated_after", type_=tables.UTCDateTime()))
    conditions += [] if only is None else [_p.id.in_(only)]
    return _Listing(None, _p.id, _COLUMNS.get(shape.sort.field, date), conditions)


def _is_in_links(shape: ListShape) -> bool:
    """Return whether the link tables have all columns that the filters and the order need."""
    is_published = shape.status is PostStatus.PUBLISHED and not shape.is_deleted
    return is_published and shape.sort.field == "published_at" and shape.parameters.isdisjoint({"slug", "updated_after"})


def _owners(shape: ListShape) -> "Iterator[LinkFilter]":
    for name in shape.tags:
        yield tables.post_tags.c.tag_id, tags.id_by_key(name)
    if "author" in shape.parameters:
        yield tables.post_authors.c.user_id, _AUTHOR_ID
    for name in ("author_id", "actor_id"):
        if name in shape.parameters:
            yield tables.post_authors.c.user_id, _id_parameter(name)


def _date(shape: ListShape) -> sa.ColumnElement[Any]:
    if shape.is_deleted:
        return _p.deleted_at
    if shape.status is None:
        return LISTED_DATE
    return _p.published_at if shape.status is PostStatus.PUBLISHED else _p.created_at


def _status_conditions(shape: ListShape, *, only: Sequence[int] | None) -> Iterator[sa.ColumnElement[bool]]:
    if shape.status is not None:
        # With ids, SQLite would still use the index on the status and read all its posts. An expression prevents that.
        yield (_p.status if only is None else _p.status.concat("")) == shape.status.value
    if not shape.is_deleted:
        yield _p.deleted_at.is_(None)
        return
    yield _p.deleted_at > sa.bindparam("deleted_since", type_=tables.UTCDateTime())
    yield post_queries.HAS_AUTHOR
    if "title_pattern" in shape.parameters:
        yield sa.func.lower(_p.title).like(sa.func.lower(sa.bindparam("title_pattern", type_=sa.Text)), escape="\\")


def _date_conditions(shape: ListShape, date: sa.ColumnElement[Any]) -> Iterator[sa.ColumnElement[bool]]:
    if "published_after" in shape.parameters:
        yield date > sa.bindparam("published_after", type_=tables.UTCDateTime())
    if "published_before" in shape.parameters:
        yield date < sa.bindparam("published_before", type_=tables.UTCDateTime())


LinkFilter = tuple[sa.Column[int], sa.ColumnElement[int]]
"""A column of a link table (tag or user), and the value to match."""


def link_conditions(post_id: sa.ColumnElement[int], owners: Iterable[LinkFilter]) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the conditions for posts that have all of these links."""
    for column, owner in owners:
        links = column.table.alias()
        yield sa.exists().where(links.c.post_id == post_id, links.c[column.name] == owner)


def _id_parameter(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=_p.id.type)


_AUTHOR_ID = sa.select(tables.users.c.id).where(tables.users.c.username_folded == sa.bindparam("author")).scalar_subquery()
