"""The moderation queue: pending and removed comments, and decisions about them."""

from collections.abc import Sequence
from dataclasses import dataclass

from blog.db import tables
from blog.domain.comments import comment_changes, comment_queries
from blog.domain.comments.models import Comment
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.errors import Forbidden
from blog.schemas.accounts import Scope
from blog.schemas.comments import BulkDecision, CommentStatus

_c = tables.comments.c
PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class QueuedComment:
    """A comment and its post."""

    comment: Comment
    post: Post


async def list_page(
    ctx: Context, status: CommentStatus, *, limit: int = PAGE_SIZE, after: CursorKey | None = None
) -> ResultPage[QueuedComment]:
    """Return a page of comments with a status, newest first: all for editors, those on their own posts for authors.

    Raises NotAuthenticated, Forbidden.
    """
    actor = require_moderator(ctx)
    author_id = None if policy.can_moderate_all(actor) else actor.id
    query = comment_queries.filter_for_moderator(comment_queries.select(), status, author_id)
    query = query.order_by(_c.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_c.id < after[1])
    async with ctx.db.snapshot():
        page = ResultPage.by_id(await comment_queries.fetch(ctx.db, query), limit)
        posts = await _posts_by_id(ctx, page.items)
    return page.map(lambda comment: QueuedComment(comment, posts[comment.post_id]))


async def moderate(ctx: Context, decisions: BulkDecision) -> int:
    """Apply one decision to several comments in one transaction, and return the number of changed comments.

    Comments that already have the status, or on a deleted post, are skipped. Raises NotAuthenticated, Forbidden (if the
    actor may not moderate one of them).
    """
    actor = require_moderator(ctx)
    async with ctx.db.transaction():
        comments = (await comment_queries.by_ids(ctx.db, decisions.ids)).values()
        posts = await _posts_by_id(ctx, list(comments))
        with_post = [comment for comment in comments if comment.post_id in posts]
        if not all(policy.can_moderate(actor, posts[comment.post_id]) for comment in with_post):
            raise Forbidden("Only the authors of a post and editors can moderate its comments")
        changed = [comment for comment in with_post if comment.status.value != decisions.status.value]
        if changed:
            before = {comment.id: comment.status for comment in changed}
            values = comment_changes.decision_values(ctx, decisions.status) | {"updated_at": ctx.now}
            await ctx.db.execute(tables.comments.update().where(_c.id.in_(before)).values(values))
            await comment_changes.publish_changes(ctx, before)
    return len(changed)


def require_moderator(ctx: Context) -> Actor:
    """Return the actor if they can moderate comments. Raises NotAuthenticated, Forbidden."""
    actor = ctx.require_actor(Scope.COMMENTS_WRITE)
    if not policy.can_write_posts(actor):
        raise Forbidden("Only authors and editors can moderate comments")
    return actor


async def _posts_by_id(ctx: Context, comments: Sequence[Comment]) -> dict[int, Post]:
    return await post_queries.summaries_by_id(ctx.db, {comment.post_id for comment in comments})
