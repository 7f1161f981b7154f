"""The moderation queue: comments by status, with filters and the history of each person, and decisions about them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.comments import comment_changes, comment_queries
from blog.domain.comments.models import Comment
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.errors import Forbidden
from blog.schemas.accounts import Scope
from blog.schemas.comments import BulkDecision, CommentStatus
from blog.text.normalisation import fold_name

_c, _p, _u = tables.comments.c, tables.posts.c, tables.users.c
PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Selects comments by status, and if they are not empty by the slug of the post, the author and text.

    person: a username, or the e-mail address of a guest.
    """

    status: CommentStatus = CommentStatus.PENDING
    post: str = ""
    person: str = ""
    text: str = ""
    limit: int = PAGE_SIZE
    after: CursorKey | None = None


@dataclass(frozen=True, slots=True)
class PersonHistory:
    """The numbers of comments of one person on the whole blog, by decision.

    Guests are one person if they gave the same e-mail address. since: when the account was created, or the first comment.
    """

    since: dt.datetime
    approved: int = 0
    removed: int = 0
    spam: int = 0


@dataclass(frozen=True, slots=True)
class QueuedComment:
    """A comment, its post and the history of its author."""

    comment: Comment
    post: Post
    history: PersonHistory | None


async def list_page(ctx: Context, wanted: QueueFilter = QueueFilter()) -> ResultPage[QueuedComment]:
    """Return a page of comments, newest first: all for editors, those on their own posts for authors.

    Raises NotAuthenticated, Forbidden.
    """
    actor = require_moderator(ctx)
    author_id = None if policy.can_moderate_all(actor) else actor.id
    query = comment_queries.filter_for_moderator(comment_queries.select(), wanted.status, author_id)
    if wanted.post:
        query = query.where(_p.slug == wanted.post)
    if wanted.person:
        is_guest = "@" in wanted.person  # no username has it
        person = _c.guest_email == wanted.person.lower() if is_guest else _u.username_folded == fold_name(wanted.person)
        query = query.where(person)
    if wanted.text:
        query = query.where(sa.func.lower(_c.content).contains(wanted.text.lower(), autoescape=True))
    if wanted.after is not None:
        query = query.where(_c.id < wanted.after[1])
    async with ctx.db.snapshot():
        comments = await comment_queries.fetch(ctx.db, query.order_by(_c.id.desc()).limit(wanted.limit + 1))
        page = ResultPage.by_id(comments, wanted.limit)
        posts = await _posts_by_id(ctx, page.items)
        histories = await _histories(ctx, page.items)
    return page.map(lambda comment: QueuedComment(comment, posts[comment.post_id], histories.get(_person(comment))))


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


def _person(comment: Comment) -> int | str | None:
    """Return the key of the author's history: the id of the account, or the e-mail address of a guest."""
    return comment.author_id or comment.guest_email


async def _histories(ctx: Context, comments: Sequence[Comment]) -> dict[int | str | None, PersonHistory]:
    """Return the histories of the authors of these comments, with one query for members and one for guests."""
    member_ids = {comment.author_id for comment in comments if comment.author_id}
    emails = {comment.guest_email for comment in comments if comment.guest_email}
    histories: dict[int | str | None, PersonHistory] = {}
    if member_ids:
        query = sa.select(_u.id.label("person"), _u.created_at.label("since"), *_counts()).join_from(
            tables.users, tables.comments, _c.author_id == _u.id
        )
        rows = await ctx.db.fetch_all(query.where(_u.id.in_(member_ids)).group_by(_u.id, _u.created_at))
        histories |= {row["person"]: from_row(PersonHistory, row) for row in rows}
    if emails:
        query = sa.select(_c.guest_email.label("person"), sa.func.min(_c.created_at).label("since"), *_counts())
        rows = await ctx.db.fetch_all(query.where(_c.guest_email.in_(emails)).group_by(_c.guest_email))
        histories |= {row["person"]: from_row(PersonHistory, row) for row in rows}
    return histories


def _counts() -> tuple[sa.Label[Any], ...]:
    def count(status: CommentStatus, name: str) -> sa.Label[Any]:
        return sa.func.count().filter(_c.status == status.value).label(name)

    return (
        count(CommentStatus.VISIBLE, "approved"),
        count(CommentStatus.REMOVED, "removed"),
        count(CommentStatus.SPAM, "spam"),
    )
