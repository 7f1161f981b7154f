"""How long statements take, and how long tasks wait for a connection."""

import contextlib
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from blog.db.database import run_shielded
from blog.observability import metrics, tracing

T = TypeVar("T")
_STATEMENT_KINDS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", "ROLLBACK", "WITH"})


class WaitQueue:
    """The tasks that wait for a connection."""

    def __init__(self) -> None:
        self.waiting = 0

    @contextlib.contextmanager
    def track_wait(self, role: str) -> Iterator[None]:
        """Wait inside, for a `reader` or for the `writer`."""
        self.waiting += 1
        started = time.perf_counter()
        try:
            yield
        finally:
            self.waiting -= 1
            metrics.pool_wait.observe(time.perf_counter() - started, role)


async def timed(system: str, sql: str, step: Coroutine[Any, Any, T], *, prefix: str = "") -> T:
    """Finish a statement, and what runs `ahead` of it; see `to_the_end`. Note how long it took.

    `system` is the kind of the database.
    """
    started, kind = time.perf_counter(), statement_kind(sql)
    try:
        with tracing.statement_span(system, kind, prefix + sql):
            return await run_shielded(step)
    finally:
        metrics.statement_durations.observe(time.perf_counter() - started, kind)


def statement_kind(sql: str) -> str:
    """The first word of a statement, if it is one of the usual; else `other`."""
    word = sql.partition(" ")[0]
    return word if word in _STATEMENT_KINDS else "other"
