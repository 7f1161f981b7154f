"""Capture of a response for the cache."""

from collections.abc import Callable

from starlette.types import Message, Scope, Send

_FAILURES_OF_THE_CLIENT = frozenset({429, 499})  # 499: the client left


class ResponseCapture:
    """Collects a cacheable response. Forwards any other response, and one that exceeds `max_bytes`, to the client.

    `on_uncacheable`: called when it is known that further requests cannot be answered from the cache either. Not called for
    failures of this one request: too many requests, a client that left, and statuses from 500.
    """

    def __init__(self, scope: Scope, send: Send, max_bytes: int, on_uncacheable: Callable[[], None]) -> None:
        self._scope, self._send, self._max_bytes, self._on_uncacheable = scope, send, max_bytes, on_uncacheable
        self._parts: list[bytes] = []
        self._size = 0
        self.start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Collect or forward an ASGI message."""
        if message["type"] == "http.response.start" and _is_cacheable(self._scope, message):
            self.start = message
        elif self.start is None:
            if message["type"] == "http.response.start" and not _is_failure(message["status"]):
                self._on_uncacheable()
            await self._send(message)
        else:
            self._parts.append(message.get("body", b""))
            self._size += len(self._parts[-1])
            if self._size > self._max_bytes:
                self._on_uncacheable()
                start, self.start = self.start, None
                await self._send(start)
                await self._send({**message, "body": self.body})

    @property
    def body(self) -> bytes:
        """The part of the body collected so far."""
        return b"".join(self._parts)


def _is_failure(status: int) -> bool:
    """Return whether the next request for the same page may get another response."""
    return status >= 500 or status in _FAILURES_OF_THE_CLIENT


def _is_cacheable(scope: Scope, start: Message) -> bool:
    """Return whether an endpoint allows caching of this response, and nothing shows that it is personal."""
    identity = scope["state"].get("identity")
    if start["status"] != 200 or "cache_policy" not in scope["state"] or (identity and identity.actor):
        return False
    return not any(
        name == b"set-cookie" or (name == b"cache-control" and b"no-store" in value) for name, value in start["headers"]
    )
