"""What readers find by words: the best matches first, each with the place where the words stand."""

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
"""Posts that are ranked: those that were added last, when more match."""
_p = tables.posts.c


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A post, and where the words stand in it."""

    post: Post
    snippet: Snippet


@dataclass(frozen=True, slots=True)
class SearchResultPage:
    """One page of what was found; `total` counts all of it, `pages` is at least 1; `is_cut`: there are older posts as well."""

    items: Sequence[SearchResult]
    total: int
    is_truncated: bool = False

    @property
    def page_count(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PAGE_SIZE))


async def search_posts(ctx: Context, text: str, page: int = 1) -> SearchResultPage:
    """A page (from 1) of the published posts that match.

    By number, not by keyset: the rank of a match moves with every post that is written, so that no key would hold.
    """
    # By the bare column SQLite would go through all posts, and look for each of them among the matches.
    seen = _p.deleted_at.is_(None) & (_p.status.concat("") == PostStatus.PUBLISHED.value)
    matches, counted = (fulltext.match_newest(ctx.db, text, most, seen) for most in (MAX_RANKED, MAX_RANKED + 1))
    if matches is None or counted is None:
        return SearchResultPage([], 0)
    best = (
        sa.select(*post_queries.SUMMARY_COLUMNS).join(matches, matches.c.post_id == _p.id).order_by(matches.c.rank, _p.id.desc())
    )
    async with ctx.db.snapshot():
        total = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(counted))
        posts = await post_queries.fetch(ctx.db, best.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE))
        passages = await fulltext.snippets(ctx.db, text, [post.id for post in posts])
    return SearchResultPage(
        [SearchResult(post, passages[post.id]) for post in posts], min(total, MAX_RANKED), is_truncated=total > MAX_RANKED
    )
