"""What people are told: of comments on their posts, of those that wait for them, of answers to what they said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.comments import comment_queries
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import Comment, Notice, NoticeName, Page, Post
from blog.domain.posts import post_queries
from blog.schemas.comments import CommentStatus

_n, _c, _p, _u = tables.notices.c, tables.comments.c, tables.posts.c, tables.users.c
_authors = tables.post_authors.c
PAGE = 20
MOST_COUNTED = 100
"""Nothing is counted further: who has so much to read is told "99+"."""
_COLUMNS = ("user_id", "name", "comment_id", "created_at")


@dataclass(frozen=True, slots=True)
class Tally:
    """How much waits for somebody: notices that they have not read, comments that they may decide about."""

    unread: int = 0
    waiting: int = 0


async def tell(ctx: Context, comment_ids: Sequence[int]) -> None:
    """Tell whoever should know of these comments; each person once of each, and nobody of their own. In the transaction."""
    if not comment_ids:
        return
    for told in (_of_answers(ctx), _of_comments(ctx)):
        await ctx.db.execute(tables.notices.insert().from_select(_COLUMNS, told.where(_c.id.in_(comment_ids))))


async def page(ctx: Context, *, limit: int = PAGE, after: tuple[str, int] | None = None) -> Page[Notice]:
    """The actor's notices, newest first. Raises NotSignedIn."""
    actor = ctx.signed_in()
    query = sa.select(tables.notices).where(_n.user_id == actor.id).order_by(_n.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_n.id < after[1])
    async with ctx.db.snapshot():
        rows = await ctx.db.fetch_all(query)
        comments = await comment_queries.by_ids(ctx.db, [row["comment_id"] for row in rows])
        ids = {comment.post_id for comment in comments.values()}
        posts = await post_queries.load(ctx.db, post_queries.select(*post_queries.CARD).where(_p.id.in_(ids))) if ids else []
    by_id = {post.id: post for post in posts}
    found = [_notice(actor, row, comments, by_id) for row in rows[:limit]]
    return Page(found, ("", found[-1].id) if len(rows) > limit else None)


async def mark_read(ctx: Context, notices: Sequence[Notice] | None = None) -> None:
    """Note that the actor has read these, or all. Raises NotSignedIn."""
    unread = (_n.user_id == ctx.signed_in().id) & _n.read_at.is_(None)
    if notices is not None:
        unread &= _n.id.in_([notice.id for notice in notices])
    await ctx.db.execute(tables.notices.update().where(unread).values(read_at=ctx.now))


async def tally(ctx: Context) -> Tally:
    """How much waits for the actor: one query, which looks at no more than `MOST_COUNTED` rows of each kind."""
    if ctx.actor is None:
        return Tally()
    newest = sa.select(_n.read_at).where(_n.user_id == ctx.actor.id).order_by(_n.id.desc()).limit(MOST_COUNTED).subquery()
    unread = sa.select(sa.func.count()).select_from(newest).where(newest.c.read_at.is_(None)).scalar_subquery()
    columns = [unread.label("unread")]
    if policy.may_write_posts(ctx.actor):
        pending = comment_queries.moderated_by(ctx.actor, sa.select(_c.id), CommentStatus.PENDING).limit(MOST_COUNTED).subquery()
        columns.append(sa.select(sa.func.count()).select_from(pending).scalar_subquery().label("waiting"))
    row = await ctx.db.fetch_one(sa.select(*columns))
    return Tally(**dict(row)) if row else Tally()


def _of_answers(ctx: Context) -> sa.Select[Any]:
    """The writers of visible answers' parents."""
    parents = tables.comments.alias()
    return (
        _columns(ctx, parents.c.author_id, sa.literal(NoticeName.ANSWER.value))
        .join_from(tables.comments, parents, parents.c.id == _c.parent_id)
        .where(_c.status == CommentStatus.VISIBLE.value)
    )


def _of_comments(ctx: Context) -> sa.Select[Any]:
    """The authors of the posts."""
    waits = _c.status == CommentStatus.PENDING.value
    name = sa.case((waits, NoticeName.WAITING.value), else_=NoticeName.COMMENT.value)
    authors = tables.post_authors
    return _columns(ctx, _authors.user_id, name).join_from(tables.comments, authors, _authors.post_id == _c.post_id)


def _columns(ctx: Context, reader: sa.ColumnElement[int], name: sa.ColumnElement[str]) -> sa.Select[Any]:
    told = tables.notices.alias()
    is_told = sa.exists().where(told.c.comment_id == _c.id, told.c.user_id == reader)
    return sa.select(reader, name, _c.id, sa.literal(ctx.now, tables.UTCDateTime())).where(reader != _c.author_id, ~is_told)


def _notice(actor: Actor, row: Any, comments: dict[int, Comment], posts: dict[int, Post]) -> Notice:
    comment = comments[row["comment_id"]]
    post = posts.get(comment.post_id)
    is_seen = post is not None and policy.may_see(actor, post) and policy.may_see_comment(actor, comment, post)
    is_shown = is_seen and comment.status is not CommentStatus.REMOVED
    return Notice(
        id=row["id"],
        name=NoticeName(row["name"]),
        created_at=row["created_at"],
        is_read=row["read_at"] is not None,
        comment=comment if is_shown else None,
        post=post if is_shown else None,
    )
