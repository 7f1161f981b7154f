"""The appearance of the site: changed as a whole, with the one before kept for undo."""

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.site import site_preferences
from blog.errors import Conflict
from blog.schemas.appearance import Appearance
from blog.schemas.site_preferences import PreferencesChanges


async def change(ctx: Context, new: Appearance) -> None:
    """Store an appearance, and the present one for undo. Raises NotAuthenticated, Forbidden."""
    before = await current(ctx)
    if new != before:
        await site_preferences.change(ctx, PreferencesChanges(**new.model_dump(), previous_appearance=before))


async def undo(ctx: Context) -> None:
    """Exchange the appearance and the one before the last change: a second undo repeats the change.

    Raises NotAuthenticated, Forbidden, Conflict (nothing was changed so far).
    """
    await current(ctx)
    if (previous := ctx.site.runtime_settings.preferences.previous_appearance) is None:
        raise Conflict("There is no change to undo")
    await change(ctx, previous)


async def current(ctx: Context) -> Appearance:
    """Return the stored appearance, for owners. Raises NotAuthenticated, Forbidden."""
    policy.require_owner(ctx)
    await ctx.site.runtime_settings.refresh(ctx.db)  # another process may have changed it within the last second
    return ctx.site.runtime_settings.preferences.appearance()
