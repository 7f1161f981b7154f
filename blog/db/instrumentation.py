"""Metrics and spans of statements, and of the wait for a connection."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from blog.db.cancellation import Step, run_shielded
from blog.observability import metrics, tracing

T = TypeVar("T")
_STATEMENT_KINDS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", "ROLLBACK", "WITH"})


class WaitQueue:
    """The number of tasks that wait for a connection."""

    def __init__(self) -> None:
        self.waiting = 0

    @contextlib.contextmanager
    def track_wait(self, role: str) -> Iterator[None]:
        """Measure the block as a wait for a connection; `role` is `reader` or `writer`."""
        self.waiting += 1
        started = time.perf_counter()
        try:
            yield
        finally:
            self.waiting -= 1
            metrics.pool_wait.observe(time.perf_counter() - started, role)


async def timed(
    system: str,
    sql: str,
    step: Step[T],
    *,
    prefix: str = "",
    on_cancel: Callable[[asyncio.Future[T]], object] | None = None,
) -> T:
    """Run a driver call with `run_shielded`, measure it, and return its result.

    - `system`: the kind of database.
    - `sql`: the statement that the call runs.
    - `step`: the call.
    - `prefix`: the text of the statements that run before it in the same call.
    - `on_cancel`: makes the driver end the call early if the caller is cancelled.
    """
    started, kind = time.perf_counter(), statement_kind(sql)
    try:
        with tracing.statement_span(system, kind, prefix + sql):
            return await run_shielded(step, on_cancel)
    finally:
        metrics.statement_durations.observe(time.perf_counter() - started, kind)


def statement_kind(sql: str) -> str:
    """Return the first word of a statement, or `other` for an unusual one."""
    word = sql.partition(" ")[0]
    return word if word in _STATEMENT_KINDS else "other"
