"""Refuses those who ask too often, and tells everybody how they stand."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.errors import TooManyRequests
from blog.framework.limits.rate_limits import Count
from blog.framework.request.state import services
from blog.framework.response import problems

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]
# Files, which one page asks for by the dozen, and what operators ask for by the clock.
_FREE = ("/static/", "/media/")
_HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})
_API = "/api/"


class RateLimit:
    """Counts requests by user, else by address: put it inside of what finds out who asks.

    Plain ASGI, so that the fields are on every answer from within, however it was made. `on_page_refused` makes the
    answer for who asks for a page; the JSON door has its problems.
    """

    def __init__(self, app: ASGIApp, on_page_refused: ErrorHandler) -> None:
        self._app, self._on_page_refused = app, on_page_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive) if scope["type"] == "http" else None
        if request is None or scope["path"].startswith(_FREE) or scope["path"] in _HEALTH:
            await self._app(scope, receive, send)
            return
        count = await services(request).rate_limits.count(request)
        if count is None:
            await self._app(scope, receive, send)
            return
        request.state.counts = [count]
        send = _telling(send, request.state.counts)
        try:
            count.require()
        except TooManyRequests as error:
            refuse = problems.on_blog_error if scope["path"].startswith(_API) else self._on_page_refused
            response = await refuse(request, error)
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _telling(send: Send, counts: Iterable[Count]) -> Send:
    """Adds the fields of draft-ietf-httpapi-ratelimit-headers; those who count more meanwhile append to `counts`."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["RateLimit-Policy"] = ", ".join(f'"{count.policy}";q={count.quota};w={count.window}' for count in counts)
            headers["RateLimit"] = ", ".join(f'"{count.policy}";r={count.remaining};t={count.reset}' for count in counts)
        await send(message)

    return telling
