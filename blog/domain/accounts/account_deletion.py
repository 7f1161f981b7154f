"""The end of an account: nothing personal stays, and what others read keeps its place."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.domain.accounts import accounts
from blog.domain.core import audit, events
from blog.domain.core.audit import Act
from blog.domain.core.context import Context
from blog.domain.core.events import EventName
from blog.domain.core.models import Post
from blog.domain.media import media
from blog.domain.posts import post_queries
from blog.errors import FieldError, InvalidInput
from blog.schemas.accounts import Departure, PostsLeft, Role, Scope
from blog.schemas.posts import PostStatus

NAME = "Deleted account"
_a, _i, _p, _u = tables.post_authors.c, tables.invitations.c, tables.posts.c, tables.users.c


async def leave(ctx: Context, departure: Departure) -> None:
    """End the actor's account: sessions and tokens at once, drafts and scheduled posts with them.

    Published posts go too, if that was chosen, but for those that others wrote with them; else they stay under the name
    "Deleted account", as comments do in any case. Raises NotSignedIn, Forbidden, InvalidInput (username, current),
    Conflict (the only owner).
    """
    actor = ctx.signed_in(Scope.ACCOUNT)
    if departure.username.strip().casefold() != actor.username.casefold():
        raise InvalidInput([FieldError(("username",), f"Type your username, {actor.username}", "username")])
    await accounts.require_password(ctx, departure.current)
    async with ctx.db.transaction():
        user = await accounts.get(ctx, actor.id)
        await accounts.require_another_owner(ctx, user)
        await _take_posts_down(ctx, user.id, only_unpublished=departure.posts is PostsLeft.STAY)
        await _forget_traces(ctx, user.id)
        before = await _published(ctx, user.id)
        await ctx.db.execute(tables.users.update().where(_u.id == user.id).values(await _nobody(ctx, user.id)))
        await events.record_site(ctx)
        await audit.forget(ctx, user.id)
        await audit.record(replace(ctx, address="", user_agent=""), Act.ACCOUNT_DELETED, user.id)
        for was, post in zip(before, await _published(ctx, user.id), strict=True):
            await events.record_post(ctx, EventName.POST_UPDATED, post, before=was)  # it has another by-line
    if user.avatar is not None:
        await media.remove_unused(ctx, [user.avatar])


async def _published(ctx: Context, user_id: int) -> Sequence[Post]:
    own = _p.id.in_(sa.select(_a.post_id).where(_a.user_id == user_id))
    query = post_queries.select(*post_queries.CARD).where(own, _p.status == PostStatus.PUBLISHED.value)
    return await post_queries.load(ctx.db, query.order_by(_p.id))


async def _take_posts_down(ctx: Context, user_id: int, *, only_unpublished: bool) -> None:
    own = _p.id.in_(sa.select(_a.post_id).where(_a.user_id == user_id))
    shared = _p.id.in_(sa.select(_a.post_id).where(_a.user_id != user_id))
    query = post_queries.select(*post_queries.CARD).where(own, ~shared).order_by(_p.id)
    if only_unpublished:
        query = query.where(_p.status != PostStatus.PUBLISHED.value)
    for post in await post_queries.load(ctx.db, query):
        await ctx.db.execute(tables.posts.update().where(_p.id == post.id).values(deleted_at=ctx.now))
        await fulltext.remove(ctx.db, post.id)
        if post.status is PostStatus.PUBLISHED:
            await events.record_post(ctx, EventName.POST_DELETED, post)


async def _forget_traces(ctx: Context, user_id: int) -> None:
    for table in (
        tables.sessions,
        tables.tokens,
        tables.autosaves,
        tables.editing,
        tables.notices,
        tables.preview_links,
        tables.second_factors,
        tables.recovery_codes,
        tables.passkeys,
        tables.email_changes,
    ):
        await ctx.db.execute(table.delete().where(table.c.user_id == user_id))
    # Answers kept for retries hold what was sent; the name is that of `caller_of` in blog/framework.
    kept = tables.idempotency_keys.c.caller == f"user:{user_id}"
    await ctx.db.execute(tables.idempotency_keys.delete().where(kept))
    open_ones = (_i.inviter_id == user_id) & _i.used_at.is_(None) & _i.revoked_at.is_(None)
    await ctx.db.execute(tables.invitations.update().where(open_ones).values(revoked_at=ctx.now))
    await ctx.db.execute(tables.invitations.update().where(_i.user_id == user_id).values(note=""))


async def _nobody(ctx: Context, user_id: int) -> dict[str, Any]:
    """What stays of the row. A reader without a password: imports take it for no author, and nobody signs in with it."""
    username = await accounts.free_username(ctx, f"deleted-{user_id}")
    return {
        "username": username,
        "username_key": username,
        "name": NAME,
        "email": None,
        "email_key": None,
        "age": None,
        "role": Role.READER.value,
        "password_hash": None,
        "password_set_at": None,
        "bio": "",
        "avatar": None,
        "deleted_at": ctx.now,
        "updated_at": ctx.now,
    }
