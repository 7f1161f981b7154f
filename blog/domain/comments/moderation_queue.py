"""Comments that moderators decide about: those that wait, and those that were removed."""

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
    """A comment and the post it belongs to."""

    comment: Comment
    post: Post


async def list_page(
    ctx: Context, status: CommentStatus, *, limit: int = PAGE_SIZE, after: CursorKey | None = None
) -> ResultPage[QueuedComment]:
    """Comments of a status, newest first: editors see all, authors those on their posts. Raises NotSignedIn, Forbidden."""
    actor = require_moderator(ctx)
    query = comment_queries.filter_for_moderator(actor, comment_queries.select(), status).order_by(_c.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_c.id < after[1])
    async with ctx.db.snapshot():
        found = ResultPage.by_id(await comment_queries.fetch(ctx.db, query), limit)
        posts = await _posts_by_id(ctx, found.items)
    return found.map(lambda comment: QueuedComment(comment, posts[comment.post_id]))


async def moderate(ctx: Context, decisions: BulkDecision) -> int:
    """Decide about several comments at once; the number of those that changed. All or none.

    What has that status already, or is gone with its post, stays as it is. Raises NotSignedIn, Forbidden (one of them is not
    the actor's to decide about).
    """
    actor = require_moderator(ctx)
    async with ctx.db.transaction():
        found = (await comment_queries.by_ids(ctx.db, decisions.ids)).values()
        posts = await _posts_by_id(ctx, list(found))
        present = [comment for comment in found if comment.post_id in posts]
        if not all(policy.can_moderate(actor, posts[comment.post_id]) for comment in present):
            raise Forbidden("Only the authors of a post and editors can decide about its comments")
        changed = [comment for comment in present if comment.status.value != decisions.status.value]
        if changed:
            before = {comment.id: comment.status for comment in changed}
            values = comment_changes.decision_values(ctx, decisions.status) | {"updated_at": ctx.now}
            await ctx.db.execute(tables.comments.update().where(_c.id.in_(before)).values(values))
            await comment_changes.publish_changes(ctx, before)
    return len(changed)


def require_moderator(ctx: Context) -> Actor:
    """The actor, if they may moderate anything at all. Raises NotSignedIn, Forbidden."""
    actor = ctx.require_actor(Scope.COMMENTS_WRITE)
    if not policy.can_write_posts(actor):
        raise Forbidden("Only authors and editors moderate comments")
    return actor


async def _posts_by_id(ctx: Context, comments: Sequence[Comment]) -> dict[int, Post]:
    return await post_queries.summaries_by_id(ctx.db, {comment.post_id for comment in comments})
