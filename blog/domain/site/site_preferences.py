"""Site preferences, which owners change at run time. All workers follow within a second."""

from blog.db import tables
from blog.domain.core import audit, events, policy
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.schemas.site_preferences import Preferences, PreferencesChanges

_p = tables.site_preferences.c


async def change(ctx: Context, changes: PreferencesChanges) -> Preferences:
    """Store the given fields: effective at once here, within a second in other processes. Raises NotAuthenticated, Forbidden."""
    actor = policy.require_owner(ctx)
    values = changes.model_dump(mode="json", include=changes.model_fields_set)
    async with ctx.db.transaction():
        await ctx.db.execute(tables.site_preferences.delete().where(_p.name.in_(values)))
        for name, value in values.items():
            row = {"name": name, "value": value, "user_id": actor.id, "updated_at": ctx.now}
            await ctx.db.execute(tables.site_preferences.insert().values(row))
        await events.record_site_changed(ctx)
        await audit.record(ctx, AuditAction.SITE_CHANGED, None)
    await ctx.site.runtime_settings.refresh(ctx.db)
    return ctx.site.runtime_settings.preferences
