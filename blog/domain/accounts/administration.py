"""Changes that owners make to the accounts of others. Each needs a recently authenticated owner."""

from blog.domain.accounts import account_deletion, accounts, password_reset, sessions, suspension
from blog.domain.accounts.models import User
from blog.domain.core import audit, email_queue, policy
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Actor, Context
from blog.domain.core.email_queue import EmailKind
from blog.errors import Conflict, NotFound
from blog.schemas.accounts import Role
from blog.schemas.members import CommentsOnSuspension, MemberDeletion


async def set_role(ctx: Context, user_id: int, role: Role) -> User:
    """Change the role of a user.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound, Conflict (the only owner).
    """
    _require_owner(ctx)
    user = await accounts.get(ctx, user_id)
    return await accounts.set_role(ctx, user.username, role)


async def suspend(ctx: Context, user_id: int, comments: CommentsOnSuspension) -> User:
    """Suspend the account of another user.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound, Conflict (the owner's own account).
    """
    if _require_owner(ctx).id == user_id:
        raise Conflict("You cannot suspend your own account. Another owner can.")
    return await suspension.suspend(ctx, (await _active(ctx, user_id)).username, comments)


async def lift_suspension(ctx: Context, user_id: int) -> User:
    """Lift the suspension of an account. Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound."""
    _require_owner(ctx)
    return await suspension.lift(ctx, (await _active(ctx, user_id)).username)


async def revoke_sessions(ctx: Context, user_id: int) -> int:
    """End all sessions of an account and return their number; its tokens stay valid.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound.
    """
    _require_owner(ctx)
    user = await _active(ctx, user_id)
    return await sessions.revoke_for(ctx, user.id)


async def create_password_link(ctx: Context, user_id: int) -> str:
    """Return the secret part of a link that sets the account's password once.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound, Conflict (suspended).
    """
    _require_owner(ctx)
    async with ctx.db.transaction():
        user = await _active(ctx, user_id)
        _require_not_suspended(user)
        await audit.record(ctx, AuditAction.PASSWORD_LINK_CREATED, user.id)
        return await password_reset.create_link(ctx, user.username)


async def send_password_link(ctx: Context, user_id: int) -> None:
    """Send such a link to the e-mail address of the account.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound, Conflict (suspended, or no e-mail can be sent).
    """
    _require_owner(ctx)
    async with ctx.db.transaction():
        user = await _active(ctx, user_id)
        _require_not_suspended(user)
        if user.email is None:
            raise Conflict("This account has no e-mail address. Create a link and pass it on.")
        if not ctx.site.settings.can_send_email:
            raise Conflict("E-mail isn't set up on this blog. Create a link and pass it on.")
        await audit.record(ctx, AuditAction.PASSWORD_LINK_CREATED, user.id)
        await email_queue.enqueue(ctx, EmailKind.PASSWORD_LINK, name=user.username, address="", user_agent="")


async def transfer_posts(ctx: Context, user_id: int, to_username: str) -> int:
    """Hand all posts of an account, such as an imported author, to another author, and return their number.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound, InvalidInput (transfer_to).
    """
    _require_owner(ctx)
    async with ctx.db.transaction():
        return await account_deletion.transfer_posts(ctx, await _active(ctx, user_id), to_username)


async def delete(ctx: Context, user_id: int, deletion: MemberDeletion) -> None:
    """Delete the account of another user, and what `deletion` does not keep.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound, Conflict (the owner's own account), InvalidInput
    (transfer_to).
    """
    if _require_owner(ctx).id == user_id:
        raise Conflict("Delete your own account on its own page, with your password.")
    await account_deletion.delete(ctx, (await _active(ctx, user_id)).username, deletion)


async def _active(ctx: Context, user_id: int) -> User:
    user = await accounts.get(ctx, user_id)
    if user.is_deleted:
        raise NotFound(accounts.UNKNOWN_ID)
    return user


def _require_not_suspended(user: User) -> None:
    if user.suspended_at is not None:
        raise Conflict("This account is suspended. Lift the suspension first.")


def _require_owner(ctx: Context) -> Actor:
    owner = policy.require_owner(ctx)
    policy.require_recent_authentication(ctx, owner)
    return owner
