"""What readers find by words: the best matches first, each with the place where the words stand."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.db.fulltext import Passage
from blog.domain.core.context import Context
from blog.domain.core.models import Post
from blog.domain.posts import post_queries
from blog.schemas.posts import PostStatus

PAGE = 20
MOST = 1_000
"""Posts that are ranked: those that were added last, when more match."""
_p = tables.posts.c


@dataclass(frozen=True, slots=True)
class Finding:
    """A post, and where the words stand in it."""

    post: Post
    passage: Passage


@dataclass(frozen=True, slots=True)
class Findings:
    """One page of what was found; `total` counts all of it, `pages` is at least 1; `is_cut`: there are older posts as well."""

    items: Sequence[Finding]
    total: int
    is_cut: bool = False

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PAGE))


async def find(ctx: Context, text: str, page: int = 1) -> Findings:
    """A page (from 1) of the published posts that match.

    By number, not by keyset: the rank of a match moves with every post that is written, so that no key would hold.
    """
    # By the bare column SQLite would go through all posts, and look for each of them among the matches.
    seen = _p.deleted_at.is_(None) & (_p.status.concat("") == PostStatus.PUBLISHED.value)
    matches, counted = (fulltext.newest(ctx.db, text, most, seen) for most in (MOST, MOST + 1))
    if matches is None or counted is None:
        return Findings([], 0)
    best = sa.select(*post_queries.CARD).join(matches, matches.c.post_id == _p.id).order_by(matches.c.rank, _p.id.desc())
    async with ctx.db.snapshot():
        total = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(counted))
        posts = await post_queries.load(ctx.db, best.limit(PAGE).offset((page - 1) * PAGE))
        passages = await fulltext.passages(ctx.db, text, [post.id for post in posts])
    return Findings([Finding(post, passages[post.id]) for post in posts], min(total, MOST), is_cut=total > MOST)
