"""Where the time of a request went, for the field `Server-Timing`: each part adds its share, whatever task it runs in."""

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar

_parts: ContextVar[dict[str, float] | None] = ContextVar("parts", default=None)


def start() -> dict[str, float]:
    """From here on the parts of this request are added up, in seconds by name. Tasks that it starts share the sums."""
    parts: dict[str, float] = {}
    _parts.set(parts)
    return parts


def record(part: str, seconds: float) -> None:
    """Add to a part; outside of a request nothing is kept."""
    if (parts := _parts.get()) is not None:
        parts[part] = parts.get(part, 0.0) + seconds


@contextlib.contextmanager
def measure(part: str) -> Iterator[None]:
    """Add the time that the block takes to a part; outside of a request nothing is kept."""
    started = time.perf_counter()
    try:
        yield
    finally:
        record(part, time.perf_counter() - started)
