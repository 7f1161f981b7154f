"""Comments: written by anybody who is signed in, kept in order by the authors of the post and the editors."""

from collections.abc import Sequence
from typing import Any

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.comments import comment_changes, comment_queries, moderation_rules
from blog.domain.comments.moderation_rules import Reading
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import Comment, Page, Post
from blog.domain.posts import post_queries
from blog.errors import FieldError, Forbidden, InvalidInput, NotFound
from blog.schemas.accounts import Scope
from blog.schemas.comments import CommentChanges, CommentStatus, Decision, NewComment
from blog.schemas.feature_flags import Flag
from blog.schemas.posts import PostStatus
from blog.text.markdown import render_comment

_c, _p = tables.comments.c, tables.posts.c
Key = tuple[str, int]


async def page(ctx: Context, post: Post, *, limit: int, after: Key | None = None) -> Page[Comment]:
    """The comments of a post that the actor has already been shown, oldest first: those that they may see."""
    query = comment_queries.select().where(_c.post_id == post.id).order_by(_c.id).limit(limit + 1)
    if not policy.may_moderate(ctx.actor, post):
        query = query.where(_seen_by(ctx.actor))
    if after is not None:
        query = query.where(_c.id > after[1])
    return comment_queries.cut(await comment_queries.load(ctx.db, query), limit)


