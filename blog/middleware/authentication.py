"""Authentication, once per request."""

from starlette.datastructures import MutableHeaders
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from blog.framework.identity.authentication import ANONYMOUS, Identity, authenticate, has_credentials, set_session_cookie
from blog.framework.request.context import anonymous_context
from blog.framework.request.state import app_state

# Public: authentication would only cost a database query.
_PUBLIC_PREFIXES = ("/static/", "/media/", "/healthz", "/readyz", "/metrics")


class AuthenticationMiddleware(BaseHTTPMiddleware):
    """Stores an `Identity` in the request's state. Never rejects a request: authorisation is decided in the domain."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate and call the endpoint, with `dispatch` only to renew a cookie: it costs about 0.3 ms."""
        if scope["type"] != "http":  # a live connection would keep the frame of `super` in memory while it is open
            await self.app(scope, receive, send)
            return
        scope["state"]["identity"] = identity = await _identify(scope, receive)
        if identity.session_to_renew:
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send if identity.actor is None else _private(send))

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Call the endpoint, and set the session cookie again."""
        response = await call_next(request)
        # Shared caches would send the cookie of a public response to other clients.
        is_public = response.headers.get("cache-control", "").startswith("public")
        if not is_public and "set-cookie" not in response.headers:
            session_id = request.state.identity.session_to_renew
            set_session_cookie(response, app_state(request).site.settings, session_id)
        _mark_private(response.headers)
        return response


async def _identify(scope: Scope, receive: Receive) -> Identity:
    if not has_credentials(scope) or scope["path"].startswith(_PUBLIC_PREFIXES):
        return ANONYMOUS
    request = Request(scope, receive)
    return await authenticate(request, anonymous_context(request))


def _private(send: Send) -> Send:
    """Return a `send` that marks the response as private."""

    async def send_private(message: Message) -> None:
        if message["type"] == "http.response.start":
            _mark_private(MutableHeaders(scope=message))
        await send(message)

    return send_private


def _mark_private(headers: MutableHeaders) -> None:
    """Forbid shared caches to store a response for a signed-in member, unless the endpoint has decided."""
    if "cache-control" not in headers:
        headers["Cache-Control"] = "private, no-cache"
        headers.add_vary_header("Authorization, Cookie")
