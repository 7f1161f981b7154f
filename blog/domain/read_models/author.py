"""Read model of an author page, from one database snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass

from blog.domain.accounts import accounts
from blog.domain.accounts.models import User
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.posts import post_lists, tags
from blog.domain.posts.models import Post, Tag
from blog.domain.posts.post_filter import PostFilter

MAX_TOP_TAGS = 6
"""Maximum number of tags shown."""


@dataclass(frozen=True, slots=True)
class AuthorView:
    """An author with the number of published posts, the most frequent tags, one page of posts, and the log position."""

    user: User
    total: int
    top_tags: Sequence[Tag]
    page: ResultPage[Post]
    position: Position


async def read(ctx: Context, username: str, after: CursorKey | None = None) -> AuthorView:
    """Return an author by username, case-insensitively. Raises NotFound."""
    async with ctx.db.snapshot():
        user = await accounts.by_username(ctx, username)
        page = await post_lists.list_page(ctx, PostFilter(author_id=user.id, after=after))
        total = await post_lists.count(ctx, PostFilter(author_id=user.id))
        return AuthorView(user, total, await tags.for_author(ctx, user.id, MAX_TOP_TAGS), page, await events.position(ctx.db))
