"""Goodbye before the end: what a signal does before the server hears of it."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType

_DEFAULT_HANDLERS = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None)


@contextlib.contextmanager
def notify_before_shutdown(notify: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Within the block a signal that stops the server first has goodbye said; a second one stops it at once.

    uvicorn closes WebSockets without asking the application, and waits for streams that nobody ends; the lifespan hears of
    the end only after both. Where nobody handles the signals, or in another thread, there is no server to hold up.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if handler not in _DEFAULT_HANDLERS}
    if threading.current_thread() is not threading.main_thread() or not handlers:
        yield
        return
    loop, saying = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if saying:
            hand_on(number, frame)
        else:
            loop.call_soon_threadsafe(begin, number, frame)

    def begin(number: int, frame: FrameType | None) -> None:
        saying.add(asyncio.create_task(say(number, frame)))

    async def say(number: int, frame: FrameType | None) -> None:
        try:
            await notify()
        finally:
            hand_on(number, frame)

    def hand_on(number: int, frame: FrameType | None) -> None:
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
