"""Durations of the parts of a request, for the header `Server-Timing`. Tasks that a request starts add to the same sums."""

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar

_parts: ContextVar[dict[str, float] | None] = ContextVar("parts", default=None)


def start() -> dict[str, float]:
    """Start the measurement of a request. Return its sums, in seconds by part, which `record` updates."""
    parts: dict[str, float] = {}
    _parts.set(parts)
    return parts


def record(part: str, seconds: float) -> None:
    """Add seconds to a part. Does nothing outside of a request."""
    if (parts := _parts.get()) is not None:
        parts[part] = parts.get(part, 0.0) + seconds


@contextlib.contextmanager
def measure(part: str) -> Iterator[None]:
    """Add the duration of the block to a part. Does nothing outside of a request."""
    started = time.perf_counter()
    try:
        yield
    finally:
        record(part, time.perf_counter() - started)
