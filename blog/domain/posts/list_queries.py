"""The queries of `post_lists`: built once for each combination of filters, with a parameter for each value.

Parameters: `tag` and `author` (folded names), `author_id`, `actor_id`, `after_at` and `after_id` (the cursor), and `limit`.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.domain.posts import post_queries
from blog.domain.posts.post_queries import PreparedPosts
from blog.schemas.posts import PostStatus

_p = tables.posts.c


@dataclass(frozen=True, slots=True)
class ListShape:
    """The part of a filter that determines the text of a query: the names of its parameters, but not their values."""

    parameters: frozenset[str]
    status: PostStatus
    full: bool


@dataclass(frozen=True, slots=True)
class _Listing:
    """The source of a list, ordered by `instant` and `post_id`, which an index covers."""

    links: sa.Table | None  # None: the table of posts
    post_id: sa.ColumnElement[int]
    instant: sa.ColumnElement[Any]
    conditions: Sequence[sa.ColumnElement[bool]]

    def apply_order(self, query: sa.Select[Any], shape: ListShape) -> sa.Select[Any]:
        """Filter, order and limit the query; it starts after a cursor if the shape has one."""
        query = query.where(*self.conditions)
        if "after_id" in shape.parameters:
            cursor = (sa.bindparam("after_at", type_=tables.UTCDateTime()), sa.bindparam("after_id", type_=_p.id.type))
            query = query.where(sa.tuple_(self.instant, self.post_id) < sa.tuple_(*cursor))
        return query.order_by(self.instant.desc(), self.post_id.desc()).limit(sa.bindparam("limit", type_=sa.Integer))


@functools.cache
def page(shape: ListShape) -> PreparedPosts:
    """Return the queries for the posts of a page, with their authors and tags."""
    return post_queries.prepare(select_page(shape))


def select_page(shape: ListShape, *, only: Sequence[int] | None = None) -> sa.Select[Any]:
    """Return the query for the posts of a page. only: ids to limit it to."""
    listing = _build_listing(shape, only=only)
    query = post_queries.select(*(post_queries.FULL_COLUMNS if shape.full else post_queries.SUMMARY_COLUMNS))
    if listing.links is not None:
        query = query.join(listing.links, listing.post_id == _p.id)
    return listing.apply_order(query, shape)


@functools.cache
def count(shape: ListShape) -> PreparedQuery:
    """Return the query for the number of posts on all pages."""
    listing = _build_listing(shape)
    counted = sa.select(sa.func.count()).select_from(tables.posts if listing.links is None else listing.links)
    return PreparedQuery(counted.where(*listing.conditions))


@functools.cache
def scan(shape: ListShape) -> PreparedQuery:
    """Return the query for the columns by which a list is ordered: `id` and `instant`."""
    listing = _build_listing(shape)
    query = sa.select(listing.post_id.label("id"), listing.instant.label("instant"))
    return PreparedQuery(listing.apply_order(query, shape))


def _build_listing(shape: ListShape, *, only: Sequence[int] | None = None) -> _Listing:
    """Return the source for all filters except `text`.

    only: ids to limit the list to.

    Published posts of a tag or an author are listed from the link tables, which have the publication time in an index.
    """
    id_type, owners = _p.id.type, list[LinkFilter]()
    if "tag" in shape.parameters:
        owners.append((tables.post_tags.c.tag_id, _TAG_ID))
    if "author" in shape.parameters:
        owners.append((tables.post_authors.c.user_id, _AUTHOR_ID))
    if "author_id" in shape.parameters:
        owners.append((tables.post_authors.c.user_id, sa.bindparam("author_id", type_=id_type)))
    if shape.status is not PostStatus.PUBLISHED:
        owners.append((tables.post_authors.c.user_id, sa.bindparam("actor_id", type_=id_type)))
    elif owners:
        (column, owner), *others = owners
        links = column.table
        conditions = [column == owner, links.c.listed_at.is_not(None), *link_conditions(links.c.post_id, others)]
        conditions += [] if only is None else [links.c.post_id.in_(only)]
        return _Listing(links, links.c.post_id, links.c.listed_at, conditions)
    instant = _p.published_at if shape.status is PostStatus.PUBLISHED else _p.created_at
    # With ids, SQLite would still use the index on the status and read all its posts. An expression prevents that.
    status = _p.status if only is None else _p.status.concat("")
    conditions = [status == shape.status.value, _p.deleted_at.is_(None), *link_conditions(_p.id, owners)]
    conditions += [] if only is None else [_p.id.in_(only)]
    return _Listing(None, _p.id, instant, conditions)


LinkFilter = tuple[sa.Column[int], sa.ColumnElement[int]]
"""A column of a link table (tag or user), and the value to match."""


def link_conditions(post_id: sa.ColumnElement[int], owners: Iterable[LinkFilter]) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the conditions for posts that have all of these links."""
    for column, owner in owners:
        links = column.table.alias()
        yield sa.exists().where(links.c.post_id == post_id, links.c[column.name] == owner)


def _id_by_name(table: sa.Table, column: sa.Column[str], parameter: str) -> sa.ScalarSelect[int]:
    return sa.select(table.c.id).where(column == sa.bindparam(parameter)).scalar_subquery()


_TAG_ID = _id_by_name(tables.tags, tables.tags.c.name_folded, "tag")
_AUTHOR_ID = _id_by_name(tables.users, tables.users.c.username_folded, "author")
