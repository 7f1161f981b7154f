"""Rate limiting: answer 429 above the limit, and add `RateLimit` headers to every response."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.errors import TooManyRequests
from blog.framework.limits.rate_limits import Usage, rate_limit_headers
from blog.framework.request.state import app_state

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


class RateLimitMiddleware:
    """Count requests by user, or by address for anonymous requests. Runs after authentication.

    Plain ASGI around a mounted application, so that its error responses get the headers too. `on_error` makes the 429.
    """

    def __init__(self, app: ASGIApp, on_error: ErrorHandler) -> None:
        self._app, self._on_error = app, on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive) if scope["type"] == "http" else None
        usage = await app_state(request).rate_limits.count_request(request) if request else None
        if request is None or usage is None:
            await self._app(scope, receive, send)
            return
        request.state.rate_limit_usage = [usage]
        send = _with_rate_limit_headers(send, request.state.rate_limit_usage)
        try:
            usage.raise_if_exceeded()
        except TooManyRequests as error:
            response = await self._on_error(request, error)
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _with_rate_limit_headers(send: Send, usages: Sequence[Usage]) -> Send:
    """Add the rate limit headers. Limits that are checked later append to `usages`."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *rate_limit_headers(usages)]
        await send(message)

    return send_with_headers
