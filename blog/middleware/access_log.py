"""One line for every request."""

import time

import structlog
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

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
            log.info(
                "request",
                method=request.method,
                route=_template(request),
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 1),
                user=identity.actor.username if identity and identity.actor else None,
            )


def _template(request: Request) -> str:
    """Such as `/api/v1/posts/{id:id}`; a mounted application sees only its own part, so `root_path` goes before it."""
    match request.scope.get("route"):
        case Route() as route:
            return str(request.scope.get("root_path", "")) + route.path
        case Mount(routes=[]) as mount:
            return f"{mount.path}/…"
        case _:
            return "(no route)"
