"""Comments by guests, without an account: always held for moderation, with an e-mail address for moderators alone."""

import datetime as dt

import anyio.to_thread

from blog.db import tables
from blog.domain.comments import comments, moderation_rules
from blog.domain.comments.models import Comment
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.errors import Forbidden
from blog.schemas.comments import NewGuestComment

ADDRESS_RETENTION = dt.timedelta(days=180)
"""Time after which the e-mail address of a guest is erased: moderators need it to tell apart people with one name."""
HOLD_REASON = "Comment by a guest"
_c = tables.comments.c


def are_allowed(ctx: Context) -> bool:
    """Return whether guests can comment on this blog (the preference `guest_comments`)."""
    return ctx.site.runtime_settings.preferences.guest_comments


def require_open(ctx: Context, post: Post) -> None:
    """Raise Forbidden unless guests can comment on this post."""
    if not are_allowed(ctx):
        raise Forbidden("Only members can comment on this blog. Sign in to comment.")
    comments.require_comments_open(ctx, post)


async def create(ctx: Context, post_id: int, new: NewGuestComment, *, spam_reason: str | None = None) -> Comment:
    """Comment on a published post without an account. The comment is pending, whatever the moderation rules say.

    `spam_reason` is shown to moderators. Raises Forbidden (guests cannot comment, or the post is closed), NotFound, InvalidInput
    (content, parent_id).
    """
    html, text = await anyio.to_thread.run_sync(comments.render, new.content)
    async with ctx.db.transaction():
        post = policy.require_visible(ctx, await post_queries.by_id(ctx.db, post_id))
        require_open(ctx, post)
        reason = moderation_rules.text_hold_reason(ctx.site.runtime_settings.preferences, text) or spam_reason or HOLD_REASON
        return await comments.insert(ctx, post_id, new, html, reason, guest_name=new.name, guest_email=new.email.lower())


async def erase_old_addresses(ctx: Context) -> int:
    """Erase the e-mail addresses of guests that are older than `ADDRESS_RETENTION`, and return their number."""
    is_old = _c.guest_email.is_not(None) & (_c.created_at < ctx.now - ADDRESS_RETENTION)
    return int(await ctx.db.execute(tables.comments.update().where(is_old).values(guest_email=None)) or 0)
