"""Pages at the door: making an account, signing in and out, and the links that lead to an account."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import accounts, invitations, passkeys, sessions, two_factor
from blog.domain.core.context import Context
from blog.errors import BlogError, Conflict, Forbidden, InvalidInput, NotSignedIn
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import clear_cookie
from blog.framework.request.context import context
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import services
from blog.schemas.accounts import Code, Credentials, NewPassword, Registration
from blog.schemas.feature_flags import Flag
from blog.web.accounts.sign_in import begin, go_on, ticket_cookie
from blog.web.rendering.page import invalid, page, refused
from blog.web.rendering.redirects import local, see_other


class RegistrationPage(Endpoint):
    """/register — a new account."""

    async def get(self, request: Request) -> Response:
        """The empty form. Raises Forbidden when registration is closed."""
        ctx = context(request)
        if not ctx.site.choices.on(Flag.REGISTRATION):
            raise Forbidden("Registration is closed. Ask the owner of the blog for an account.")
        return page(request, "accounts/register.html", form=Form())

    async def post(self, request: Request) -> Response:
        """Make it; its owner is signed in."""
        ctx = context(request)
        form = await read_form(request)
        new = form.parse(Registration)
        if new is None:
            return invalid(request, "accounts/register.html", form)
        try:
            await services(request).rate_limits.attempt(request, "register")
            user = await accounts.register(ctx, new)
        except BlogError as error:
            return refused(request, "accounts/register.html", form, error)
        return await begin(request, ctx, accounts.actor_of(user))


class SignInPage(Endpoint):
    """/login — sign in, then go on to where one wanted to be."""

    async def get(self, request: Request) -> Response:
        """The empty form; who is signed in already just goes on."""
        ctx = context(request)
        wanted = local(request.query_params.get("next", ""))
        if ctx.actor is not None:
            return RedirectResponse(wanted or services(request).links.path("web:home"), 303)
        return page(request, "accounts/login.html", form=Form({"next": wanted}), **_ways(ctx))

    async def post(self, request: Request) -> Response:
        """A new session, whatever the browser had before; or on to the question for a code."""
        ctx = context(request)
        form = await read_form(request)
        credentials = form.parse(Credentials, next=None)
        if credentials is None:
            return invalid(request, "accounts/login.html", form, **_ways(ctx))
        try:
            await services(request).rate_limits.sign_in(request, credentials.username)
            actor = await sessions.prove(ctx, credentials)
        except BlogError as error:
            return refused(request, "accounts/login.html", form, error, **_ways(ctx))
        return await go_on(request, ctx, actor, local(form.value("next")))


class SignInCodePage(Endpoint):
    """/login/code — the second half of signing in, for accounts that ask for a code."""

    async def get(self, request: Request) -> Response:
        """The empty form; without a ticket back to the first half."""
        ctx = context(request)
        try:
            await two_factor.ticket_user(ctx, request.cookies.get(ticket_cookie(ctx.site.settings), ""))
        except NotSignedIn:
            return see_other(request, "web:login")
        return page(request, "accounts/login_code.html", form=Form({"next": local(request.query_params.get("next", ""))}))

    async def post(self, request: Request) -> Response:
        """A new session for a right code."""
        ctx = context(request)
        form = await read_form(request)
        code = form.parse(Code, next=None)
        if code is None:
            return invalid(request, "accounts/login_code.html", form)
        try:
            user = await two_factor.ticket_user(ctx, request.cookies.get(ticket_cookie(ctx.site.settings), ""))
            await services(request).rate_limits.sign_in(request, user.username)
            await two_factor.require(ctx, accounts.actor_of(user), code.code)
        except BlogError as error:
            return refused(request, "accounts/login_code.html", form, error)
        return await begin(request, ctx, accounts.actor_of(user), local(form.value("next")), "password and code")


class SignOut(Endpoint):
    """/logout — the end of a session."""

    async def post(self, request: Request) -> Response:
        """The session is over in the database too, not only in this browser."""
        ctx = context(request)
        await sessions.end(ctx)
        response = see_other(request, "web:home")
        clear_cookie(response, ctx.site.settings)
        return response


class SetupPage(Endpoint):
    """/setup/{secret} — the owner's account, by the link that the server printed when it started."""

    async def get(self, request: Request) -> Response:
        """The empty form. Raises NotFound (link), Conflict (there is an owner)."""
        ctx = context(request)
        accounts.require_owner_link(ctx, request.path_params["secret"])
        if await accounts.first_owner(ctx):
            raise Conflict("This blog has an owner already. Sign in instead.")
        return page(request, "accounts/setup.html", form=Form())

    async def post(self, request: Request) -> Response:
        """Make it; the owner is signed in."""
        ctx = context(request)
        accounts.require_owner_link(ctx, request.path_params["secret"])
        form = await read_form(request)
        new = form.parse(Registration)
        if new is None:
            return invalid(request, "accounts/setup.html", form)
        try:
            user = await accounts.create_owner(ctx, request.path_params["secret"], new)
        except BlogError as error:
            return refused(request, "accounts/setup.html", form, error)
        return await begin(request, ctx, accounts.actor_of(user))


class SetPasswordPage(Endpoint):
    """/set-password/{secret} — a password for an account, by a link that works once."""

    async def get(self, request: Request) -> Response:
        """The empty form. Raises NotFound."""
        user = await accounts.password_link_user(context(request), request.path_params["secret"])
        return page(request, "accounts/set_password.html", form=Form(), user=user)

    async def post(self, request: Request) -> Response:
        """Set it; the account's owner is signed in, if need be after a code."""
        ctx = context(request)
        user = await accounts.password_link_user(ctx, request.path_params["secret"])
        form = await read_form(request)
        new = form.parse(NewPassword)
        if new is None:
            return invalid(request, "accounts/set_password.html", form, user=user)
        try:
            user = await accounts.use_password_link(ctx, request.path_params["secret"], new.password)
        except InvalidInput as error:
            return refused(request, "accounts/set_password.html", form, error, user=user)
        return await go_on(request, ctx, accounts.actor_of(user))


class InvitationPage(Endpoint):
    """/invitation/{secret} — an account by invitation, also while registration is closed."""

    async def get(self, request: Request) -> Response:
        """The empty form; who has an account already is told that it stays as it is. Raises NotFound."""
        invitation = await invitations.read(context(request), request.path_params["secret"])
        return page(request, "accounts/invitation.html", form=Form(), invitation=invitation)

    async def post(self, request: Request) -> Response:
        """Make it; its owner is signed in."""
        ctx = context(request)
        invitation = await invitations.read(ctx, request.path_params["secret"])
        form = await read_form(request)
        new = form.parse(Registration)
        if new is None:
            return invalid(request, "accounts/invitation.html", form, invitation=invitation)
        try:
            user = await invitations.accept(ctx, request.path_params["secret"], new)
        except BlogError as error:
            return refused(request, "accounts/invitation.html", form, error, invitation=invitation)
        return await begin(request, ctx, accounts.actor_of(user))


def _ways(ctx: Context) -> dict[str, Any]:
    return {"passkeys_are_offered": passkeys.are_offered(ctx.site.settings)}
