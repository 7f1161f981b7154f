"""Pages on which people change what is known of them: profile, e-mail address, password, avatar."""

from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import accounts, avatars, email_changes
from blog.domain.accounts.models import User
from blog.errors import BlogError, FieldError, InvalidInput
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import set_session_cookie
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.framework.request.uploads import read_upload
from blog.schemas.accounts import AccountChanges, AvatarForm, EmailChange, PasswordChange
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import redirect_after_post

_EMAIL_TEMPLATE = "accounts/email.html"
_SAVED_MESSAGES = {
    "profile": "Saved.",
    "avatar": "Your picture is changed.",
    "email": "Your e-mail address is changed.",
    "password": "Your password is changed, and you are signed out everywhere else.",
}


class AccountPage(Endpoint):
    """/account — the profile."""

    async def get(self, request: Request) -> Response:
        """The form with what is known."""
        user = await accounts.current(request_context(request))
        return render_page(request, "accounts/account.html", form=_form_from_user(user), user=user, saved=_saved_message(request))

    async def post(self, request: Request) -> Response:
        """Save it."""
        ctx = require_user(request)
        form = await read_form(request)
        user = await accounts.current(ctx)
        age = form.value("age").strip()
        changes = form.parse(AccountChanges, age=age or None)
        if changes is None:
            return render_invalid(request, "accounts/account.html", form, user=user, saved=None)
        try:
            # An emptied field takes the age away; without the member it would stay.
            await accounts.change(ctx, changes if age else changes.model_copy(update={"age": None}))
        except BlogError as error:
            return render_error(request, "accounts/account.html", form, error, user=user, saved=None)
        return redirect_saved(request, "profile")


class EmailPage(Endpoint):
    """/account/email — another e-mail address; it counts when the letter to it was answered."""

    async def get(self, request: Request) -> Response:
        """The form with the present one."""
        user = await accounts.current(request_context(request))
        return render_page(request, _EMAIL_TEMPLATE, form=Form({"email": user.email or ""}), user=user)

    async def post(self, request: Request) -> Response:
        """Save it, for somebody who knows the password."""
        ctx = require_user(request)
        form = await read_form(request)
        change, user = form.parse(EmailChange), await accounts.current(ctx)
        if change is None:
            return render_invalid(request, _EMAIL_TEMPLATE, form, user=user)
        try:
            await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
            user = await accounts.change(ctx, AccountChanges(email=change.email, current=change.current_password))
        except BlogError as error:
            return render_error(request, _EMAIL_TEMPLATE, form, error, user=user)
        return redirect_after_post(request, "web:account_email") if user.pending_email else redirect_saved(request, "email")


class EmailCancellation(Endpoint):
    """/account/email/cancel — leave the address as it is."""

    async def post(self, request: Request) -> Response:
        """Forget the one that waits."""
        await email_changes.cancel(require_user(request))
        return redirect_after_post(request, "web:account_email")


class EmailConfirmationPage(Endpoint):
    """/account/email/{secret} — where the letter to a new address leads."""

    async def get(self, request: Request) -> Response:
        """The question: programs that look through mail open links, and must change nothing. Raises NotFound."""
        email = await email_changes.email_of(request_context(request), request.path_params["secret"])
        return render_page(request, "accounts/confirm_email.html", email=email)

    async def post(self, request: Request) -> Response:
        """Use the address from now on. Raises NotFound, Conflict."""
        await email_changes.confirm(require_user(request), request.path_params["secret"])
        return redirect_saved(request, "email")


class PasswordPage(Endpoint):
    """/account/password — another password."""

    async def get(self, request: Request) -> Response:
        """The empty form."""
        require_user(request)
        return render_page(request, "accounts/password.html", form=Form())

    async def post(self, request: Request) -> Response:
        """Set it; all other sessions end, and this one goes on with a new id."""
        ctx = require_user(request)
        form = await read_form(request)
        change = form.parse(PasswordChange)
        if change is None:
            return render_invalid(request, "accounts/password.html", form)
        try:
            await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
            session_id = await accounts.change_password(ctx, change)
        except BlogError as error:
            return render_error(request, "accounts/password.html", form, error)
        response = redirect_saved(request, "password")
        if session_id is not None:
            set_session_cookie(response, ctx.site.settings, session_id)
        return response


class AvatarPage(Endpoint):
    """/account/avatar — the picture beside one's name."""

    async def get(self, request: Request) -> Response:
        """The form, and the present picture."""
        user = await accounts.current(request_context(request))
        return render_page(request, "accounts/avatar.html", form=Form(), user=user)

    async def post(self, request: Request) -> Response:
        """Take the middle of the image that was sent."""
        ctx = require_user(request)
        avatars.require_avatar_upload(ctx)  # before the body is read
        try:
            async with read_upload(request, AvatarForm, limit=ctx.site.settings.max_upload_bytes) as (_, file):
                await avatars.change(ctx, _require_file(file))
        except BlogError as error:
            return render_error(request, "accounts/avatar.html", Form(), error, user=await accounts.current(ctx))
        return redirect_saved(request, "avatar")


class AvatarRemoval(Endpoint):
    """/account/avatar/remove — back to initials."""

    async def post(self, request: Request) -> Response:
        """Forget the picture."""
        await avatars.remove(require_user(request))
        return redirect_saved(request, "avatar")


def redirect_saved(request: Request, what: str) -> Response:
    """Back to the account, which says what was done."""
    return RedirectResponse(f"{app_state(request).urls.path('web:account')}?saved={what}", 303)


def _saved_message(request: Request) -> str | None:
    return _SAVED_MESSAGES.get(request.query_params.get("saved", ""))


def _require_file(file: BinaryIO) -> BinaryIO:
    """The file; a form that was sent without one holds an empty one. Raises InvalidInput."""
    if not file.read(1):
        raise InvalidInput([FieldError(("file",), "Choose an image first", "missing")])
    file.seek(0)
    return file


def _form_from_user(user: User) -> Form:
    return Form({"name": user.name, "age": "" if user.age is None else str(user.age), "bio": user.bio})