async def by_user(ctx: Context, user_id: int, *, limit: int, after: Key | None = None) -> Page[Comment]:
    """The visible comments of a person on published posts, newest first."""
    query = (
        comment_queries.select()
        .join(tables.posts, _p.id == _c.post_id)
        .where(_c.author_id == user_id, _c.status == CommentStatus.VISIBLE.value)
        .where(_p.status == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None))
        .order_by(_c.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(_c.id < after[1])
    return comment_queries.cut(await comment_queries.load(ctx.db, query), limit)


async def parents(ctx: Context, post: Post, ids: Sequence[int]) -> dict[int, Comment]:
    """What is answered, to stand above the answers. Of what the actor may not see there is only the place: no text, no writer."""
    found = await comment_queries.by_ids(ctx.db, ids)
    return {
        number: comment if policy.may_see_comment(ctx.actor, comment, post) else comment.veiled()
        for number, comment in found.items()
    }


async def get(ctx: Context, comment_id: int) -> Comment:
    """The comment. Raises NotFound, also when its post or the comment itself is hidden from the actor."""
    return (await _find(ctx, comment_id))[0]


async def create(ctx: Context, post_id: int, new: NewComment, *, doubt: str | None = None) -> Comment:
    """Comment on a published post; the answer tells whether it waits for a moderator.

    `doubt` is what speaks against the way in which it was sent, as a sentence for moderators. Raises NotSignedIn, Forbidden,
    NotFound, InvalidInput (parent_id).
    """
    actor = ctx.signed_in(Scope.COMMENTS_WRITE)
    html, reading = await anyio.to_thread.run_sync(_typeset, new.content)
    async with ctx.db.transaction():
        post = policy.require_sight(ctx, await post_queries.by_id(ctx.db, post_id))
        require_open(ctx, post)
        await _require_parent(ctx, post_id, new.parent_id)
        reason = await _why_held(ctx, actor, post, reading, doubt)
        comment_id = await ctx.db.execute(
            tables.comments.insert().values(
                post_id=post_id,
                author_id=actor.id,
                parent_id=new.parent_id,
                content=new.content,
                html=html,
                status=(CommentStatus.PENDING if reason else CommentStatus.VISIBLE).value,
                reason=reason,
                created_at=ctx.now,
                updated_at=ctx.now,
            )
        )
        return (await comment_changes.tell(ctx, {comment_id: None}))[0]


def require_open(ctx: Context, post: Post) -> None:
    """Raises Forbidden when nobody may comment on this post now."""
    if not ctx.site.choices.on(Flag.COMMENTS):
        raise Forbidden("Comments are closed")
    if post.status is not PostStatus.PUBLISHED:
        raise Forbidden("Only published posts can be commented on")
    if not post.comments_open:
        raise Forbidden("Comments on this post are closed")


async def edit(ctx: Context, comment_id: int, changes: CommentChanges) -> Comment:
    """Change the text (its author, for a while) or the status (moderators). Raises NotSignedIn, NotFound, Forbidden.

    A text that becomes one that waits for a moderator goes from sight until then.
    """
    ctx.signed_in(Scope.COMMENTS_WRITE)
    sent = changes.model_fields_set
    html, reading = await anyio.to_thread.run_sync(_typeset, changes.content)
    async with ctx.db.transaction():
        comment, post = await _find(ctx, comment_id)
        values: dict[str, Any] = {}
        if "content" in sent:
            policy.require_text_change(ctx, comment)
            if changes.content != comment.content:
                values |= {"content": changes.content, "html": html, **_held_again(ctx, comment, post, reading)}
        if "status" in sent:
            _require_moderator(ctx, post)
            if CommentStatus(changes.status) is not comment.status:
                values |= comment_changes.decided(ctx, changes.status)
        return await _change(ctx, comment, values)


async def remove(ctx: Context, comment_id: int) -> None:
    """Take a comment from sight; its author or a moderator. Answers to it stay. Raises as `edit` does."""
    actor = ctx.signed_in(Scope.COMMENTS_WRITE)
    async with ctx.db.transaction():
        comment, post = await _find(ctx, comment_id)
        if comment.author != actor.username and not policy.may_moderate(actor, post):
            raise Forbidden("Only its author and the moderators can remove this comment")
        if comment.status is not CommentStatus.REMOVED:
            await _change(ctx, comment, comment_changes.decided(ctx, Decision.REMOVED))


async def _change(ctx: Context, comment: Comment, values: dict[str, Any]) -> Comment:
    if not values:
        return comment
    values |= {"updated_at": ctx.now}
    await ctx.db.execute(tables.comments.update().where(_c.id == comment.id).values(values))
    return (await comment_changes.tell(ctx, {comment.id: comment.status}))[0]


def _typeset(content: str) -> tuple[str, Reading]:
    html = render_comment(content)
    return html, moderation_rules.read(content, html)


async def _why_held(ctx: Context, actor: Actor, post: Post, reading: Reading, doubt: str | None) -> str | None:
    if policy.may_moderate(actor, post):
        return None
    record = await comment_changes.record_of(ctx, actor.id)
    return moderation_rules.why_held(ctx.site.choices.preferences, reading, record) or doubt


def _held_again(ctx: Context, comment: Comment, post: Post, reading: Reading) -> dict[str, Any]:
    if comment.status is not CommentStatus.VISIBLE or policy.may_moderate(ctx.actor, post):
        return {}
    reason = moderation_rules.why_text_is_held(ctx.site.choices.preferences, reading)
    return {"status": CommentStatus.PENDING.value, "reason": reason} if reason else {}


def _require_moderator(ctx: Context, post: Post) -> None:
    if not policy.may_moderate(ctx.actor, post):
        raise Forbidden("Only the authors of the post and editors can set the status of a comment")


async def _require_parent(ctx: Context, post_id: int, parent_id: int | None) -> None:
    if parent_id is None:
        return
    query = sa.select(_c.id).where(_c.id == parent_id, _c.post_id == post_id, _c.status == CommentStatus.VISIBLE.value)
    if await ctx.db.fetch_val(query) is None:
        raise InvalidInput([FieldError(("parent_id",), "There is no such comment on this post", "parent_id")])


async def _find(ctx: Context, comment_id: int) -> tuple[Comment, Post]:
    comment = await comment_queries.one(ctx.db, comment_id)
    post = await post_queries.by_id(ctx.db, comment.post_id) if comment else None
    if comment is None or post is None or not policy.may_see(ctx.actor, post):
        raise NotFound("There is no such comment")
    if not policy.may_see_comment(ctx.actor, comment, post):
        raise NotFound("There is no such comment")
    return comment, post


def _seen_by(actor: Actor | None) -> sa.ColumnElement[bool]:
    """What somebody who is no moderator sees: also their own comments that wait."""
    visible = _c.status == CommentStatus.VISIBLE.value
    if actor is None:
        return visible
    return visible | ((_c.status == CommentStatus.PENDING.value) & (_c.author_id == actor.id))
