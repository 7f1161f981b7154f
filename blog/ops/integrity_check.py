"""Integrity check of a whole blog, for `blog check`."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from blog.db import integrity
from blog.domain.core.context import Context
from blog.domain.integrity import event_log, images, rows, search_index
from blog.domain.integrity.faults import Fault
from blog.progress import PartProgress, Progress, no_progress

Check = Callable[[Context, Progress], Awaitable[Sequence[Fault]]]


async def _check_database(ctx: Context, progress: Progress) -> Sequence[Fault]:
    faults = [Fault(text) for text in await integrity.find_damage(ctx.db)]
    progress(1, 1)
    return faults


CHECKS: tuple[tuple[str, Check], ...] = (
    ("Database", _check_database),
    ("Posts", rows.check),
    ("Search index", search_index.check),
    ("Event log", event_log.check),
    ("Images", images.check),
)


async def check_site(ctx: Context, progress: PartProgress = no_progress) -> list[Fault]:
    """Return all faults of the blog. Reads everything and changes nothing."""
    return [fault for name, check in CHECKS for fault in await check(ctx, partial(progress, name))]
