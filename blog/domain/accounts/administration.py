"""Changes that owners make to the accounts of others. Each needs a recently authenticated owner."""

from blog.domain.accounts import accounts, suspension
from blog.domain.accounts.models import User
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.errors import Conflict
from blog.schemas.accounts import CommentsOnSuspension, RoleChange


async def set_role(ctx: Context, change: RoleChange) -> User:
    """Change the role of a user.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound, Conflict (the only owner).
    """
    _require_owner(ctx)
    user = await accounts.get(ctx, change.user)
    return await accounts.set_role(ctx, user.username, change.role)


async def suspend(ctx: Context, user_id: int, comments: CommentsOnSuspension) -> User:
    """Suspend the account of another user.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound, Conflict (the owner's own account).
    """
    if _require_owner(ctx).id == user_id:
        raise Conflict("You cannot suspend your own account. Another owner can.")
    return await suspension.suspend(ctx, (await accounts.get(ctx, user_id)).username, comments)


async def lift_suspension(ctx: Context, user_id: int) -> User:
    """Lift the suspension of an account. Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound."""
    _require_owner(ctx)
    return await suspension.lift(ctx, (await accounts.get(ctx, user_id)).username)


def _require_owner(ctx: Context) -> Actor:
    owner = policy.require_owner(ctx)
    policy.require_recent_authentication(ctx, owner)
    return owner
