"""What follows when comments are written, held, let through or removed: the posts' counters, events, notices."""

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
    """What the rules of moderation ask about a writer; one query, by the index of their comments."""
    own = sa.select(_c.created_at).where(_c.author_id == user_id)
    newest = own.order_by(_c.id.desc()).limit(MAX_PER_WINDOW).subquery()
    since = ctx.now - dt.timedelta(seconds=WINDOW_SECONDS)
    in_time = newest.c.created_at.between(since, ctx.now)  # not later: the clock may have been set back
    recent = sa.select(sa.func.count()).select_from(newest).where(in_time).scalar_subquery()
    is_known = sa.exists(own.where(_c.status == CommentStatus.VISIBLE.value))
    row = await ctx.db.fetch_one(sa.select(recent.label("recent"), is_known.label("is_known")))
    return AuthorHistory(row["is_known"], row["recent"]) if row else AuthorHistory(False, 0)


def decision_values(ctx: Context, decision: Decision) -> dict[str, Any]:
    """The columns that a decision sets. Why a comment waited stays known after it was removed."""
    if decision is Decision.VISIBLE:
        return {"status": decision.value, "moderation_note": None}
    who = sa.literal(f"Removed by {ctx.require_actor().username}")
    return {"status": decision.value, "moderation_note": who + sa.func.coalesce(sa.literal(". ") + _c.moderation_note, "")}


async def publish_changes(ctx: Context, before: Mapping[int, PreviousStatus]) -> Sequence[Comment]:
    """Count, write the events and the notices for changed comments; inside the transaction that changed them.

    `before` holds the status that each had (None: it is new); the answer is the comments as they are now, oldest first.
    """
    comments = sorted((await comment_queries.by_ids(ctx.db, list(before))).values(), key=lambda comment: comment.id)
    changed = [comment for comment in comments if comment.status is not before[comment.id]]
    await _update_counts(ctx, {comment.post_id for comment in changed})
    personal = await _personal_channels(ctx, list(before))
    await events.record_comments(
        ctx, [news for comment in comments for news in _comment_events(before[comment.id], comment, personal)]
    )
    await notifications.create(ctx, [comment.id for comment in changed if comment.status is not CommentStatus.REMOVED])
    return comments


def visible_comment_count() -> sa.ScalarSelect[int]:
    """How many comments readers see below a post, for a query of posts."""
    return sa.select(sa.func.count()).where(_c.post_id == _p.id, _c.status == CommentStatus.VISIBLE.value).scalar_subquery()


async def recount(ctx: Context) -> None:
    """Count anew the comments of all posts that count them wrongly."""
    visible = visible_comment_count()
    await ctx.db.execute(tables.posts.update().where(_p.comment_count != visible).values(comment_count=visible))


async def _update_counts(ctx: Context, post_ids: set[int]) -> None:
    if post_ids:
        await ctx.db.execute(tables.posts.update().where(_p.id.in_(post_ids)).values(comment_count=visible_comment_count()))


async def _personal_channels(ctx: Context, comment_ids: Sequence[int]) -> dict[int, list[str]]:
    """By comment, those of its writer, of whom it answers, and of the authors of the post."""
    parents, authors = tables.comments.alias(), tables.post_authors
    written = sa.select(_c.id, _c.author_id.label("user_id"))
    answered = sa.select(_c.id, parents.c.author_id).join(parents, parents.c.id == _c.parent_id)
    hosted = sa.select(_c.id, authors.c.user_id).join(authors, authors.c.post_id == _c.post_id)
    concerned = sa.union(*(query.where(_c.id.in_(comment_ids)) for query in (written, answered, hosted))).subquery()
    query = sa.select(concerned.c.id, _u.username).join(tables.users, _u.id == concerned.c.user_id)
    channels: dict[int, list[str]] = {}
    for row in await ctx.db.fetch_all(query.order_by(concerned.c.id, _u.id)):
        channels.setdefault(row["id"], []).append(events.personal_channel(row["username"]))
    return channels


def _comment_events(before: PreviousStatus, comment: Comment, personal: Mapping[int, Sequence[str]]) -> list[CommentEvent]:
    """Who reads the post hears of what is seen there and nothing else; moderators of what begins and ends to wait."""
    readers = [events.COMMENTS, events.post_channel(comment.post_id), *personal[comment.id]]
    moderators, writer = [MODERATION], [events.personal_channel(comment.author)]
    held = (EventType.COMMENT_HELD, moderators, comment)
    match before, comment.status:
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
            return [(EventType.COMMENT_REMOVED, moderators + writer, comment)]
        case _:
            return []
