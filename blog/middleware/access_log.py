"""One line for every request."""

import time

import structlog
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from blog.http.route_table import template_of

log = structlog.stdlib.get_logger("blog.access")


class AccessLog(BaseHTTPMiddleware):
    """Logs method, route template, status, duration and user. The path is left out: links in it may hold secrets."""

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
            record(request.scope, template_of(request.scope), status, time.perf_counter() - started, user)


def record(scope: Scope, route: str, status: int, seconds: float, user: str | None = None) -> None:
    """The line of one request."""
    log.info("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1), user=user)
