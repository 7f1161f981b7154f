"""Capture of a response for the cache."""

from starlette.types import Message, Scope, Send


class ResponseCapture:
    """Collects a cacheable response. Forwards any other response, and one that exceeds `max_bytes`, to the client."""

    def __init__(self, scope: Scope, send: Send, max_bytes: int) -> None:
        self._scope, self._send, self._max_bytes = scope, send, max_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self.start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Collect or forward an ASGI message."""
        if message["type"] == "http.response.start" and _is_cacheable(self._scope, message):
            self.start = message
        elif self.start is None:
            await self._send(message)
        else:
            self._parts.append(message.get("body", b""))
            self._size += len(self._parts[-1])
            if self._size > self._max_bytes:
                start, self.start = self.start, None
                await self._send(start)
                await self._send({**message, "body": self.body})

    @property
    def body(self) -> bytes:
        """The part of the body collected so far."""
        return b"".join(self._parts)


def _is_cacheable(scope: Scope, start: Message) -> bool:
    is_allowed = start["status"] == 200 and "cache_policy" in scope["state"]
    return is_allowed and all(name != b"set-cookie" for name, _ in start["headers"])
