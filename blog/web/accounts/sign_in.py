"""What follows a right password: a session, or first the question for a code."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import accounts, sessions, two_factor
from blog.domain.core.context import Actor, Context
from blog.framework.identity.authentication import set_session_cookie
from blog.framework.request.state import app_state
from blog.settings import Settings


async def start_session(request: Request, ctx: Context, actor: Actor, path: str = "", auth_method: str = "password") -> Response:
    """Signed in: a new session id each time, so that one that somebody planted in the browser is worth nothing."""
    await sessions.revoke(ctx)
    session_id = await sessions.start(ctx, actor, request.headers.get("user-agent", ""), auth_method)
    response = RedirectResponse(path or app_state(request).urls.path("web:home"), 303)
    set_session_cookie(response, ctx.site.settings, session_id)
    app_state(request).rate_limits.known_devices.remember(request, response, await accounts.get(ctx, actor.id))
    clear_pending_sign_in(request, response)
    return response


async def continue_sign_in(request: Request, ctx: Context, actor: Actor, path: str = "") -> Response:
    """The same for an account that asks for no code; else on to the question for it, with a ticket in a cookie."""
    if not await two_factor.is_enabled(ctx, actor.id):
        return await start_session(request, ctx, actor, path)
    question = app_state(request).urls.path("web:login_code")
    response = RedirectResponse(f"{question}?{urlencode({'next': path})}" if path else question, 303)
    settings, ticket = ctx.site.settings, await two_factor.issue_pending_sign_in(ctx, actor.id)
    response.set_cookie(
        pending_sign_in_cookie_name(settings),
        ticket,
        max_age=two_factor.PENDING_SIGN_IN_SECONDS,
        secure=settings.is_https,
        httponly=True,
        samesite="lax",
    )
    return response


def pending_sign_in_cookie_name(settings: Settings) -> str:
    """The name of the cookie between password and code."""
    return "__Host-ticket" if settings.is_https else "ticket"


def clear_pending_sign_in(request: Request, response: Response) -> None:
    """Take the ticket back, if there was one."""
    settings = app_state(request).site.settings
    if pending_sign_in_cookie_name(settings) in request.cookies:
        response.delete_cookie(pending_sign_in_cookie_name(settings), secure=settings.is_https, httponly=True, samesite="lax")
