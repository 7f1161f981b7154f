"""Full-text search of published posts, best matches first, with snippets."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import fulltext, tables
from blog.db.compiled_queries import PreparedQuery
from blog.db.fulltext import Search, SearchShape, Snippet
from blog.domain.core.context import Context
from blog.domain.posts import post_queries, rendering
from blog.domain.posts.models import Post
from blog.schemas.posts import PostStatus

PAGE_SIZE = 20
MAX_RANKED = 1_000
"""The number of matches to rank; if there are more, only the newest are ranked."""
_BATCH_SIZE = 100
_p, _a = tables.posts.c, tables.post_authors.c


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A matching post with a snippet."""

    post: Post
    snippet: Snippet


@dataclass(frozen=True, slots=True)
class SearchResultPage:
    """A page of results. `total` counts all pages; `is_truncated` is set if older posts match too."""

    items: Sequence[SearchResult]
    total: int
    is_truncated: bool = False

    @property
    def page_count(self) -> int:
        """The number of pages, at least 1."""
        return max(1, -(-self.total // PAGE_SIZE))


# With the bare column, SQLite would read all published posts and look each one up among the matches.
_IS_PUBLIC = _p.deleted_at.is_(None) & (_p.status.concat("") == PostStatus.PUBLISHED.value)


async def search_posts(ctx: Context, text: str, page: int = 1) -> SearchResultPage:
    """Return a page (from 1) of the published posts that match.

    Pages have numbers, not cursors: each new post changes the ranks, so a cursor would not stay valid.
    """
    search = fulltext.parse(ctx.db, text)
    if search is None:
        return SearchResultPage([], 0)
    count, best = _queries(search.shape)
    counted, rows = await ctx.db.fetch_many(
        count(**search.values, most=MAX_RANKED + 1),
        best(**search.values, most=MAX_RANKED, limit=PAGE_SIZE, offset=(page - 1) * PAGE_SIZE),
    )
    total = counted[0]["total"]
    posts, snippets = await _with_snippets(ctx, search, rows) if rows else ((), {})
    # Not in one snapshot, which would take one more call: a post that was hidden between the two has no snippet and is left out.
    results = [SearchResult(post, snippets[post.id]) for post in posts if post.id in snippets]
    return SearchResultPage(results, min(total, MAX_RANKED), is_truncated=total > MAX_RANKED)


async def index_author(ctx: Context, user_id: int) -> None:
    """Index the present name of an author in all posts of theirs. Call it inside the transaction that changes the name."""
    own = sa.select(_p.id).join(tables.post_authors, _a.post_id == _p.id).where(_a.user_id == user_id, _p.deleted_at.is_(None))
    ids = [row["id"] for row in await ctx.db.fetch_all(own.order_by(_p.id))]
    for start in range(0, len(ids), _BATCH_SIZE):
        found = await post_queries.summaries_by_id(ctx.db, ids[start : start + _BATCH_SIZE])
        await fulltext.replace_names(ctx.db, {post.id: rendering.names_of(post) for post in found.values()})


async def _with_snippets(ctx: Context, search: Search, rows: Sequence[Record]) -> tuple[list[Post], dict[int, Snippet]]:
    *relations, texts = await ctx.db.fetch_many(
        *post_queries.relations_queries(rows), _texts(search.shape, len(rows))(**post_queries.id_values(rows))
    )
    return post_queries.posts_from_rows(rows, *relations), await fulltext.snippets(search, texts)


@functools.lru_cache(maxsize=50)
def _queries(shape: SearchShape) -> tuple[PreparedQuery, PreparedQuery]:
    """Return the queries for the number of matches, and for the posts of a page."""
    matches = shape.newest(sa.bindparam("most", type_=sa.Integer), _IS_PUBLIC)
    best = sa.select(*post_queries.SUMMARY_COLUMNS).join(matches, matches.c.post_id == _p.id)
    best = best.order_by(matches.c.rank, _p.id.desc())
    limit, offset = (sa.bindparam(name, type_=sa.Integer) for name in ("limit", "offset"))
    total = sa.func.count().label("total")
    return PreparedQuery(sa.select(total).select_from(matches)), PreparedQuery(best.limit(limit).offset(offset))


@functools.lru_cache(maxsize=50)
def _texts(shape: SearchShape, count: int) -> PreparedQuery:
    texts = shape.texts(post_queries.id_parameters(count))
    return PreparedQuery(texts.join(tables.posts, _p.id == shape.post_id).where(_IS_PUBLIC))
