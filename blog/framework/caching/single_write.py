"""An ASGI extension: the server writes a complete response in one call, with its headers already encoded.

Encoding headers takes a third of the time of a cache hit: 75 µs with it, 47 µs without. Servers without the extension get the
same response as ASGI messages.
"""

from collections.abc import Callable, Iterable

from starlette.types import Scope

EXTENSION = "blog.single_write"
"""Name in the `extensions` of a scope. Its member `write` is a `WriteResponse`."""

WriteResponse = Callable[[Scope, int, bytes, bytes], bool]
"""Called with the scope, the status, the headers from `encode_headers` and the body.

Returns False if nothing was written: send the response as messages then.
"""


def response_writer(scope: Scope) -> WriteResponse | None:
    """Return the extension's `write` function, or None if the server does not have the extension."""
    writer: WriteResponse | None = scope.get("extensions", {}).get(EXTENSION, {}).get("write")
    return writer


def encode_headers(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encode headers as HTTP/1.1 lines. Raises ValueError if one contains a line end or a null byte."""
    lines = [name + b": " + value for name, value in headers]
    if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
        raise ValueError("A header contains a line end or a null byte. Remove it from the value.")
    return b"".join(line + b"\r\n" for line in lines)
