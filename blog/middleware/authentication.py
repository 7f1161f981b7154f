"""Finds out who asks, once for each request."""

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from blog.http.context import fresh_context
from blog.http.identity import identify


class Authentication(BaseHTTPMiddleware):
    """Puts an `Identity` into the request's state. It refuses nobody: what may be done is the domain's affair."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Identify, then go on."""
        request.state.identity = await identify(request, fresh_context(request))
        return await call_next(request)
