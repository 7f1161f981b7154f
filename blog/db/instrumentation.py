"""How long statements take, and how long tasks wait for a connection."""

import contextlib
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from blog.db.database import to_the_end
from blog.observability import metrics, tracing

T = TypeVar("T")
_KINDS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", "ROLLBACK", "WITH"})


class Queue:
    """The tasks that wait for a connection."""

    def __init__(self) -> None:
        self.waiting = 0

    @contextlib.contextmanager
    def joined(self, role: str) -> Iterator[None]:
        """Wait inside, for a `reader` or for the `writer`."""
        self.waiting += 1
        started = time.perf_counter()
        try:
            yield
        finally:
            self.waiting -= 1
            metrics.waits.add(time.perf_counter() - started, role)


async def measured(system: str, sql: str, step: Coroutine[Any, Any, T], *, ahead: str = "") -> T:
    """Finish a statement, and what runs `ahead` of it; see `to_the_end`. Note how long it took.

    `system` is the kind of the database.
    """
    started, kind = time.perf_counter(), kind_of(sql)
    try:
        with tracing.statement(system, kind, ahead + sql):
            return await to_the_end(step)
    finally:
        metrics.statements.add(time.perf_counter() - started, kind)


def kind_of(sql: str) -> str:
    """The first word of a statement, if it is one of the usual; else `other`."""
    word = sql.partition(" ")[0]
    return word if word in _KINDS else "other"
