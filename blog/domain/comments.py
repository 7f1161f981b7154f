"""Comments: written by anybody who is signed in, kept in order by the authors of the post and the editors."""

from collections.abc import Sequence
from typing import Any

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain import events, policy, post_rows
from blog.domain.context import Context
from blog.domain.events import EventName
from blog.domain.models import Comment, Page, Post
from blog.errors import FieldError, Forbidden, InvalidInput, NotFound
from blog.schemas.accounts import Scope
from blog.schemas.comments import CommentChanges, CommentStatus, NewComment
from blog.schemas.flags import Flag
from blog.schemas.posts import PostStatus
from blog.text.markdown import render_comment

_c, _p, _u = tables.comments.c, tables.posts.c, tables.users.c


async def page(ctx: Context, post: Post, *, limit: int, after: tuple[str, int] | None = None) -> Page[Comment]:
    """The comments of a post that the actor has already been shown, oldest first."""
    query = _select().where(_c.post_id == post.id).order_by(_c.id).limit(limit + 1)
    if not policy.may_moderate(ctx.actor, post):
        query = query.where(_c.status == CommentStatus.VISIBLE.value)
    if after is not None:
        query = query.where(_c.id > after[1])
    return _cut(await _load(ctx.db, query), limit)


async def by_user(ctx: Context, user_id: int, *, limit: int, after: tuple[str, int] | None = None) -> Page[Comment]:
    """The visible comments of a person on published posts, newest first."""
    query = (
        _select()
        .join(tables.posts, _p.id == _c.post_id)
        .where(_c.author_id == user_id, _c.status == CommentStatus.VISIBLE.value)
        .where(_p.status == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None))
        .order_by(_c.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(_c.id < after[1])
    return _cut(await _load(ctx.db, query), limit)


async def get(ctx: Context, comment_id: int) -> Comment:
    """The comment. Raises NotFound, also when its post or the comment itself is hidden from the actor."""
    return (await _find(ctx, comment_id))[0]


async def create(ctx: Context, post_id: int, new: NewComment) -> Comment:
    """Comment on a published post. Raises NotSignedIn, Forbidden, NotFound, InvalidInput (parent_id)."""
    actor = ctx.signed_in(Scope.COMMENTS_WRITE)
    if not ctx.site.choices.on(Flag.COMMENTS):
        raise Forbidden("Comments are closed")
    html = await anyio.to_thread.run_sync(render_comment, new.content)
    async with ctx.db.transaction():
        post = policy.require_sight(ctx, await post_rows.one(ctx.db, _p.id == post_id))
        if post.status is not PostStatus.PUBLISHED:
            raise Forbidden("Only published posts can be commented on")
        await _require_parent(ctx.db, post_id, new.parent_id)
        comment_id = await ctx.db.execute(
            tables.comments.insert().values(
                post_id=post_id,
                author_id=actor.id,
                parent_id=new.parent_id,
                content=new.content,
                html=html,
                status=CommentStatus.VISIBLE.value,
                created_at=ctx.now,
                updated_at=ctx.now,
            )
        )
        return await _told(ctx, EventName.COMMENT_CREATED, comment_id)


async def edit(ctx: Context, comment_id: int, changes: CommentChanges) -> Comment:
    """Change the text (its author) or the status (moderators). Raises NotSignedIn, NotFound, Forbidden."""
    ctx.signed_in(Scope.COMMENTS_WRITE)
    sent = changes.model_fields_set
    html = await anyio.to_thread.run_sync(render_comment, changes.content) if "content" in sent else ""
    async with ctx.db.transaction():
        comment, post = await _find(ctx, comment_id)
        _require_rights(ctx, comment, post, sent)
        values: dict[str, Any] = {}
        if "content" in sent and changes.content != comment.content:
            values |= {"content": changes.content, "html": html, "updated_at": ctx.now}
        if "status" in sent and changes.status is not comment.status:
            values |= {"status": changes.status.value, "updated_at": ctx.now}
        if not values:
            return comment
        await ctx.db.execute(tables.comments.update().where(_c.id == comment_id).values(values))
        return await _told(ctx, _event_of(comment.status, changes.status if "status" in sent else comment.status), comment_id)


async def remove(ctx: Context, comment_id: int) -> None:
    """Take a comment from sight; its author or a moderator. Answers to it stay. Raises as `edit` does."""
    actor = ctx.signed_in(Scope.COMMENTS_WRITE)
    async with ctx.db.transaction():
        comment, post = await _find(ctx, comment_id)
        if comment.author != actor.username and not policy.may_moderate(actor, post):
            raise Forbidden("Only its author and the moderators can remove this comment")
        if comment.status is CommentStatus.REMOVED:
            return
        values = {"status": CommentStatus.REMOVED.value, "updated_at": ctx.now}
        await ctx.db.execute(tables.comments.update().where(_c.id == comment_id).values(values))
        await _told(ctx, EventName.COMMENT_REMOVED, comment_id)


async def by_ids(db: Database, ids: Sequence[int]) -> dict[int, Comment]:
    """The comments with these ids, whoever may see them: what is shown of each is the caller's affair."""
    if not ids:
        return {}
    return {comment.id: comment for comment in await _load(db, _select().where(_c.id.in_(ids)))}


def _require_rights(ctx: Context, comment: Comment, post: Post, sent: set[str]) -> None:
    if "content" in sent and (ctx.actor is None or comment.author != ctx.actor.username):
        raise Forbidden("Only its author can change the text of a comment")
    if "status" in sent and not policy.may_moderate(ctx.actor, post):
        raise Forbidden("Only the authors of the post and editors can set the status of a comment")


def _event_of(before: CommentStatus, after: CommentStatus) -> EventName:
    if before is after:
        return EventName.COMMENT_UPDATED
    return EventName.COMMENT_CREATED if after is CommentStatus.VISIBLE else EventName.COMMENT_REMOVED


async def _told(ctx: Context, name: EventName, comment_id: int) -> Comment:
    """Bring the post's counter up to date and write the event; return the comment as it is now."""
    comment = (await _load(ctx.db, _select().where(_c.id == comment_id)))[0]
    visible = (
        sa.select(sa.func.count())
        .where(_c.post_id == comment.post_id, _c.status == CommentStatus.VISIBLE.value)
        .scalar_subquery()
    )
    await ctx.db.execute(tables.posts.update().where(_p.id == comment.post_id).values(comments=visible))
    await events.record_comment(ctx, name, comment)
    return comment


async def _require_parent(db: Database, post_id: int, parent_id: int | None) -> None:
    if parent_id is None:
        return
    found = await db.fetch_val(
        sa.select(_c.id).where(_c.id == parent_id, _c.post_id == post_id, _c.status == CommentStatus.VISIBLE.value)
    )
    if found is None:
        raise InvalidInput([FieldError(("parent_id",), "There is no such comment on this post", "parent_id")])


async def _find(ctx: Context, comment_id: int) -> tuple[Comment, Post]:
    found = await _load(ctx.db, _select().where(_c.id == comment_id))
    post = await post_rows.one(ctx.db, _p.id == found[0].post_id) if found else None
    if not found or post is None or not policy.may_see(ctx.actor, post):
        raise NotFound("There is no such comment")
    if not policy.may_see_comment(ctx.actor, found[0], post):
        raise NotFound("There is no such comment")
    return found[0], post


def _select() -> sa.Select[Any]:
    return sa.select(tables.comments, _u.username, _u.name).join(tables.users, _u.id == _c.author_id)


async def _load(db: Database, query: sa.Select[Any]) -> list[Comment]:
    return [_comment(row) for row in await db.fetch_all(query)]


def _comment(row: Any) -> Comment:
    return Comment(
        id=row["id"],
        post_id=row["post_id"],
        parent_id=row["parent_id"],
        author=row["username"],
        author_name=row["name"],
        content=row["content"],
        html=row["html"],
        status=CommentStatus(row["status"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _cut(found: list[Comment], limit: int) -> Page[Comment]:
    return Page(found[:limit], ("", found[limit - 1].id) if len(found) > limit else None)
