"""Comments that moderators decide about: those that wait, and those that were removed."""

from collections.abc import Sequence
from dataclasses import dataclass

from blog.db import tables
from blog.domain.comments import comment_changes, comment_queries
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import Comment, Page, Post
from blog.domain.posts import post_queries
from blog.errors import Forbidden
from blog.schemas.accounts import Scope
from blog.schemas.comments import CommentStatus, Decisions

_c, _p = tables.comments.c, tables.posts.c
PAGE = 20


@dataclass(frozen=True, slots=True)
class Case:
    """A comment and the post it belongs to."""

    comment: Comment
    post: Post


async def page(ctx: Context, status: CommentStatus, *, limit: int = PAGE, after: tuple[str, int] | None = None) -> Page[Case]:
    """Comments of a status, newest first: editors see all, authors those on their posts. Raises NotSignedIn, Forbidden."""
    actor = require_moderator(ctx)
    query = comment_queries.moderated_by(actor, comment_queries.select(), status).order_by(_c.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_c.id < after[1])
    async with ctx.db.snapshot():
        found = comment_queries.cut(await comment_queries.load(ctx.db, query), limit)
        posts = await _posts(ctx, found.items)
    return Page([Case(comment, posts[comment.post_id]) for comment in found.items], found.next)


async def decide(ctx: Context, decisions: Decisions) -> int:
    """Decide about several comments at once; the number of those that changed. All or none.

    What has that status already, or is gone with its post, stays as it is. Raises NotSignedIn, Forbidden (one of them is not
    the actor's to decide about).
    """
    actor = require_moderator(ctx)
    async with ctx.db.transaction():
        found = (await comment_queries.by_ids(ctx.db, decisions.ids)).values()
        posts = await _posts(ctx, list(found))
        present = [comment for comment in found if comment.post_id in posts]
        if not all(policy.may_moderate(actor, posts[comment.post_id]) for comment in present):
            raise Forbidden("Only the authors of a post and editors can decide about its comments")
        changed = [comment for comment in present if comment.status.value != decisions.status.value]
        if changed:
            before = {comment.id: comment.status for comment in changed}
            values = comment_changes.decided(ctx, decisions.status) | {"updated_at": ctx.now}
            await ctx.db.execute(tables.comments.update().where(_c.id.in_(before)).values(values))
            await comment_changes.tell(ctx, before)
    return len(changed)


def require_moderator(ctx: Context) -> Actor:
    """The actor, if they may moderate anything at all. Raises NotSignedIn, Forbidden."""
    actor = ctx.signed_in(Scope.COMMENTS_WRITE)
    if not policy.may_write_posts(actor):
        raise Forbidden("Only authors and editors moderate comments")
    return actor


async def _posts(ctx: Context, comments: Sequence[Comment]) -> dict[int, Post]:
    ids = {comment.post_id for comment in comments}
    posts = await post_queries.load(ctx.db, post_queries.select(*post_queries.CARD).where(_p.id.in_(ids))) if ids else []
    return {post.id: post for post in posts}
