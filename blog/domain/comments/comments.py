"""Read, create, edit, remove and restore comments, with the access rules of each."""

from collections.abc import Sequence
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.db.compiled_queries import BoundQuery
from blog.domain.comments import comment_changes, comment_queries, moderation_rules
from blog.domain.comments.comment_queries import Audience
from blog.domain.comments.models import Comment
from blog.domain.comments.moderation_rules import CommentText
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.errors import FieldError, Forbidden, InvalidInput, NotFound
from blog.schemas.accounts import Scope
from blog.schemas.comments import CommentChanges, CommentStatus, Decision, NewComment
from blog.schemas.feature_flags import Flag
from blog.schemas.posts import PostStatus
from blog.text.markdown import RENDERER_VERSION, render_comment
from blog.text.plain_text import has_visible_content, html_to_text

_c, _p = tables.comments.c, tables.posts.c


async def list_page(ctx: Context, post: Post, *, limit: int, after: CursorKey | None = None) -> ResultPage[Comment]:
    """Return a page of the comments that the actor may see, oldest first. The caller checks access to the post.

    A comment that the actor may not see is in the list, redacted, if a reply below it is: each `parent_id` is in the list.
    """
    return page_from_rows(ctx, post, await ctx.db.fetch_all(page_query(ctx, limit, after, post_id=post.id)), limit)


def page_query(ctx: Context, limit: int, after: CursorKey | None, **post: int | str) -> BoundQuery:
    """Return the query of `list_page`, for a post by `post_id` or by `slug`; `page_from_rows` reads its rows."""
    values = {**post, "limit": limit + 1}
    if after is not None:
        values["after_id"] = after[1]
    if ctx.actor is not None:
        values["actor_id"] = ctx.actor.id
    return comment_queries.page(_audience(ctx.actor), by_slug="slug" in post, after=after is not None)(**values)


def page_from_rows(ctx: Context, post: Post, rows: Sequence[Record], limit: int) -> ResultPage[Comment]:
    """Return the page of comments from the rows of `page_query`."""
    return ResultPage.by_id([_redact_hidden(ctx, from_row(Comment, row), post) for row in rows], limit)


async def by_user(ctx: Context, user_id: int, *, limit: int, after: CursorKey | None = None) -> ResultPage[Comment]:
    """Return a page of a user's visible comments on published posts, newest first."""
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
    return ResultPage.by_id(await comment_queries.fetch(ctx.db, query), limit)


async def parents(ctx: Context, post: Post, ids: Sequence[int]) -> dict[int, Comment]:
    """Return the comments with these ids, by id, to quote above replies. Those that the actor may not see are redacted."""
    found = await comment_queries.by_ids(ctx.db, ids)
    return {comment_id: _redact_hidden(ctx, comment, post) for comment_id, comment in found.items()}


async def get(ctx: Context, comment_id: int) -> Comment:
    """Return the comment. Raises NotFound, also if the actor may not see the comment or its post."""
    return (await _get_with_post(ctx, comment_id))[0]


async def create(ctx: Context, post_id: int, new: NewComment, *, spam_reason: str | None = None) -> Comment:
    """Comment on a published post. The moderation rules decide whether the comment is visible or pending.

    `spam_reason` makes it pending and is shown to moderators. Raises NotAuthenticated, Forbidden, NotFound,
    InvalidInput (content, parent_id).
    """
    actor = ctx.require_actor(Scope.COMMENTS_WRITE)
    html, text = await anyio.to_thread.run_sync(render, new.content)
    async with ctx.db.transaction():
        post = policy.require_visible(ctx, await post_queries.by_id(ctx.db, post_id))
        require_comments_open(ctx, post)
        reason = await _hold_reason(ctx, actor, post, text, spam_reason)
        return await insert(ctx, post_id, new, html, reason, author_id=actor.id)


async def insert(ctx: Context, post_id: int, new: NewComment, html: str, reason: str | None, **author: int | str) -> Comment:
    """Insert a comment and publish its events; call it inside a transaction.

    reason: why it is pending; None: it is visible. author: the columns that name the author.

    Raises InvalidInput (parent_id).
    """
    await _require_parent(ctx, post_id, new.parent_id)
    comment_id = await ctx.db.execute(
        tables.comments.insert().values(
            post_id=post_id,
            parent_id=new.parent_id,
            content=new.content,
            html=html,
            renderer_version=RENDERER_VERSION,
            status=(CommentStatus.PENDING if reason else CommentStatus.VISIBLE).value,
            moderation_note=reason,
            created_at=ctx.now,
            updated_at=ctx.now,
            **author,
        )
    )
    return (await comment_changes.publish_changes(ctx, {comment_id: None}))[0]


def require_comments_open(ctx: Context, post: Post) -> None:
    """Raise Forbidden if the site or the post is closed for comments, or the post is not published."""
    if not ctx.site.runtime_settings.is_enabled(Flag.COMMENTS):
        raise Forbidden("Comments are closed")
    if post.status is not PostStatus.PUBLISHED:
        raise Forbidden("Only published posts accept comments")
    if not post.comments_open or policy.comments_have_closed(ctx, post.published_at):
        raise Forbidden("Comments on this post are closed")


