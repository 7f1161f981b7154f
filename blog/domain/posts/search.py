"""Full-text search of published posts, best matches first, with snippets."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.db.fulltext import Snippet
from blog.domain.core.context import Context
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.schemas.posts import PostStatus

PAGE_SIZE = 20
MAX_RANKED = 1_000
"""The number of matches to rank; if there are more, only the newest are ranked."""
_p = tables.posts.c


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


async def search_posts(ctx: Context, text: str, page: int = 1) -> SearchResultPage:
    """Return a page (from 1) of the published posts that match.

    Pages have numbers, not cursors: each new post changes the ranks, so a cursor would not stay valid.
    """
    # With the bare column, SQLite would read all published posts and look each one up among the matches.
    is_public = _p.deleted_at.is_(None) & (_p.status.concat("") == PostStatus.PUBLISHED.value)
    matches, counted = (fulltext.match_newest(ctx.db, text, most, is_public) for most in (MAX_RANKED, MAX_RANKED + 1))
    if matches is None or counted is None:
        return SearchResultPage([], 0)
    best = (
        sa.select(*post_queries.SUMMARY_COLUMNS).join(matches, matches.c.post_id == _p.id).order_by(matches.c.rank, _p.id.desc())
    )
    async with ctx.db.snapshot():
        total = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(counted))
        posts = await post_queries.fetch(ctx.db, best.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE))
        snippets = await fulltext.snippets(ctx.db, text, [post.id for post in posts])
    return SearchResultPage(
        [SearchResult(post, snippets[post.id]) for post in posts], min(total, MAX_RANKED), is_truncated=total > MAX_RANKED
    )
