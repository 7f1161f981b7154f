"""Pages at the door: making an account, signing in and out, and the links that lead to an account."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import accounts, invitations, passkeys, sessions, two_factor
from blog.domain.core.context import Context
from blog.errors import BlogError, Conflict, Forbidden, InvalidInput, NotAuthenticated
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import clear_session_cookie
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.schemas.accounts import Credentials, NewPassword, OneTimeCode, Registration
from blog.schemas.feature_flags import Flag
from blog.web.accounts.sign_in import continue_sign_in, pending_sign_in_cookie_name, start_session
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import redirect_after_post, safe_local_path


class RegistrationPage(Endpoint):
    """/register — a new account."""

    async def get(self, request: Request) -> Response:
        """The empty form. Raises Forbidden when registration is closed."""
        ctx = request_context(request)
        if not ctx.site.runtime_settings.is_enabled(Flag.REGISTRATION):
            raise Forbidden("Registration is closed. Ask the owner of the blog for an account.")
        return render_page(request, "accounts/register.html", form=Form())

    async def post(self, request: Request) -> Response:
        """Make it; its owner is signed in."""
        ctx = request_context(request)
        form = await read_form(request)
        new = form.parse(Registration)
        if new is None:
            return render_invalid(request, "accounts/register.html", form)
        try:
            await app_state(request).rate_limits.check(request, "register")
            user = await accounts.register(ctx, new)
        except BlogError as error:
            return render_error(request, "accounts/register.html", form, error)
        return await start_session(request, ctx, accounts.as_actor(user))


class SignInPage(Endpoint):
    """/login — sign in, then go on to where one wanted to be."""

    async def get(self, request: Request) -> Response:
        """The empty form; who is signed in already just goes on."""
        ctx = request_context(request)
        wanted = safe_local_path(request.query_params.get("next", ""))
        if ctx.actor is not None:
            return RedirectResponse(wanted or app_state(request).urls.path("web:home"), 303)
        return render_page(request, "accounts/login.html", form=Form({"next": wanted}), **_sign_in_options(ctx))

    async def post(self, request: Request) -> Response:
        """A new session, whatever the browser had before; or on to the question for a code."""
        ctx = request_context(request)
        form = await read_form(request)
        credentials = form.parse(Credentials, next=None)
        if credentials is None:
            return render_invalid(request, "accounts/login.html", form, **_sign_in_options(ctx))
        try:
            await app_state(request).rate_limits.check_sign_in(request, credentials.username)
            actor = await sessions.verify_password(ctx, credentials)
        except BlogError as error:
            return render_error(request, "accounts/login.html", form, error, **_sign_in_options(ctx))
        return await continue_sign_in(request, ctx, actor, safe_local_path(form.value("next")))


class SignInCodePage(Endpoint):
    """/login/code — the second half of signing in, for accounts that ask for a code."""

    async def get(self, request: Request) -> Response:
        """The empty form; without a ticket back to the first half."""
        ctx = request_context(request)
        try:
            await two_factor.verify_pending_sign_in(ctx, request.cookies.get(pending_sign_in_cookie_name(ctx.site.settings), ""))
        except NotAuthenticated:
            return redirect_after_post(request, "web:login")
        return render_page(
            request, "accounts/login_code.html", form=Form({"next": safe_local_path(request.query_params.get("next", ""))})
        )

    async def post(self, request: Request) -> Response:
        """A new session for a right code."""
        ctx = request_context(request)
        form = await read_form(request)
        code = form.parse(OneTimeCode, next=None)
        if code is None:
            return render_invalid(request, "accounts/login_code.html", form)
        try:
            user = await two_factor.verify_pending_sign_in(
                ctx, request.cookies.get(pending_sign_in_cookie_name(ctx.site.settings), "")
            )
            await app_state(request).rate_limits.check_sign_in(request, user.username)
            await two_factor.require_code(ctx, accounts.as_actor(user), code.code)
        except BlogError as error:
            return render_error(request, "accounts/login_code.html", form, error)
        return await start_session(
            request, ctx, accounts.as_actor(user), safe_local_path(form.value("next")), "password and code"
        )


class SignOut(Endpoint):
    """/logout — the end of a session."""

    async def post(self, request: Request) -> Response:
        """The session is over in the database too, not only in this browser."""
        ctx = request_context(request)
        await sessions.revoke(ctx)
        response = redirect_after_post(request, "web:home")
        clear_session_cookie(response, ctx.site.settings)
        return response


class SetupPage(Endpoint):
    """/setup/{secret} — the owner's account, by the link that the server printed when it started."""

    async def get(self, request: Request) -> Response:
        """The empty form. Raises NotFound (link), Conflict (there is an owner)."""
        ctx = request_context(request)
        accounts.require_setup_link(ctx, request.path_params["secret"])
        if await accounts.first_owner(ctx):
            raise Conflict("This blog has an owner already. Sign in instead.")
        return render_page(request, "accounts/setup.html", form=Form())

    async def post(self, request: Request) -> Response:
        """Make it; the owner is signed in."""
        ctx = request_context(request)
        accounts.require_setup_link(ctx, request.path_params["secret"])
        form = await read_form(request)
        new = form.parse(Registration)
        if new is None:
            return render_invalid(request, "accounts/setup.html", form)
        try:
            user = await accounts.create_owner(ctx, request.path_params["secret"], new)
        except BlogError as error:
            return render_error(request, "accounts/setup.html", form, error)
        return await start_session(request, ctx, accounts.as_actor(user))


class SetPasswordPage(Endpoint):
    """/set-password/{secret} — a password for an account, by a link that works once."""

    async def get(self, request: Request) -> Response:
        """The empty form. Raises NotFound."""
        user = await accounts.password_link_user(request_context(request), request.path_params["secret"])
        return render_page(request, "accounts/set_password.html", form=Form(), user=user)

    async def post(self, request: Request) -> Response:
        """Set it; the account's owner is signed in, if need be after a code."""
        ctx = request_context(request)
        user = await accounts.password_link_user(ctx, request.path_params["secret"])
        form = await read_form(request)
        new = form.parse(NewPassword)
        if new is None:
            return render_invalid(request, "accounts/set_password.html", form, user=user)
        try:
            user = await accounts.use_password_link(ctx, request.path_params["secret"], new.password)
        except InvalidInput as error:
            return render_error(request, "accounts/set_password.html", form, error, user=user)
        return await continue_sign_in(request, ctx, accounts.as_actor(user))


class InvitationPage(Endpoint):
    """/invitation/{secret} — an account by invitation, also while registration is closed."""

    async def get(self, request: Request) -> Response:
        """The empty form; who has an account already is told that it stays as it is. Raises NotFound."""
        invitation = await invitations.open_link(request_context(request), request.path_params["secret"])
        return render_page(request, "accounts/invitation.html", form=Form(), invitation=invitation)

    async def post(self, request: Request) -> Response:
        """Make it; its owner is signed in."""
        ctx = request_context(request)
        invitation = await invitations.open_link(ctx, request.path_params["secret"])
        form = await read_form(request)
        new = form.parse(Registration)
        if new is None:
            return render_invalid(request, "accounts/invitation.html", form, invitation=invitation)
        try:
            user = await invitations.accept(ctx, request.path_params["secret"], new)
        except BlogError as error:
            return render_error(request, "accounts/invitation.html", form, error, invitation=invitation)
        return await start_session(request, ctx, accounts.as_actor(user))


def _sign_in_options(ctx: Context) -> dict[str, Any]:
    return {"passkeys_are_offered": passkeys.is_available(ctx.site.settings)}
