"""The fast path of cached responses: `blog serve` sends them before it starts a task for the request.

The task, the ASGI messages and the encoding of the headers take more time than everything else that a cached response needs.
Other servers, and requests that need more than a look into the cache, use the ASGI application.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from starlette.types import Scope

STATE_KEY = "fast_path"
"""Key of the `FastPath` in the state that the lifespan yields."""


class EncodedResponse(NamedTuple):
    """A complete response: the status, the header lines with their line ends, and the body."""

    status: int
    head: bytes
    body: bytes


FastPath = Callable[[Scope], EncodedResponse | None]
"""Returns the response to a request, or None if the application must handle it. Called in the thread of the event loop."""


def encode_headers(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encode headers as HTTP/1.1 lines. Raises ValueError if one contains a line end or a null byte."""
    lines = [name + b": " + value for name, value in headers]
    if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
        raise ValueError("A header contains a line end or a null byte. Remove it from the value.")
    return b"".join(line + b"\r\n" for line in lines)
