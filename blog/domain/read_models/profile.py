"""Read model of an account in the API: the account, its posts and its comments.

An account that has published nothing does not exist for others: strangers could otherwise list all accounts by id.
"""

from dataclasses import dataclass

import anyio
import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.accounts.models import User
from blog.domain.comments import comments
from blog.domain.comments.models import Comment
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import ResultPage
from blog.domain.posts import post_lists
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import PAGE_SIZE, PostFilter
from blog.errors import NotFound
from blog.schemas.comments import CommentStatus
from blog.schemas.posts import PostStatus
from blog.text.markdown import render_comment

_p, _a, _c = tables.posts.c, tables.post_authors.c, tables.comments.c


@dataclass(frozen=True, slots=True)
class Profile:
    """An account with its newest published posts and visible comments."""

    user: User
    posts: ResultPage[Post]
    comments: ResultPage[Comment]


async def render_bio(user: User) -> str:
    """Return the bio as sanitised HTML, or an empty string."""
    return await anyio.to_thread.run_sync(render_comment, user.bio) if user.bio else ""


async def by_id(ctx: Context, user_id: int) -> User:
    """Return an account that the actor may see. Raises NotFound."""
    user = await accounts.get(ctx, user_id)
    if policy.can_see_unpublished_account(ctx.actor, user_id) or await ctx.db.fetch_val(sa.select(_has_published(user_id))):
        return user
    raise NotFound(accounts.UNKNOWN_ID)  # the message for an unknown account


async def by_username(ctx: Context, username: str) -> User | None:
    """Return the account with this username if the actor may see it, else None."""
    try:
        return await by_id(ctx, (await accounts.active(ctx, username)).id)
    except NotFound:
        return None


async def read(ctx: Context, user_id: int) -> Profile:
    """Fetch the three parts concurrently, each on its own database connection. Raises NotFound.

    A task group and not `gather`: if one part fails, the others are cancelled. AnyIO's and not asyncio's: before Python 3.13
    the latter leaves the caller marked as cancelled, which an enclosing AnyIO scope misinterprets.
    """
    try:
        async with anyio.create_task_group() as group:
            user = group.create_task(accounts.get(ctx, user_id))
            posts = group.create_task(post_lists.list_page(ctx, PostFilter(author_id=user_id, full=True)))
            comment_page = group.create_task(comments.by_user(ctx, user_id, limit=PAGE_SIZE))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    profile = Profile(user.return_value, posts.return_value, comment_page.return_value)
    if not (profile.posts.items or profile.comments.items or policy.can_see_unpublished_account(ctx.actor, user_id)):
        raise NotFound(accounts.UNKNOWN_ID)
    return profile


def _has_published(user_id: int) -> sa.ColumnElement[bool]:
    """Return whether the user has a published post, or a visible comment on one."""
    is_public = (_p.status == PostStatus.PUBLISHED.value) & _p.deleted_at.is_(None)
    posts = sa.select(_p.id).join(tables.post_authors, _a.post_id == _p.id).where(_a.user_id == user_id, is_public)
    comments = sa.select(_c.id).join(tables.posts, _p.id == _c.post_id).where(_c.author_id == user_id, is_public)
    return sa.or_(posts.exists(), comments.where(_c.status == CommentStatus.VISIBLE.value).exists())
