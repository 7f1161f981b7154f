"""Access log: one line per request."""

import time

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from blog.framework.identity.authentication import has_credentials
from blog.framework.urls.route_table import route_template
from blog.observability import metrics
from blog.observability.logging import log_request


class AccessLogMiddleware(BaseHTTPMiddleware):
    """Logs method, route template, status, duration and user. Not the path, which can contain the secret of a link."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Skip `dispatch` for anonymous requests: it costs about 0.3 ms and has no user to log."""
        if scope["type"] != "http":  # a live connection would keep the frame of `super` in memory while it is open
            await self.app(scope, receive, send)
            return
        if has_credentials(scope):
            await super().__call__(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        finally:
            record_request(scope["method"], route_template(scope), status, time.perf_counter() - started)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Log the request with its duration, also if it fails."""
        started = time.perf_counter()
        status = 500
        try:
            response = await call_next(request)
            status = response.status_code
            return response
        finally:
            identity = getattr(request.state, "identity", None)
            user = identity.actor.username if identity and identity.actor else None
            record_request(request.method, route_template(request.scope), status, time.perf_counter() - started, user)


def record_request(
    method: str, route: str, status: int, seconds: float, user: str | None = None, correlation_id: str | None = None
) -> None:
    """Log one request and count it in the metrics.

    route: path template. seconds: duration. user: username, or None if anonymous. correlation_id: None for that of the task.
    """
    metrics.observe_request(route, method, status, seconds)
    log_request(method, route, status, seconds, user, correlation_id)
