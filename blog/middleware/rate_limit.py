"""Refuses those who ask too often, and tells everybody how they stand."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.errors import TooManyRequests
from blog.framework.limits.rate_limits import Usage
from blog.framework.request.state import app_state
from blog.framework.response import problems

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]
# Files, which one page asks for by the dozen, and what operators ask for by the clock.
_UNLIMITED_PREFIXES = ("/static/", "/media/")
_UNLIMITED_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_API_PREFIX = "/api/"


class RateLimitMiddleware:
    """Counts requests by user, else by address: put it inside of what finds out who asks.

    Plain ASGI, so that the fields are on every answer from within, however it was made. `on_page_refused` makes the
    answer for who asks for a page; the JSON door has its problems.
    """

    def __init__(self, app: ASGIApp, page_error_handler: ErrorHandler) -> None:
        self._app, self._page_error_handler = app, page_error_handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive) if scope["type"] == "http" else None
        if request is None or scope["path"].startswith(_UNLIMITED_PREFIXES) or scope["path"] in _UNLIMITED_PATHS:
            await self._app(scope, receive, send)
            return
        count = await app_state(request).rate_limits.count_request(request)
        if count is None:
            await self._app(scope, receive, send)
            return
        request.state.rate_limit_usage = [count]
        send = _with_rate_limit_headers(send, request.state.rate_limit_usage)
        try:
            count.raise_if_exceeded()
        except TooManyRequests as error:
            refuse = problems.on_blog_error if scope["path"].startswith(_API_PREFIX) else self._page_error_handler
            response = await refuse(request, error)
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _with_rate_limit_headers(send: Send, counts: Iterable[Usage]) -> Send:
    """Adds the fields of draft-ietf-httpapi-ratelimit-headers; those who count more meanwhile append to `counts`."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["RateLimit-Policy"] = ", ".join(f'"{count.policy}";q={count.quota};w={count.window}' for count in counts)
            headers["RateLimit"] = ", ".join(f'"{count.policy}";r={count.remaining};t={count.reset}' for count in counts)
        await send(message)

    return telling
