"""Retention of the event log: delete old events, and record the newest deleted event of each channel.

A client gets a gap if its cursor is older than a deleted event of its channels. Events of other channels do not matter to it.
"""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core import events
from blog.domain.core.context import Context

_TRIMMED_KEY = "trimmed_event"
_ALL_CHANNELS = "*"
_e, _t = tables.events.c, tables.trimmed_channels.c


async def trimmed_up_to(db: Database) -> int:
    """Return the id of the last deleted event, 0 if none was deleted."""
    value = await db.fetch_val(sa.select(tables.app_metadata.c.value).where(tables.app_metadata.c.name == _TRIMMED_KEY))
    return int(value or 0)


async def trimmed_in_channels(db: Database, channels: Sequence[str]) -> int:
    """Return the id of the last deleted event of these channels, 0 if none was deleted."""
    last = sa.select(sa.func.max(_t.event_id)).where(_t.channel.in_([*channels, _ALL_CHANNELS]))
    return await db.fetch_val(last) or 0


async def trim(ctx: Context) -> int:
    """Delete events beyond `EVENT_RETENTION_DAYS` and `MAX_EVENTS`, except the newest. Returns the number of rows."""
    async with ctx.db.snapshot():
        if await _last_expired_id(ctx) is None:  # the usual case: no write lock is needed
            return 0
    async with ctx.db.transaction():
        until = await _last_expired_id(ctx)
        return await delete_up_to(ctx, until) if until is not None else 0


async def _last_expired_id(ctx: Context) -> int | None:
    """Return the id of the last event to delete, or None."""
    settings = ctx.site.settings
    newest = (await events.position(ctx.db)).id
    old = sa.select(sa.func.max(_e.id)).where(_e.occurred_at < ctx.now - dt.timedelta(days=settings.event_retention_days))
    until = min(newest - 1, max(newest - settings.max_events, await ctx.db.fetch_val(old) or 0))
    return until if until > await trimmed_up_to(ctx.db) else None


async def delete_up_to(ctx: Context, event_id: int) -> int:
    """Delete the events up to and including an id. Returns the number of rows."""
    async with ctx.db.transaction():
        await _record_channels(ctx, event_id)
        await _forget_channels(ctx)
        await events.set_metadata(ctx.db, _TRIMMED_KEY, str(event_id))
        return int(await ctx.db.execute(tables.events.delete().where(_e.id <= event_id)))


async def delete_after_loss(ctx: Context, event_id: int) -> int:
    """Delete the events up to and including an id, where rows of unknown channels are missing: every older cursor gets a gap."""
    async with ctx.db.transaction():
        await _record_all_channels(ctx, event_id)
        return await delete_up_to(ctx, event_id)


async def _record_channels(ctx: Context, event_id: int) -> None:
    element = events.channel_elements(ctx.db.kind)
    source = tables.events.join(element, sa.true())
    channels = sa.select(element.c.value).select_from(source).where(_e.id <= event_id)
    await ctx.db.execute(tables.trimmed_channels.delete().where(_t.channel.in_(channels)))
    now = sa.literal(ctx.now, tables.trimmed_channels.c.trimmed_at.type)
    newest = channels.add_columns(sa.func.max(_e.id), now).group_by(element.c.value)
    await ctx.db.execute(tables.trimmed_channels.insert().from_select(["channel", "event_id", "trimmed_at"], newest))


async def _forget_channels(ctx: Context) -> None:
    """Replace the records of channels that are older than another retention time by one for all channels.

    They contain names of tags and accounts, which may have been deleted since.
    """
    is_old = _t.trimmed_at < ctx.now - dt.timedelta(days=ctx.site.settings.event_retention_days)
    last = await ctx.db.fetch_val(sa.select(sa.func.max(_t.event_id)).where(is_old))
    if last is not None:
        await ctx.db.execute(tables.trimmed_channels.delete().where(is_old))
        await _record_all_channels(ctx, last)


async def _record_all_channels(ctx: Context, event_id: int) -> None:
    is_for_all = _t.channel == _ALL_CHANNELS
    before = await ctx.db.fetch_val(sa.select(_t.event_id).where(is_for_all)) or 0
    await ctx.db.execute(tables.trimmed_channels.delete().where(is_for_all))
    values = {"channel": _ALL_CHANNELS, "event_id": max(before, event_id), "trimmed_at": ctx.now}
    await ctx.db.execute(tables.trimmed_channels.insert().values(values))
