"""Effects of comment changes: comment counts of posts, events, and notifications."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.comments import comment_queries, notifications
from blog.domain.comments.models import Comment
from blog.domain.comments.moderation_rules import MAX_PER_WINDOW, WINDOW_SECONDS, AuthorHistory
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import MODERATION, EventType
from blog.schemas.comments import CommentStatus, Decision

_c, _p, _u = tables.comments.c, tables.posts.c, tables.users.c
PreviousStatus = CommentStatus | None
CommentEvent = tuple[EventType, Sequence[str], Comment]


async def author_history(ctx: Context, user_id: int) -> AuthorHistory:
    """Return the author's history that the moderation rules use, in one indexed query."""
    own = sa.select(_c.created_at).where(_c.author_id == user_id)
    newest = own.order_by(_c.id.desc()).limit(MAX_PER_WINDOW).subquery()
    since = ctx.now - dt.timedelta(seconds=WINDOW_SECONDS)
    in_time = newest.c.created_at.between(since, ctx.now)  # The upper limit matters if the clock was set back.
    recent = sa.select(sa.func.count()).select_from(newest).where(in_time).scalar_subquery()
    is_known = sa.exists(own.where(_c.status == CommentStatus.VISIBLE.value))
    has_spam = sa.exists(own.where(_c.status == CommentStatus.SPAM.value))
    query = sa.select(recent.label("recent"), is_known.label("is_known"), has_spam.label("has_spam"))
    row = await ctx.db.fetch_one(query)
    return AuthorHistory(row["is_known"], row["recent"], row["has_spam"]) if row else AuthorHistory(False, 0)


def decision_values(ctx: Context, decision: Decision) -> dict[str, Any]:
    """Return the column values of a moderator's decision. Removal keeps the reason why the comment was pending."""
    if decision is Decision.VISIBLE:
        return {"status": decision.value, "moderation_note": None}
    action = "Marked as spam" if decision is Decision.SPAM else "Removed"
    note = sa.literal(f"{action} by {ctx.require_actor().username}")
    return {"status": decision.value, "moderation_note": note + sa.func.coalesce(sa.literal(". ") + _c.moderation_note, "")}


async def publish_changes(ctx: Context, before: Mapping[int, PreviousStatus]) -> Sequence[Comment]:
    """Update counts and write events and notifications for changed comments; call it inside the transaction of the change.

    `before` maps comment ids to the previous status (None for a new comment). Return the current comments by id.
    """
    comments = sorted((await comment_queries.by_ids(ctx.db, list(before))).values(), key=lambda comment: comment.id)
    changed = [comment for comment in comments if comment.status is not before[comment.id]]
    await _update_counts(ctx, {comment.post_id for comment in changed})
    personal = await _personal_channels(ctx, list(before))
    await events.record_comments(
        ctx, [event for comment in comments for event in _comment_events(before[comment.id], comment, personal)]
    )
    await notifications.create(ctx, [comment.id for comment in changed if not comment.status.is_hidden])
    return comments


def visible_comment_count() -> sa.ScalarSelect[int]:
    """Return a subquery for the number of visible comments, for a query of posts."""
    return sa.select(sa.func.count()).where(_c.post_id == _p.id, _c.status == CommentStatus.VISIBLE.value).scalar_subquery()


async def recount(ctx: Context) -> None:
    """Correct the comment count of all posts where it is wrong."""
    visible = visible_comment_count()
    await ctx.db.execute(tables.posts.update().where(_p.comment_count != visible).values(comment_count=visible))


async def _update_counts(ctx: Context, post_ids: set[int]) -> None:
    if post_ids:
        await ctx.db.execute(tables.posts.update().where(_p.id.in_(post_ids)).values(comment_count=visible_comment_count()))


async def _personal_channels(ctx: Context, comment_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return for each comment the personal channels of its author, the parent comment's author and the post's authors."""
    parents, authors = tables.comments.alias(), tables.post_authors
    commenters = sa.select(_c.id, _c.author_id.label("user_id"))
    replied_to = sa.select(_c.id, parents.c.author_id).join(parents, parents.c.id == _c.parent_id)
    post_authors = sa.select(_c.id, authors.c.user_id).join(authors, authors.c.post_id == _c.post_id)
    recipients = sa.union(*(query.where(_c.id.in_(comment_ids)) for query in (commenters, replied_to, post_authors))).subquery()
    query = sa.select(recipients.c.id, _u.username).join(tables.users, _u.id == recipients.c.user_id)
    channels: dict[int, list[str]] = {}
    for row in await ctx.db.fetch_all(query.order_by(recipients.c.id, _u.id)):
        channels.setdefault(row["id"], []).append(events.personal_channel(row["username"]))
    return channels


def _comment_events(before: PreviousStatus, comment: Comment, personal: Mapping[int, Sequence[str]]) -> list[CommentEvent]:
    """Return the events of one change: readers see changes of visible comments, moderators those of pending ones."""
    readers = [events.COMMENTS, events.post_channel(comment.post_id), *personal[comment.id]]
    moderators, author = [MODERATION], [events.personal_channel(comment.author)] if comment.author else []
    held = (EventType.COMMENT_HELD, moderators, comment)
    match _public_status(before), _public_status(comment.status):
        case CommentStatus.VISIBLE, CommentStatus.VISIBLE:
            return [(EventType.COMMENT_UPDATED, readers, comment)]
        case CommentStatus.PENDING, CommentStatus.VISIBLE:
            return [(EventType.COMMENT_CREATED, readers + moderators, comment)]
        case _, CommentStatus.VISIBLE:
            return [(EventType.COMMENT_CREATED, readers, comment)]
        case CommentStatus.VISIBLE, CommentStatus.PENDING:
            return [(EventType.COMMENT_REMOVED, readers, comment), held]
        case _, CommentStatus.PENDING:
            return [held]
        case CommentStatus.VISIBLE, CommentStatus.REMOVED:
            return [(EventType.COMMENT_REMOVED, readers, comment)]
        case CommentStatus.PENDING, CommentStatus.REMOVED:
            return [(EventType.COMMENT_REMOVED, moderators + author, comment)]
        case _:
            return []


def _public_status(status: PreviousStatus) -> PreviousStatus:
    """Return the status as live clients know it: spam is removed."""
    return CommentStatus.REMOVED if status is CommentStatus.SPAM else status
