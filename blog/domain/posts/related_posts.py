"""Related posts: the previous and the next post, and posts with the same tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.domain.core.rows import from_row
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.domain.posts.post_lists import ArchiveEntry
from blog.schemas.posts import PostStatus

MAX_SIMILAR = 3
"""The maximum number of posts with the same tags."""

_p = tables.posts.c


@dataclass(frozen=True, slots=True)
class RelatedPosts:
    """The posts published just before and after a post, and the posts with the most tags in common, newest first on a tie."""

    older: ArchiveEntry | None = None
    newer: ArchiveEntry | None = None
    similar: Sequence[ArchiveEntry] = ()


_current = tables.posts.alias("current")
_CHOSEN = _current.c.slug == sa.bindparam("slug")


def _of_current(column: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    return sa.select(column).where(_CHOSEN).scalar_subquery()


def _published(kind: str, shared: sa.ColumnElement[int]) -> sa.Select[Any]:
    shown = (_p.id, _p.slug, _p.title, _p.published_at, _p.language)
    return post_queries.select(sa.literal(kind).label("kind"), shared.label("shared"), *shown).where(
        _p.status == PostStatus.PUBLISHED.value
    )


def _nearest(kind: str, condition: sa.ColumnElement[bool], *order: sa.ColumnElement[Any]) -> sa.Select[Any]:
    query = _published(kind, sa.literal(0)).where(condition).order_by(*order).limit(1).subquery()
    return sa.select(query)  # SQL allows ORDER BY and LIMIT in a part of a UNION only within a subquery


def _similar() -> sa.Select[Any]:
    own, other = tables.post_tags.alias().c, tables.post_tags.alias().c
    shared = (
        sa.select(other.post_id, sa.func.count().label("shared"))
        .where(own.post_id == _of_current(_current.c.id), other.tag_id == own.tag_id, other.post_id != own.post_id)
        .group_by(other.post_id)
        .subquery()
    )
    query = (
        _published("related", shared.c.shared)
        .join(shared, shared.c.post_id == _p.id)
        .order_by(shared.c.shared.desc(), _p.published_at.desc(), _p.id.desc())
        .limit(MAX_SIMILAR)
    )
    return sa.select(query.subquery())


def _query() -> PreparedQuery:
    key = sa.tuple_(_p.published_at, _p.id)
    current = sa.tuple_(_of_current(_current.c.published_at), _of_current(_current.c.id))
    older = _nearest("older", key < current, _p.published_at.desc(), _p.id.desc())
    newer = _nearest("newer", key > current, _p.published_at, _p.id)
    return PreparedQuery(sa.union_all(older, newer, _similar()))


BY_SLUG = _query()
"""The related posts of the post with a `slug`; `from_rows` reads its rows."""


def from_rows(post: Post, rows: Sequence[Record]) -> RelatedPosts:
    """Return the related posts of a published post from the rows of `BY_SLUG`; other posts have none."""
    if post.status is not PostStatus.PUBLISHED:
        return RelatedPosts()
    by_kind: dict[str, list[Record]] = {"older": [], "newer": [], "related": []}
    for row in rows:
        by_kind[row["kind"]].append(row)
    related = sorted(by_kind["related"], key=lambda row: (row["shared"], row["published_at"], row["id"]), reverse=True)
    return RelatedPosts(
        _first_entry(by_kind["older"]), _first_entry(by_kind["newer"]), tuple(from_row(ArchiveEntry, row) for row in related)
    )


def _first_entry(rows: Sequence[Record]) -> ArchiveEntry | None:
    return from_row(ArchiveEntry, rows[0]) if rows else None
