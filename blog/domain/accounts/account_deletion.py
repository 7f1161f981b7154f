"""Account deletion: personal data is deleted, and published texts stay under the name "Deleted account"."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.domain.accounts import accounts, invitations, passwords
from blog.domain.accounts.models import User
from blog.domain.accounts.user_references import USER_REFERENCES, OnDeletion
from blog.domain.comments import author_comments
from blog.domain.core import audit, events
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.domain.core.events import EventType
from blog.domain.media import media
from blog.domain.posts import post_queries, post_transfer, search
from blog.domain.posts.models import Post
from blog.errors import FieldError, InvalidInput, NotFound
from blog.schemas.accounts import AccountDeletion, Role, Scope
from blog.schemas.members import CommentsOfMember, MemberDeletion, PostsOfMember
from blog.schemas.posts import PostStatus
from blog.text.normalisation import fold_name

DELETED_ACCOUNT_NAME = "Deleted account"
_a, _p, _u = tables.post_authors.c, tables.posts.c, tables.users.c


async def delete_account(ctx: Context, deletion: AccountDeletion) -> None:
    """Delete the actor's account: its sessions, tokens, drafts, scheduled posts and personal data.

    Comments stay under the name "Deleted account". `deletion.posts` decides whether published posts stay too or are deleted;
    posts with other authors always stay.
    Raises NotAuthenticated, Forbidden, InvalidInput (username, current), Conflict (the only owner).
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    if fold_name(deletion.username) != fold_name(actor.username):
        raise InvalidInput([FieldError(("username",), f"Type your username, {actor.username}, to confirm", "username")])
    await passwords.require_password(ctx, deletion.current_password)
    anonymous_ctx = replace(ctx, address="", user_agent="")  # the audit log must not describe the deleted person
    await delete(anonymous_ctx, actor.username, MemberDeletion(posts=PostsOfMember(deletion.posts.value)))


async def delete(ctx: Context, username: str, deletion: MemberDeletion) -> None:
    """Delete an account: its sessions, tokens and personal data, and the texts that `deletion` does not keep.

    Drafts and scheduled posts are deleted, unless all posts go to another author. Posts with other authors always stay.
    The caller checks the permission. Raises NotFound, Conflict (the only owner), InvalidInput (transfer_to).
    """
    async with ctx.db.transaction():
        user = await accounts.active(ctx, username)
        await accounts.require_another_owner(ctx, user)
        if deletion.posts is PostsOfMember.TRANSFER:
            await transfer_posts(ctx, user, deletion.transfer_to or "")
        await _delete_posts(ctx, user.id, only_unpublished=deletion.posts is PostsOfMember.KEEP)
        if deletion.comments is CommentsOfMember.REMOVE:
            await author_comments.erase(ctx, user.id)
        await _delete_personal_data(ctx, user.id)
        posts_before = await _published_posts(ctx, user.id)
        await ctx.db.execute(tables.users.update().where(_u.id == user.id).values(await _anonymised(ctx, user.id)))
        await search.index_author(ctx, user.id)
        await events.record_site_changed(ctx)
        await audit.record(ctx, AuditAction.ACCOUNT_DELETED, user.id)
        for before, post in zip(posts_before, await _published_posts(ctx, user.id), strict=True):
            await events.record_post(ctx, EventType.POST_UPDATED, post, before=before)  # its by-line has changed
    if user.avatar is not None:
        await media.remove_unused(ctx, [user.avatar])


async def transfer_posts(ctx: Context, user: User, to_username: str) -> int:
    """Hand all posts of an account to another, and return their number. Call it inside a transaction.

    The caller checks the permission. Raises InvalidInput (transfer_to): the new author must be active and allowed to write.
    """
    try:
        target = await accounts.active(ctx, to_username)
    except NotFound:
        target = user
    if target.id == user.id or target.role is Role.READER or target.suspended_at is not None:
        raise InvalidInput([FieldError(("transfer_to",), "Enter the username of another author, editor or owner", "author")])
    count = await post_transfer.transfer(ctx, user.id, target.id)
    await audit.record(ctx, AuditAction.POSTS_TRANSFERRED, user.id, to=target.username, posts=count)
    return count


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
    for reference in USER_REFERENCES:
        table, refers_to_user = reference.column.table, reference.column == user_id
        match reference.on_deletion:
            case OnDeletion.DELETE:
                await ctx.db.execute(sa.delete(table).where(refers_to_user))
            case OnDeletion.CLEAR:
                await ctx.db.execute(sa.update(table).where(refers_to_user).values(reference.cleared))
    # Stored responses contain what the user sent. `client_key` in blog/framework/identity makes this key.
    stored = tables.idempotency_keys.c.client_key == f"user:{user_id}"
    await ctx.db.execute(tables.idempotency_keys.delete().where(stored))
    await invitations.revoke_all_by(ctx, user_id)


async def _anonymised(ctx: Context, user_id: int) -> dict[str, Any]:
    """Return the values that stay in the user's row.

    Without a password nobody can sign in; with the role `reader`, an import does not match it to an author.
    """
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
        "last_seen_at": None,
        "suspended_at": None,
        "deleted_at": ctx.now,
        "updated_at": ctx.now,
    }
