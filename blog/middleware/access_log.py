"""One line for every request."""

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
    """Logs method, route template, status, duration and user. The path is left out: links in it may hold secrets."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As plain ASGI for strangers, of whom nothing is to be found out: `dispatch` costs a third of a millisecond."""
        if scope["type"] != "http":  # a live connection, which would keep the frame of `super` for as long as it lasts
            await self.app(scope, receive, send)
            return
        if has_credentials(scope):
            await super().__call__(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            record_request(scope, route_template(scope), status, time.perf_counter() - started)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Time the request and log it, also when it crashed."""
        started = time.perf_counter()
        status = 500
        try:
            response = await call_next(request)
            status = response.status_code
            return response
        finally:
            identity = getattr(request.state, "identity", None)
            user = identity.actor.username if identity and identity.actor else None
            record_request(request.scope, route_template(request.scope), status, time.perf_counter() - started, user)


def record_request(scope: Scope, route: str, status: int, seconds: float, user: str | None = None) -> None:
    """The line of one request, and its place in the metrics."""
    metrics.observe_request(route, scope["method"], status, seconds)
    log_request(scope["method"], route, status, seconds, user)
