"""A restartable timeout on the event loop."""

import asyncio
from collections.abc import Callable


class Timer:
    """Calls a function after a delay, unless it is stopped or restarted before."""

    __slots__ = ("_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        """Return whether a call is scheduled."""
        return self._handle is not None

    def start(self, seconds: float, callback: Callable[[], object]) -> None:
        """Schedule a call, and cancel an earlier one."""
        self.stop()
        self._handle = self._loop.call_later(seconds, self._fire, callback)

    def stop(self) -> None:
        """Cancel the scheduled call, if there is one."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self, callback: Callable[[], object]) -> None:
        self._handle = None
        callback()
