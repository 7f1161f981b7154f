"""All that the page of one author shows, from one state of the database."""

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
from blog.domain.posts.post_lists import PostFilter

MAX_TOP_TAGS = 6
"""How many tags are named at most."""


@dataclass(frozen=True, slots=True)
class AuthorView:
    """A person, how many posts they published, the tags that these carry most often, a page of them, and the place in the
    event log of all this."""

    user: User
    total: int
    top_tags: Sequence[Tag]
    page: ResultPage[Post]
    position: Position


async def read(ctx: Context, username: str, after: CursorKey | None = None) -> AuthorView:
    """The author, whatever the case of the name. Raises NotFound."""
    async with ctx.db.snapshot():
        user = await accounts.by_username(ctx, username)
        page = await post_lists.list_page(ctx, PostFilter(author_id=user.id, after=after))
        total = await post_lists.count(ctx, PostFilter(author_id=user.id))
        return AuthorView(user, total, await tags.for_author(ctx, user.id, MAX_TOP_TAGS), page, await events.position(ctx.db))
