"""The end of an account: nothing personal stays, and what others read keeps its place."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.domain.accounts import accounts
from blog.domain.core import audit, events
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.domain.core.events import EventType
from blog.domain.media import media
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.errors import FieldError, InvalidInput
from blog.schemas.accounts import AccountDeletion, PostsOnDeletion, Role, Scope
from blog.schemas.posts import PostStatus

DELETED_ACCOUNT_NAME = "Deleted account"
_a, _i, _p, _u = tables.post_authors.c, tables.invitations.c, tables.posts.c, tables.users.c


async def delete_account(ctx: Context, deletion: AccountDeletion) -> None:
    """End the actor's account: sessions and tokens at once, drafts and scheduled posts with them.

    Published posts go too, if that was chosen, but for those that others wrote with them; else they stay under the name
    "Deleted account", as comments do in any case. Raises NotSignedIn, Forbidden, InvalidInput (username, current),
    Conflict (the only owner).
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    if deletion.username.strip().casefold() != actor.username.casefold():
        raise InvalidInput([FieldError(("username",), f"Type your username, {actor.username}", "username")])
    await accounts.require_password(ctx, deletion.current_password)
    async with ctx.db.transaction():
        user = await accounts.get(ctx, actor.id)
        await accounts.require_another_owner(ctx, user)
        await _delete_posts(ctx, user.id, only_unpublished=deletion.posts is PostsOnDeletion.KEEP)
        await _delete_personal_data(ctx, user.id)
        before = await _published_posts(ctx, user.id)
        await ctx.db.execute(tables.users.update().where(_u.id == user.id).values(await _anonymised(ctx, user.id)))
        await events.record_site_changed(ctx)
        await audit.anonymise(ctx, user.id)
        await audit.record(replace(ctx, address="", user_agent=""), AuditAction.ACCOUNT_DELETED, user.id)
        for was, post in zip(before, await _published_posts(ctx, user.id), strict=True):
            await events.record_post(ctx, EventType.POST_UPDATED, post, before=was)  # it has another by-line
    if user.avatar is not None:
        await media.remove_unused(ctx, [user.avatar])


async def _published_posts(ctx: Context, user_id: int) -> Sequence[Post]:
    own = _p.id.in_(sa.select(_a.post_id).where(_a.user_id == user_id))
    query = post_queries.select(*post_queries.SUMMARY_COLUMNS).where(own, _p.status == PostStatus.PUBLISHED.value)
    return await post_queries.fetch(ctx.db, query.order_by(_p.id))


async def _delete_posts(ctx: Context, user_id: int, *, only_unpublished: bool) -> None:
    own = _p.id.in_(sa.select(_a.post_id).where(_a.user_id == user_id))
    shared = _p.id.in_(sa.select(_a.post_id).where(_a.user_id != user_id))
    query = post_queries.select(*post_queries.SUMMARY_COLUMNS).where(own, ~shared).order_by(_p.id)
    if only_unpublished:
        query = query.where(_p.status != PostStatus.PUBLISHED.value)
    for post in await post_queries.fetch(ctx.db, query):
        await ctx.db.execute(tables.posts.update().where(_p.id == post.id).values(deleted_at=ctx.now))
        await fulltext.remove(ctx.db, post.id)
        if post.status is PostStatus.PUBLISHED:
            await events.record_post(ctx, EventType.POST_DELETED, post)


async def _delete_personal_data(ctx: Context, user_id: int) -> None:
    for table in (
        tables.sessions,
        tables.api_tokens,
        tables.autosaves,
        tables.editing_sessions,
        tables.notifications,
        tables.preview_links,
        tables.two_factor,
        tables.recovery_codes,
        tables.passkeys,
        tables.email_changes,
    ):
        await ctx.db.execute(table.delete().where(table.c.user_id == user_id))
    # Answers kept for retries hold what was sent; the name is that of `caller_of` in blog/framework.
    kept = tables.idempotency_keys.c.client_key == f"user:{user_id}"
    await ctx.db.execute(tables.idempotency_keys.delete().where(kept))
    open_ones = (_i.inviter_id == user_id) & _i.used_at.is_(None) & _i.revoked_at.is_(None)
    await ctx.db.execute(tables.invitations.update().where(open_ones).values(revoked_at=ctx.now))
    await ctx.db.execute(tables.invitations.update().where(_i.user_id == user_id).values(note=""))


async def _anonymised(ctx: Context, user_id: int) -> dict[str, Any]:
    """What stays of the row. A reader without a password: imports take it for no author, and nobody signs in with it."""
    username = await accounts.available_username(ctx, f"deleted-{user_id}")
    return {
        "username": username,
        "username_folded": username,
        "name": DELETED_ACCOUNT_NAME,
        "email": None,
        "email_folded": None,
        "age": None,
        "role": Role.READER.value,
        "password_hash": None,
        "password_set_at": None,
        "bio": "",
        "avatar": None,
        "deleted_at": ctx.now,
        "updated_at": ctx.now,
    }
