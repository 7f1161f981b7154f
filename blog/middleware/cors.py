"""Cross-origin access to the API: pages of any origin may call it, never with cookies."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_EXPOSED_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Live-Cursor",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Correlation-ID",
)


class PublicCorsMiddleware(CORSMiddleware):
    """Adds the headers also to responses to requests without `Origin`, so that caches store one response for all origins."""

    async def send(self, message: Message, send: Send, request_headers: Headers) -> None:
        """Send an ASGI message, with the headers if it starts a response."""
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(self.simple_headers)
        await send(message)


CORS = Middleware(
    PublicCorsMiddleware, allow_origins=("*",), allow_methods=_METHODS, allow_headers=("*",), expose_headers=_EXPOSED_HEADERS
)
