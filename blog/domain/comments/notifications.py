"""Notifications: comments on the user's posts, pending comments to moderate, replies to the user's comments, and by-lines."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.domain.comments import comment_queries
from blog.domain.comments.models import Comment, Notification
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import Author, CursorKey, NotificationType, ResultPage
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.schemas.comments import CommentStatus

_n, _c, _u = tables.notifications.c, tables.comments.c, tables.users.c
_authors = tables.post_authors.c
PAGE_SIZE = 20
MAX_COUNTED = 100
"""Counting stops here; pages show "99+"."""
_INSERT_COLUMNS = ("user_id", "type", "comment_id", "created_at")


@dataclass(frozen=True, slots=True)
class UnreadCounts:
    """The numbers in the navigation: unread notifications, and pending comments that the user can moderate."""

    unread_notifications: int = 0
    pending_comments: int = 0


async def create(ctx: Context, comment_ids: Sequence[int]) -> None:
    """Notify users about comments, each user once per comment and never about their own; call it inside the transaction."""
    if not comment_ids:
        return
    for recipients in (_for_replies(ctx), _for_post_authors(ctx)):
        await ctx.db.execute(tables.notifications.insert().from_select(_INSERT_COLUMNS, recipients.where(_c.id.in_(comment_ids))))


async def list_page(ctx: Context, *, limit: int = PAGE_SIZE, after: CursorKey | None = None) -> ResultPage[Notification]:
    """Return a page of the actor's notifications, newest first. Raises NotAuthenticated."""
    actor = ctx.require_actor()
    query = sa.select(tables.notifications, _u.username, _u.name, _u.avatar).outerjoin(tables.users, _u.id == _n.actor_id)
    query = query.where(_n.user_id == actor.id).order_by(_n.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_n.id < after[1])
    async with ctx.db.snapshot():
        page = ResultPage.of(await ctx.db.fetch_all(query), limit, lambda row: ("", row["id"]))
        comments = await comment_queries.by_ids(ctx.db, [row["comment_id"] for row in page.items if row["comment_id"]])
        post_ids = {comment.post_id for comment in comments.values()} | {row["post_id"] for row in page.items if row["post_id"]}
        posts = await post_queries.summaries_by_id(ctx.db, post_ids)
    return page.map(lambda row: _notification_from_row(actor, row, comments, posts))


async def mark_read(ctx: Context, items: Sequence[Notification] | None = None) -> None:
    """Mark these notifications of the actor as read, or all for None. Raises NotAuthenticated."""
    unread = (_n.user_id == ctx.require_actor().id) & _n.read_at.is_(None)
    if items is not None:
        unread &= _n.id.in_([item.id for item in items])
    await ctx.db.execute(tables.notifications.update().where(unread).values(read_at=ctx.now))


async def unread_counts(ctx: Context) -> UnreadCounts:
    """Return the actor's counts, with one query that reads at most `MAX_COUNTED` rows of each kind."""
    actor = ctx.actor
    if actor is None:
        return UnreadCounts()
    query = _counts_query(moderates=policy.can_write_posts(actor), moderates_all=policy.can_moderate_all(actor))
    row = await ctx.db.fetch_one(query(user_id=actor.id, most=MAX_COUNTED))
    return UnreadCounts(**dict(row)) if row else UnreadCounts()


@functools.cache
def _counts_query(*, moderates: bool, moderates_all: bool) -> PreparedQuery:
    user_id, most = sa.bindparam("user_id", type_=_n.user_id.type), sa.bindparam("most", type_=sa.Integer)
    newest = sa.select(_n.read_at).where(_n.user_id == user_id).order_by(_n.id.desc()).limit(most).subquery()
    unread = sa.select(sa.func.count()).select_from(newest).where(newest.c.read_at.is_(None)).scalar_subquery()
    columns = [unread.label("unread_notifications")]
    if moderates:
        pending = comment_queries.filter_for_moderator(
            sa.select(_c.id), CommentStatus.PENDING, None if moderates_all else user_id
        )
        counted = sa.select(sa.func.count()).select_from(pending.limit(most).subquery())
        columns.append(counted.scalar_subquery().label("pending_comments"))
    return PreparedQuery(sa.select(*columns))


def _for_replies(ctx: Context) -> sa.Select[Any]:
    """Return the query for authors of comments with a visible reply."""
    parents = tables.comments.alias()
    return (
        _select_recipients(ctx, parents.c.author_id, sa.literal(NotificationType.REPLY.value))
        .join_from(tables.comments, parents, parents.c.id == _c.parent_id)
        .where(_c.status == CommentStatus.VISIBLE.value)
    )


def _for_post_authors(ctx: Context) -> sa.Select[Any]:
    """Return the query for authors of posts with a new or pending comment."""
    is_pending = _c.status == CommentStatus.PENDING.value
    type_ = sa.case((is_pending, NotificationType.PENDING.value), else_=NotificationType.COMMENT.value)
    authors = tables.post_authors
    return _select_recipients(ctx, _authors.user_id, type_).join_from(tables.comments, authors, _authors.post_id == _c.post_id)


def _select_recipients(ctx: Context, user_id: sa.ColumnElement[int], type_: sa.ColumnElement[str]) -> sa.Select[Any]:
    existing = tables.notifications.alias()
    is_notified = sa.exists().where(existing.c.comment_id == _c.id, existing.c.user_id == user_id)
    columns = (user_id, type_, _c.id, sa.literal(ctx.now, tables.UTCDateTime()))
    is_other = user_id.is_not(None) & _c.author_id.is_distinct_from(user_id)  # guests have no id
    return sa.select(*columns).where(is_other, ~is_notified)


def _notification_from_row(actor: Actor, row: Any, comments: dict[int, Comment], posts: dict[int, Post]) -> Notification:
    if row["comment_id"] is None:
        return _by_line_from_row(actor, row, posts.get(row["post_id"]))
    comment = comments[row["comment_id"]]
    post = posts.get(comment.post_id)
    can_see = post is not None and policy.can_see(actor, post) and policy.can_see_comment(actor, comment, post)
    is_shown = can_see and not comment.status.is_hidden
    return Notification(
        id=row["id"],
        notification_type=NotificationType(row["type"]),
        created_at=row["created_at"],
        is_read=row["read_at"] is not None,
        comment=comment if is_shown else None,
        post=post if is_shown else None,
    )


def _by_line_from_row(actor: Actor, row: Any, post: Post | None) -> Notification:
    """Return the notification that the user was named as an author of the post."""
    shown = post if post is not None and policy.can_see(actor, post) else None
    return Notification(
        id=row["id"],
        notification_type=NotificationType(row["type"]),
        created_at=row["created_at"],
        is_read=row["read_at"] is not None,
        comment=None,
        post=shown,
        sender=Author(row["actor_id"], row["username"], row["name"], row["avatar"]),
        can_leave=shown is not None and policy.can_leave(actor, shown),
    )
