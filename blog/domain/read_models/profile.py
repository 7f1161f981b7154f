"""Read model of an account in the API: the account, its posts and its comments."""

from dataclasses import dataclass

import anyio
import anyio.to_thread

from blog.domain.accounts import accounts
from blog.domain.accounts.models import User
from blog.domain.comments import comments
from blog.domain.comments.models import Comment
from blog.domain.core.context import Context
from blog.domain.core.models import ResultPage
from blog.domain.posts import post_lists
from blog.domain.posts.models import Post
from blog.domain.posts.post_lists import PostFilter
from blog.text.markdown import render_comment


@dataclass(frozen=True, slots=True)
class Profile:
    """An account with its newest published posts and visible comments."""

    user: User
    posts: ResultPage[Post]
    comments: ResultPage[Comment]


async def render_bio(user: User) -> str:
    """Return the bio as sanitised HTML, or an empty string."""
    return await anyio.to_thread.run_sync(render_comment, user.bio) if user.bio else ""


async def read(ctx: Context, user_id: int) -> Profile:
    """Fetch the three parts concurrently, each on its own database connection. Raises NotFound.

    A task group and not `gather`: if one part fails, the others are cancelled. AnyIO's and not asyncio's: before Python 3.13
    the latter leaves the caller marked as cancelled, which an enclosing AnyIO scope misinterprets.
    """
    try:
        async with anyio.create_task_group() as group:
            user = group.create_task(accounts.get(ctx, user_id))
            posts = group.create_task(post_lists.list_page(ctx, PostFilter(author_id=user_id, full=True)))
            comment_page = group.create_task(comments.by_user(ctx, user_id, limit=post_lists.PAGE_SIZE))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return Profile(user.return_value, posts.return_value, comment_page.return_value)
