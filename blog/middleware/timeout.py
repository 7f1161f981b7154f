"""Request timeout: answer 503 if an endpoint does not start its response in time, and end reads if their client has left."""

import math
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.errors import Unavailable
from blog.framework.request.disconnect import on_disconnect
from blog.framework.request.state import app_state
from blog.framework.urls.route_table import route_template

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]
log = structlog.stdlib.get_logger("blog.timeout")


class RequestTimeoutMiddleware:
    """Cancel a request that has no response after `request_timeout` seconds. Plain ASGI around a mounted application.

    Does not count the time in which the client sends its body, and stops with the start of the response: downloads and
    streams continue, and the server closes connections of clients that do not read. Also cancels a GET or HEAD if its client
    has left; a write is completed. A cancelled statement is interrupted, its transaction is rolled back, and work in a thread
    finishes first. `on_error` makes the 503.
    """

    def __init__(self, app: ASGIApp, on_error: ErrorHandler) -> None:
        self._app, self._on_error = app, on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        timeout, has_left = app_state(request).site.settings.request_timeout, False

        def cancel_read() -> None:
            nonlocal has_left
            if scope["method"] in ("GET", "HEAD") and cancel_scope.deadline != math.inf:  # else the response has started
                has_left = True
                cancel_scope.cancel()

        with anyio.move_on_after(timeout) as cancel_scope, on_disconnect(scope, cancel_read):
            request.state.timeout = cancel_scope
            await self._app(scope, _receive_without_clock(receive, cancel_scope), _send_and_stop_clock(send, cancel_scope))
        if cancel_scope.cancelled_caught:
            response = Response(status_code=400) if has_left else await self._timeout_response(request, timeout)
            await response(scope, receive, send)

    async def _timeout_response(self, request: Request, timeout: float) -> Response:
        log.warning("request timed out", route=route_template(request.scope), seconds=timeout)
        return await self._on_error(request, Unavailable("This took too long. Try again in a moment."))


def disable_timeout(request: Request) -> None:
    """Let this request take any time, such as a long poll."""
    request.state.timeout.deadline = math.inf


def _receive_without_clock(receive: Receive, cancel_scope: anyio.CancelScope) -> Receive:
    """Stop the clock while the body arrives. After the body, `receive` only waits for the disconnect."""
    is_complete = False

    async def receive_without_clock() -> Message:
        nonlocal is_complete
        if is_complete or cancel_scope.deadline == math.inf:
            return await receive()
        remaining, cancel_scope.deadline = cancel_scope.deadline - anyio.current_time(), math.inf
        message = await receive()
        cancel_scope.deadline = anyio.current_time() + remaining
        is_complete = not message.get("more_body", False)
        return message

    return receive_without_clock


def _send_and_stop_clock(send: Send, cancel_scope: anyio.CancelScope) -> Send:
    """Stop the clock when the response starts."""

    async def send_and_stop_clock(message: Message) -> None:
        await anyio.lowlevel.checkpoint_if_cancelled()  # otherwise a cancelled request would get two responses
        cancel_scope.deadline = math.inf
        await send(message)

    return send_and_stop_clock
