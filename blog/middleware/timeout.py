"""Ends what takes too long to answer."""

import math
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.errors import Unavailable
from blog.framework.response import problems
from blog.framework.urls.route_table import route_template

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]
log = structlog.stdlib.get_logger("blog.deadline")
_API_PREFIX = "/api/"
_LONG_POLL_PREFIX = "/api/v1/events"  # a long poll waits as long as it was asked to


class RequestTimeoutMiddleware:
    """Gives an endpoint so many seconds until its answer begins, or 503. Plain ASGI, next to the routes.

    The time that the client takes to send its body does not count, nor does an answer that has begun: downloads and streams
    may go on, and the server cuts off who does not take them. A transaction that is cut ends as at any other error; a step
    of a driver, or work in a thread, is waited for.
    """

    def __init__(self, app: ASGIApp, timeout: float, page_error_handler: ErrorHandler) -> None:
        self._app, self._timeout, self._page_error_handler = app, timeout, page_error_handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in time."""
        if scope["type"] != "http" or scope["path"].startswith(_LONG_POLL_PREFIX):
            await self._app(scope, receive, send)
            return
        with anyio.move_on_after(self._timeout) as limit:
            await self._app(scope, _receive_without_clock(receive, limit), _send_and_stop_clock(send, limit))
        if limit.cancelled_caught:
            log.warning("request took too long", route=route_template(scope), seconds=self._timeout)
            request, error = Request(scope, receive), Unavailable("This took too long: try again in a moment")
            answer = problems.on_blog_error if scope["path"].startswith(_API_PREFIX) else self._page_error_handler
            response = await answer(request, error)
            await response(scope, receive, send)


def _receive_without_clock(receive: Receive, limit: anyio.CancelScope) -> Receive:
    """The clock stands while the body comes; after it, whoever listens only waits for the client to leave."""
    is_whole = False

    async def stopping() -> Message:
        nonlocal is_whole
        if is_whole or limit.deadline == math.inf:
            return await receive()
        left, limit.deadline = limit.deadline - anyio.current_time(), math.inf
        message = await receive()
        limit.deadline = anyio.current_time() + left
        is_whole = not message.get("more_body", False)
        return message

    return stopping


def _send_and_stop_clock(send: Send, limit: anyio.CancelScope) -> Send:
    """With its beginning an answer is in time."""

    async def lifting(message: Message) -> None:
        await anyio.lowlevel.checkpoint_if_cancelled()  # or there would be two answers
        limit.deadline = math.inf
        await send(message)

    return lifting