async def edit(ctx: Context, comment_id: int, changes: CommentChanges) -> Comment:
    """Edit the text (the author, within the editing time) or set the status (moderators).

    A new text that matches a moderation rule makes the comment pending. Raises NotAuthenticated, NotFound, Forbidden,
    InvalidInput (content).
    """
    ctx.require_actor(Scope.COMMENTS_WRITE)
    changed_fields = changes.model_fields_set
    html, text = await anyio.to_thread.run_sync(render, changes.content)
    async with ctx.db.transaction():
        comment, post = await _get_with_post(ctx, comment_id)
        values: dict[str, Any] = {}
        if "content" in changed_fields:
            policy.require_comment_edit(ctx, comment)
            if changes.content != comment.content:
                values |= {"content": changes.content, "html": html, "renderer_version": RENDERER_VERSION}
                values |= _reconsider(ctx, comment, post, text)
        if "status" in changed_fields:
            _require_moderator(ctx, post)
            if CommentStatus(changes.status) is not comment.status:
                values |= comment_changes.decision_values(ctx, changes.status)
        return await _update(ctx, comment, values)


async def remove(ctx: Context, comment_id: int) -> None:
    """Remove a comment, as its author or a moderator; replies stay. Raises NotAuthenticated, NotFound, Forbidden."""
    ctx.require_actor(Scope.COMMENTS_WRITE)
    async with ctx.db.transaction():
        comment, post = await _get_with_post(ctx, comment_id)
        policy.require_comment_removal(ctx, comment, post)
        if not comment.status.is_hidden:
            await _update(ctx, comment, comment_changes.decision_values(ctx, Decision.REMOVED))


async def _update(ctx: Context, comment: Comment, values: dict[str, Any]) -> Comment:
    if not values:
        return comment
    values |= {"updated_at": ctx.now}
    await ctx.db.execute(tables.comments.update().where(_c.id == comment.id).values(values))
    return (await comment_changes.publish_changes(ctx, {comment.id: comment.status}))[0]


def render(content: str) -> tuple[str, CommentText]:
    """Return the HTML of a text and its features for the moderation rules. CPU-bound. Raises InvalidInput (content)."""
    html = render_comment(content)
    if content and not has_visible_content(html, html_to_text(html)):  # for example only `>`, or only the definition of a link
        raise InvalidInput([FieldError(("content",), "Write something: nothing of this text would be shown", "invisible")])
    return html, moderation_rules.analyse(content, html)


async def _hold_reason(ctx: Context, actor: Actor, post: Post, text: CommentText, spam_reason: str | None) -> str | None:
    if policy.can_moderate(actor, post):
        return None
    history = await comment_changes.author_history(ctx, actor.id)
    return moderation_rules.hold_reason(ctx.site.runtime_settings.preferences, text, history) or spam_reason


def _reconsider(ctx: Context, comment: Comment, post: Post, text: CommentText) -> dict[str, Any]:
    if comment.status is not CommentStatus.VISIBLE or policy.can_moderate(ctx.actor, post):
        return {}
    reason = moderation_rules.text_hold_reason(ctx.site.runtime_settings.preferences, text)
    return {"status": CommentStatus.PENDING.value, "moderation_note": reason} if reason else {}


def _require_moderator(ctx: Context, post: Post) -> None:
    if not policy.can_moderate(ctx.actor, post):
        raise Forbidden("Only the authors of the post and editors can set the status of a comment")


async def _require_parent(ctx: Context, post_id: int, parent_id: int | None) -> None:
    if parent_id is None:
        return
    query = sa.select(_c.id).where(_c.id == parent_id, _c.post_id == post_id, _c.status == CommentStatus.VISIBLE.value)
    if await ctx.db.fetch_val(query) is None:
        raise InvalidInput([FieldError(("parent_id",), "This post has no such comment", "parent_id")])


async def _get_with_post(ctx: Context, comment_id: int) -> tuple[Comment, Post]:
    comment = await comment_queries.by_id(ctx.db, comment_id)
    post = await post_queries.by_id(ctx.db, comment.post_id) if comment else None
    if comment is None or post is None or not policy.can_see(ctx.actor, post):
        raise NotFound("Comment not found")
    if not policy.can_see_comment(ctx.actor, comment, post):
        raise NotFound("Comment not found")
    return comment, post


def _redact_hidden(ctx: Context, comment: Comment, post: Post) -> Comment:
    return comment if policy.can_see_comment(ctx.actor, comment, post) else comment.redacted()


def _audience(actor: Actor | None) -> Audience:
    """Return what `policy.can_see_comment` lets the actor see, for a query."""
    if policy.can_moderate_all(actor):
        return Audience.MODERATOR
    if policy.can_write_posts(actor):
        return Audience.AUTHOR
    return Audience.ANYONE if actor is None else Audience.MEMBER
