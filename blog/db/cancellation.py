"""Driver calls that survive the cancellation of their task."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio

from blog.observability import server_timing

T = TypeVar("T")
Step = Coroutine[Any, Any, T] | asyncio.Future[T]


async def run_shielded(step: Step[T], on_cancel: Callable[[asyncio.Future[T]], object] | None = None) -> T:
    """Run a driver call to its end even if the caller is cancelled, and then raise the cancellation.

    A call that is left midway leaves its connection in an unknown state. `on_cancel` gets the future of the call, which is a
    task for a coroutine, and makes the driver end it early.
    """
    inner = asyncio.ensure_future(step)
    with server_timing.measure("db"):
        try:
            await asyncio.wait([inner])  # `asyncio.wait` does not cancel `inner` when it is cancelled itself
        except asyncio.CancelledError:
            if on_cancel is not None and not inner.done():
                on_cancel(inner)
            with anyio.CancelScope(shield=True):
                while not inner.done():
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait([inner])
            if not inner.cancelled():
                inner.exception()  # mark the exception as retrieved, so that asyncio does not log it
            raise
    return inner.result()
