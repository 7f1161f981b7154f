"""Turns: what thousands of connections want in one moment is done a little at a time, and others get theirs in between."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

_MOST = 4
"""Steps in one turn of the event loop: to open a WebSocket takes 0.3 ms, to close one 0.1."""


class Turns:
    """A queue of steps. The event loop runs a few, looks at all that is ready besides, and runs the next few."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._steps: deque[tuple[Callable[[], object], contextvars.Context]] = deque()

    def take(self, step: Callable[[], object]) -> None:
        """Do this after what was asked for before, with the context variables of the moment."""
        if not self._steps:
            self._loop.call_soon(self._turn)
        self._steps.append((step, contextvars.copy_context()))

    def _turn(self) -> None:
        for _ in range(min(_MOST, len(self._steps))):
            step, context = self._steps.popleft()
            self._loop.call_soon(step, context=context)  # one that fails holds up no other
        if self._steps:
            self._loop.call_soon(self._turn)


_by_server: WeakKeyDictionary[ServerState, Turns] = WeakKeyDictionary()


def turns_of(server: ServerState, loop: asyncio.AbstractEventLoop) -> Turns:
    """Those of all connections of a server."""
    return _by_server.setdefault(server, Turns(loop))
