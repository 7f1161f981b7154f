"""Notify live clients of a shutdown before the server handles the signal."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Any

_DEFAULT_HANDLERS = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None)


def _installed_handlers() -> dict[signal.Signals, Any]:
    """Return the handlers of SIGINT and SIGTERM that are not the default ones."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    return {number: handler for number, handler in handlers.items() if handler not in _DEFAULT_HANDLERS}


@contextlib.contextmanager
def notify_before_shutdown(notify: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Run `notify` on SIGINT or SIGTERM before the server's own handler. A second signal reaches the server at once.

    uvicorn closes WebSockets without notifying the application, and waits for open streams. The lifespan shutdown runs after
    both, so it is too late to send a goodbye. Does nothing if no handlers are installed, or outside the main thread.
    """
    handlers = _installed_handlers()
    if threading.current_thread() is not threading.main_thread() or not handlers:
        yield
        return
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if tasks:
            call_original(number, frame)
        else:
            loop.call_soon_threadsafe(start, number, frame)

    def start(number: int, frame: FrameType | None) -> None:
        tasks.add(asyncio.create_task(notify_first(number, frame)))

    async def notify_first(number: int, frame: FrameType | None) -> None:
        try:
            await notify()
        finally:
            call_original(number, frame)

    def call_original(number: int, frame: FrameType | None) -> None:
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in handlers:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is on_signal:
                signal.signal(number, handler)
