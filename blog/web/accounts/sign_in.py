"""What follows a right password: a session, or first the question for a code."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import accounts, sessions, two_factor
from blog.domain.core.context import Actor, Context
from blog.framework.identity.authentication import set_cookie
from blog.framework.request.state import services
from blog.settings import Settings


async def begin(request: Request, ctx: Context, actor: Actor, path: str = "", proof: str = "password") -> Response:
    """Signed in: a new session id each time, so that one that somebody planted in the browser is worth nothing."""
    await sessions.end(ctx)
    session_id = await sessions.start(ctx, actor, request.headers.get("user-agent", ""), proof)
    response = RedirectResponse(path or services(request).links.path("web:home"), 303)
    set_cookie(response, ctx.site.settings, session_id)
    services(request).rate_limits.devices.remember(request, response, await accounts.get(ctx, actor.id))
    clear_ticket(request, response)
    return response


async def go_on(request: Request, ctx: Context, actor: Actor, path: str = "") -> Response:
    """The same for an account that asks for no code; else on to the question for it, with a ticket in a cookie."""
    if not await two_factor.is_on(ctx, actor.id):
        return await begin(request, ctx, actor, path)
    question = services(request).links.path("web:login_code")
    response = RedirectResponse(f"{question}?{urlencode({'next': path})}" if path else question, 303)
    settings, ticket = ctx.site.settings, await two_factor.ticket(ctx, actor.id)
    response.set_cookie(
        ticket_cookie(settings),
        ticket,
        max_age=two_factor.TICKET_SECONDS,
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )
    return response


def ticket_cookie(settings: Settings) -> str:
    """The name of the cookie between password and code."""
    return "__Host-ticket" if settings.secure else "ticket"


def clear_ticket(request: Request, response: Response) -> None:
    """Take the ticket back, if there was one."""
    settings = services(request).site.settings
    if ticket_cookie(settings) in request.cookies:
        response.delete_cookie(ticket_cookie(settings), secure=settings.secure, httponly=True, samesite="lax")
