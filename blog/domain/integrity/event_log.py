"""Integrity of the event log: consecutive ids from the last trimmed event to the newest."""

from functools import partial

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import event_retention, events
from blog.domain.core.context import Context
from blog.domain.integrity.faults import Fault
from blog.progress import Progress, no_progress

_e = tables.events.c


async def check(ctx: Context, progress: Progress = no_progress) -> list[Fault]:
    """Check the epoch, the first id and gaps."""
    faults: list[Fault] = []
    async with ctx.db.snapshot():
        end, floor = await events.position(ctx.db), await event_retention.trimmed_up_to(ctx.db)
        count = await ctx.db.fetch_val(sa.select(sa.func.count()).where(_e.id > floor))
        old = await ctx.db.fetch_val(sa.select(sa.func.count()).where(_e.id <= floor))
        gap = await _last_gap(ctx, floor)
    if not end.epoch:
        faults.append(Fault("The event log has no epoch", partial(events.renew_epoch, ctx.db)))
    if floor > end.id or old:
        repair = partial(event_retention.delete_after_loss, ctx, min(floor, end.id))
        faults.append(Fault("The event log does not start at the recorded position", repair))
    if gap is not None:
        text = f"Events missing from the log: {end.id - floor - count}. Live clients will have to reload"
        faults.append(Fault(text, partial(event_retention.delete_after_loss, ctx, gap)))
    progress(1, 1)
    return faults


async def _last_gap(ctx: Context, floor: int) -> int | None:
    """Return the id of the last missing event, or None."""
    before = tables.events.alias().c
    follows = sa.exists().where(before.id == _e.id - 1)
    first: int | None = await ctx.db.fetch_val(sa.select(sa.func.max(_e.id)).where(_e.id > floor + 1, ~follows))
    return None if first is None else first - 1
