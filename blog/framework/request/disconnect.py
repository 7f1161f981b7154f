"""An ASGI extension: the server reports at once that the client of a request has left.

ASGI itself reports it through `receive`, which only one task may call, and which an endpoint that works never calls.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlette.types import Scope

EXTENSION = "blog.disconnect"
"""Name in the `extensions` of a scope. Its member `callbacks` is a set of functions that the server calls."""

CLIENT_CLOSED_REQUEST = 499
"""Status in logs and metrics of a request without a response because its client left, as in nginx."""


def extension() -> dict[str, dict[object, object]]:
    """Return the extension for the scopes of one connection."""
    return {EXTENSION: {"callbacks": set[Callable[[], None]]()}}


def notify(extensions: Mapping[str, Any]) -> None:
    """Call the callbacks of a connection. For the server."""
    for callback in tuple(extensions[EXTENSION]["callbacks"]):
        callback()


@contextlib.contextmanager
def on_disconnect(scope: Scope, callback: Callable[[], None]) -> Iterator[None]:
    """Let the server call `callback` if the client leaves during the block. Does nothing without the extension."""
    callbacks: set[Callable[[], None]] = scope.get("extensions", {}).get(EXTENSION, {}).get("callbacks", set())
    callbacks.add(callback)
    try:
        yield
    finally:
        callbacks.discard(callback)
