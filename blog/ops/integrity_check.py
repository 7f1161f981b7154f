"""Looks for damage and says what to do about it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from blog.db import integrity
from blog.domain.core.context import Context
from blog.domain.integrity import event_log, images, rows, search_index
from blog.domain.integrity.faults import Fault, Progress

Check = Callable[[Context, Progress], Awaitable[Sequence[Fault]]]


async def _check_database(ctx: Context, progress: Progress) -> Sequence[Fault]:
    found = [Fault(text) for text in await integrity.find_damage(ctx.db)]
    progress(1, 1)
    return found


CHECKS: tuple[tuple[str, Check], ...] = (
    ("Database", _check_database),
    ("Posts", rows.check),
    ("Search index", search_index.check),
    ("Event log", event_log.check),
    ("Images", images.check),
)


def no_progress(_part: str, _done: int, _total: int) -> None:
    """The progress that nobody looks at."""


async def check_site(ctx: Context, progress: Callable[[str, int, int], None] = no_progress) -> list[Fault]:
    """All that is wrong; nothing when all is well. Reads everything, changes nothing. `progress` as in `blog.ops.backup`."""
    return [fault for name, check in CHECKS for fault in await check(ctx, partial(progress, name))]
