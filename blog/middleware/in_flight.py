"""Number of requests in progress, for the metrics."""

from starlette.types import ASGIApp, Receive, Scope, Send

from blog.observability import metrics


class InFlightMiddleware:
    """Plain ASGI, inside the response cache: cache hits are too short to count."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        metrics.in_flight.inc(1)
        try:
            await self._app(scope, receive, send)
        finally:
            metrics.in_flight.inc(-1)
