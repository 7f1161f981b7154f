"""Pages about people's own accounts: making one, signing in and out, profile and password."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain import accounts, sessions
from blog.domain.context import Actor, Context
from blog.domain.models import User
from blog.errors import BlogError, Conflict, Forbidden
from blog.http.context import context, signed_in
from blog.http.endpoint import Endpoint
from blog.http.forms import Form, read_form
from blog.http.identity import clear_cookie, set_cookie
from blog.http.services import services
from blog.schemas.accounts import AccountChanges, Credentials, NewPassword, PasswordChange, Registration
from blog.schemas.flags import Flag
from blog.web.redirects import local, see_other
from blog.web.rendering import invalid, page, refused


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
            user = await accounts.register(ctx, new)
        except BlogError as error:
            return refused(request, "accounts/register.html", form, error)
        return await _begin(request, ctx, accounts.actor_of(user))


class SignInPage(Endpoint):
    """/login — sign in, then go on to where one wanted to be."""

    async def get(self, request: Request) -> Response:
        """The empty form; who is signed in already just goes on."""
        ctx = context(request)
        wanted = local(request.query_params.get("next", ""))
        if ctx.actor is not None:
            return RedirectResponse(wanted or services(request).links.path("web:home"), 303)
        return page(request, "accounts/login.html", form=Form({"next": wanted}))

    async def post(self, request: Request) -> Response:
        """A new session, whatever the browser had before."""
        ctx = context(request)
        form = await read_form(request)
        credentials = form.parse(Credentials, next=None)
        if credentials is None:
            return invalid(request, "accounts/login.html", form)
        try:
            await services(request).rate_limits.sign_in(request, credentials.username)
            actor = await sessions.authenticate(ctx, credentials)
        except BlogError as error:
            return refused(request, "accounts/login.html", form, error)
        return await _begin(request, ctx, actor, local(form.value("next")))


class SignOut(Endpoint):
    """/logout — the end of a session."""

    async def post(self, request: Request) -> Response:
        """The session is over in the database too, not only in this browser."""
        ctx = context(request)
        await sessions.end(ctx)
        response = see_other(request, "web:home")
        clear_cookie(response, ctx.site.settings)
        return response


class AccountPage(Endpoint):
    """/account — the profile."""

    async def get(self, request: Request) -> Response:
        """The form with what is known."""
        user = await accounts.me(context(request))
        return page(request, "accounts/account.html", form=_form_of(user), user=user, saved=_saved(request))

    async def post(self, request: Request) -> Response:
        """Save it."""
        ctx = signed_in(request)
        form = await read_form(request)
        user = await accounts.me(ctx)
        age = form.value("age").strip()
        changes = form.parse(AccountChanges, age=age or None)
        if changes is None:
            return invalid(request, "accounts/account.html", form, user=user, saved=None)
        try:
            # An emptied field takes the age away; without the member it would stay.
            await accounts.change(ctx, changes if age else changes.model_copy(update={"age": None}))
        except BlogError as error:
            return refused(request, "accounts/account.html", form, error, user=user, saved=None)
        return RedirectResponse(_account_path(request, "profile"), 303)


class PasswordPage(Endpoint):
    """/account/password — another password."""

    async def get(self, request: Request) -> Response:
        """The empty form."""
        signed_in(request)
        return page(request, "accounts/password.html", form=Form())

    async def post(self, request: Request) -> Response:
        """Set it; all other sessions end."""
        ctx = signed_in(request)
        form = await read_form(request)
        change = form.parse(PasswordChange)
        if change is None:
            return invalid(request, "accounts/password.html", form)
        try:
            await accounts.change_password(ctx, change)
        except BlogError as error:
            return refused(request, "accounts/password.html", form, error)
        return RedirectResponse(_account_path(request, "password"), 303)


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
        return await _begin(request, ctx, accounts.actor_of(user))


class SetPasswordPage(Endpoint):
    """/set-password/{secret} — a password for an account, by a link that works once."""

    async def get(self, request: Request) -> Response:
        """The empty form. Raises NotFound."""
        user = await accounts.password_link_user(context(request), request.path_params["secret"])
        return page(request, "accounts/set_password.html", form=Form(), user=user)

    async def post(self, request: Request) -> Response:
        """Set it; the account's owner is signed in."""
        ctx = context(request)
        user = await accounts.password_link_user(ctx, request.path_params["secret"])
        form = await read_form(request)
        new = form.parse(NewPassword)
        if new is None:
            return invalid(request, "accounts/set_password.html", form, user=user)
        user = await accounts.use_password_link(ctx, request.path_params["secret"], new.password)
        return await _begin(request, ctx, accounts.actor_of(user))


async def _begin(request: Request, ctx: Context, actor: Actor, path: str = "") -> Response:
    """Signed in: a new session id each time, so that one that somebody planted in the browser is worth nothing."""
    await sessions.end(ctx)
    session_id = await sessions.start(ctx, actor, request.headers.get("user-agent", ""))
    response = RedirectResponse(path or services(request).links.path("web:home"), 303)
    set_cookie(response, ctx.site.settings, session_id)
    return response


def _account_path(request: Request, saved: str) -> str:
    return f"{services(request).links.path('web:account')}?saved={saved}"


def _saved(request: Request) -> str | None:
    saved = request.query_params.get("saved")
    return saved if saved in ("profile", "password") else None


def _form_of(user: User) -> Form:
    age = "" if user.age is None else str(user.age)
    return Form({"name": user.name, "email": user.email or "", "age": age})
