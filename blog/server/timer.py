"""How long the server waits for one thing."""

import asyncio
from collections.abc import Callable


class Timer:
    """Calls back after some seconds, unless it is stopped or started anew before."""

    __slots__ = ("_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        """Is a call to come?"""
        return self._handle is not None

    def start(self, seconds: float, callback: Callable[[], object]) -> None:
        """From now on."""
        self.stop()
        self._handle = self._loop.call_later(seconds, self._fire, callback)

    def stop(self) -> None:
        """No call."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self, then: Callable[[], object]) -> None:
        self._handle = None
        then()
