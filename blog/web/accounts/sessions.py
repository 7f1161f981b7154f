"""The page of the user's own sessions."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import sessions
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import clear_session_cookie
from blog.framework.request.context import request_context, require_user
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post


class SessionList(Endpoint):
    """/account/sessions: the browsers that are signed in."""

    async def get(self, request: Request) -> Response:
        """List the sessions."""
        own_sessions = await sessions.list_own(request_context(request))
        return render_page(request, "accounts/sessions.html", sessions=own_sessions)

    async def post(self, request: Request) -> Response:
        """Revoke all sessions, including the current one."""
        ctx = require_user(request)
        await sessions.revoke_own(ctx)
        response = redirect_after_post(request, "web:login")
        clear_session_cookie(response, ctx.site.settings)
        return response


class SessionRevocation(Endpoint):
    """/account/sessions/{key}: one session."""

    async def post(self, request: Request) -> Response:
        """Revoke the session. Raises NotFound."""
        await sessions.revoke_one(require_user(request), request.path_params["key"])
        return redirect_after_post(request, "web:account_sessions")
