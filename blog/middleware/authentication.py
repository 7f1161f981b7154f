"""Finds out who asks, once for each request."""

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from blog.framework.identity.authentication import ANONYMOUS, authenticate, has_credentials, set_session_cookie
from blog.framework.request.context import anonymous_context

# The same for everybody: no session is looked up, which would need the database.
_PUBLIC_PREFIXES = ("/static/", "/media/", "/healthz", "/readyz", "/metrics")


class AuthenticationMiddleware(BaseHTTPMiddleware):
    """Puts an `Identity` into the request's state. It refuses nobody: what may be done is the domain's affair."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Past `dispatch`, which costs a third of a millisecond, when it would have nothing to do."""
        if scope["type"] != "http":  # a live connection, which would keep the frame of `super` for as long as it lasts
            await self.app(scope, receive, send)
        elif not has_credentials(scope) or scope["path"].startswith(_PUBLIC_PREFIXES):
            scope["state"]["identity"] = ANONYMOUS
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Identify, then go on."""
        ctx = anonymous_context(request)
        request.state.identity = identity = await authenticate(request, ctx)
        response = await call_next(request)
        # A cookie on an answer that caches share would be handed to others.
        is_shared = response.headers.get("cache-control", "").startswith("public")
        if identity.session_to_renew and not is_shared and "set-cookie" not in response.headers:
            set_session_cookie(response, ctx.site.settings, identity.session_to_renew)
        if identity.actor is not None and "cache-control" not in response.headers:
            # It may be for this person alone, and nothing said otherwise: shared caches must not keep it for others.
            response.headers["Cache-Control"] = "private, no-cache"
            response.headers.add_vary_header("Authorization, Cookie")
        return response
