"""Feature flags, which owners change at run time. All workers follow within a second."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import audit, events, policy
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.errors import NotFound
from blog.schemas.feature_flags import Flag

_f = tables.feature_flags.c


@dataclass(frozen=True, slots=True)
class FlagState:
    """A feature flag: as it is, as the settings have it, and when an owner last set it."""

    name: Flag
    enabled: bool
    default: bool
    updated_at: dt.datetime | None


async def all_flags(ctx: Context) -> Sequence[FlagState]:
    """Return all flags from the database. The caller checks the permission."""
    rows = {row["name"]: row for row in await ctx.db.fetch_all(sa.select(tables.feature_flags))}
    defaults = ctx.site.runtime_settings.defaults
    return [
        FlagState(flag, rows[flag]["enabled"], defaults[flag], rows[flag]["updated_at"])
        if flag in rows
        else FlagState(flag, defaults[flag], defaults[flag], None)
        for flag in Flag
    ]


async def list_flags(ctx: Context) -> Sequence[FlagState]:
    """Return all flags, for an owner. Raises NotAuthenticated, Forbidden."""
    policy.require_owner(ctx)
    return await all_flags(ctx)


async def set_enabled(ctx: Context, name: str, enabled: bool) -> FlagState:
    """Turn a flag on or off, as an owner. Raises NotAuthenticated, Forbidden, NotFound."""
    policy.require_owner(ctx)
    if name not in set(Flag):
        raise NotFound(f"No feature flag named {name!r}")
    return await store(ctx, Flag(name), enabled)


async def store(ctx: Context, flag: Flag, enabled: bool) -> FlagState:
    """Store a flag: effective at once here, within a second in other processes. The caller checks the permission."""
    values = {
        "name": flag.value,
        "enabled": enabled,
        "user_id": ctx.actor.id if ctx.actor else None,
        "updated_at": ctx.now,
    }
    async with ctx.db.transaction():
        await ctx.db.execute(tables.feature_flags.delete().where(_f.name == flag.value))
        await ctx.db.execute(tables.feature_flags.insert().values(values))
        await events.record_site_changed(ctx)
        await audit.record(ctx, AuditAction.FLAG_CHANGED, None, flag=flag.value, enabled=enabled)
    await ctx.site.runtime_settings.refresh(ctx.db)
    return FlagState(flag, enabled, ctx.site.runtime_settings.defaults[flag], ctx.now)
