"""Signing in and out: password, then a code if two-factor authentication is on, then a session."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import accounts, passkeys, sessions, two_factor
from blog.domain.accounts.models import User
from blog.domain.core.context import Actor, Context
from blog.errors import NotAuthenticated
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import clear_session_cookie, set_session_cookie
from blog.framework.identity.cookies import cookie_name, delete_cookie, set_cookie
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.schemas.accounts import Credentials, OneTimeCode
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.redirects import next_path, redirect_after_post, safe_local_path

_PENDING_COOKIE = "ticket"


class SignInPage(FormPage[Credentials]):
    """/login: sign in with a password, then return to the page in `?next=`."""

    template, model, requires_user = "accounts/login.html", Credentials, False

    async def get(self, request: Request) -> Response:
        """Show the form, or redirect a user that is already signed in."""
        if request_context(request).actor is None:
            return await super().get(request)
        return RedirectResponse(next_path(request) or app_state(request).urls.path("web:home"), 303)

    def initial_form(self) -> Form:
        return Form({"next": next_path(self.request)})

    def parse(self) -> Credentials | None:
        return self.form.parse(Credentials, next=None)

    async def context(self) -> Mapping[str, Any]:
        return {"passkeys_available": passkeys.is_available(self.ctx.site.settings)}

    async def submit(self, data: Credentials) -> Response:
        """Verify the password and start a session, or ask for a code."""
        await app_state(self.request).rate_limits.check_sign_in(self.request, data.username)
        actor = await sessions.verify_password(self.ctx, data)
        return await continue_sign_in(self.request, self.ctx, actor, safe_local_path(self.form.value("next")))


class SignInCodePage(FormPage[OneTimeCode]):
    """/login/code: the second step of signing in with two-factor authentication."""

    template, model, requires_user = "accounts/login_code.html", OneTimeCode, False

    async def get(self, request: Request) -> Response:
        """Show the form, or redirect to the first step if the password was not given."""
        try:
            await _pending_user(request, request_context(request))
        except NotAuthenticated:
            return redirect_after_post(request, "web:login")
        return await super().get(request)

    def initial_form(self) -> Form:
        return Form({"next": next_path(self.request)})

    def parse(self) -> OneTimeCode | None:
        return self.form.parse(OneTimeCode, next=None)

    async def submit(self, data: OneTimeCode) -> Response:
        """Verify the code and start a session."""
        user = await _pending_user(self.request, self.ctx)
        await app_state(self.request).rate_limits.check_sign_in(self.request, user.username)
        actor = accounts.as_actor(user)
        await two_factor.require_code(self.ctx, actor, data.code)
        path = safe_local_path(self.form.value("next"))
        return await start_session(self.request, self.ctx, actor, path, "password and code")


class SignOut(Endpoint):
    """/logout: end the session."""

    async def post(self, request: Request) -> Response:
        """Delete the session in the database and its cookie."""
        ctx = request_context(request)
        await sessions.revoke(ctx)
        response = redirect_after_post(request, "web:home")
        clear_session_cookie(response, ctx.site.settings)
        return response


async def start_session(request: Request, ctx: Context, actor: Actor, path: str = "", auth_method: str = "password") -> Response:
    """Start a session and redirect to `path` (default: the home page).

    The session always gets a new id, so that an id planted in the browser is useless. `auth_method` goes into the audit log.
    """
    await sessions.revoke(ctx)
    session_id = await sessions.start(ctx, actor, request.headers.get("user-agent", ""), auth_method)
    response = RedirectResponse(path or app_state(request).urls.path("web:home"), 303)
    set_session_cookie(response, ctx.site.settings, session_id)
    app_state(request).rate_limits.known_devices.remember(request, response, await accounts.get(ctx, actor.id))
    _clear_pending_sign_in(request, response)
    return response


async def continue_sign_in(request: Request, ctx: Context, actor: Actor, path: str = "") -> Response:
    """Start a session after the password was verified, or redirect to the page that asks for a code.

    A signed cookie records that the password was verified. `path` is where the browser goes in the end.
    """
    if not await two_factor.is_enabled(ctx, actor.id):
        return await start_session(request, ctx, actor, path)
    response = redirect_after_post(request, "web:login_code", query={"next": path} if path else None)
    settings = ctx.site.settings
    token = await two_factor.issue_pending_sign_in(ctx, actor.id)
    set_cookie(response, settings, _PENDING_COOKIE, token, two_factor.PENDING_SIGN_IN_SECONDS)
    return response


async def _pending_user(request: Request, ctx: Context) -> User:
    cookie = request.cookies.get(cookie_name(ctx.site.settings, _PENDING_COOKIE), "")
    return await two_factor.verify_pending_sign_in(ctx, cookie)


def _clear_pending_sign_in(request: Request, response: Response) -> None:
    settings = app_state(request).site.settings
    if cookie_name(settings, _PENDING_COOKIE) in request.cookies:
        delete_cookie(response, settings, _PENDING_COOKIE)
