"""Account settings: profile, e-mail address, password and avatar."""

from collections.abc import Mapping
from typing import Any, BinaryIO

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import accounts, avatars, email_changes, passwords
from blog.errors import BlogError, FieldError, InvalidInput
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import set_session_cookie
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.framework.request.uploads import read_upload
from blog.schemas.accounts import AccountChanges, EmailChange, EmptyForm, PasswordChange
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post

_SAVED_MESSAGES = {
    "profile": "Profile saved.",
    "avatar": "Picture changed.",
    "email": "E-mail address changed.",
    "password": "Password changed. You have been signed out everywhere else.",
}


class AccountPage(FormPage[AccountChanges]):
    """/account: the profile."""

    template, model, keeps_text = "accounts/account.html", AccountChanges, True

    async def load(self) -> None:
        """Load the account."""
        self.user = await accounts.current(self.ctx)

    def initial_form(self) -> Form:
        age = "" if self.user.age is None else str(self.user.age)
        return Form({"name": self.user.name, "age": age, "bio": self.user.bio})

    async def context(self) -> Mapping[str, Any]:
        saved = _SAVED_MESSAGES.get(self.request.query_params.get("saved", "")) if self.request.method != "POST" else None
        return {"user": self.user, "saved": saved}

    def parse(self) -> AccountChanges | None:
        """Treat an empty age as null: a missing one would leave the stored age unchanged."""
        age = self.form.value("age").strip()
        changes = self.form.parse(AccountChanges, age=age or None)
        return changes if age or changes is None else changes.model_copy(update={"age": None})

    async def submit(self, data: AccountChanges) -> Response:
        """Save the profile."""
        await accounts.change(self.ctx, data)
        return _redirect_saved(self.request, "profile")


class EmailPage(FormPage[EmailChange]):
    """/account/email: change the e-mail address; a new one must be confirmed if the blog can send e-mail."""

    template, model = "accounts/email.html", EmailChange

    async def load(self) -> None:
        """Load the account."""
        self.user = await accounts.current(self.ctx)

    def initial_form(self) -> Form:
        return Form({"email": self.user.email or ""})

    async def context(self) -> Mapping[str, Any]:
        return {"user": self.user}

    async def submit(self, data: EmailChange) -> Response:
        """Verify the password, then save the address or send the confirmation e-mail."""
        await app_state(self.request).rate_limits.check_sign_in(self.request, self.ctx.require_actor().username)
        user = await accounts.change(self.ctx, AccountChanges(email=data.email, current=data.current_password))
        if user.pending_email:
            return redirect_after_post(self.request, "web:account_email")
        return _redirect_saved(self.request, "email")


class EmailCancellation(Endpoint):
    """/account/email/cancel: cancel a change that is not confirmed yet."""

    async def post(self, request: Request) -> Response:
        """Discard the pending address."""
        await email_changes.cancel(require_user(request))
        return redirect_after_post(request, "web:account_email")


class EmailConfirmationPage(Endpoint):
    """/account/email/{secret}: the link in the confirmation e-mail."""

    async def get(self, request: Request) -> Response:
        """Ask for confirmation; GET changes nothing because mail scanners open links. Raises NotFound."""
        email = await email_changes.email_of(request_context(request), request.path_params["secret"])
        return render_page(request, "accounts/confirm_email.html", email=email)

    async def post(self, request: Request) -> Response:
        """Make the pending address the account's address. Raises NotFound, Conflict."""
        await email_changes.confirm(require_user(request), request.path_params["secret"])
        return _redirect_saved(request, "email")


class PasswordPage(FormPage[PasswordChange]):
    """/account/password: change the password."""

    template, model = "accounts/password.html", PasswordChange

    async def submit(self, data: PasswordChange) -> Response:
        """Set the password, revoke all other sessions, and give this one a new id."""
        await app_state(self.request).rate_limits.check_sign_in(self.request, self.ctx.require_actor().username)
        session_id = await passwords.change_password(self.ctx, data)
        response = _redirect_saved(self.request, "password")
        if session_id is not None:
            set_session_cookie(response, self.ctx.site.settings, session_id)
        return response


class AvatarPage(FormPage[EmptyForm]):
    """/account/avatar: upload a profile picture."""

    template, model = "accounts/avatar.html", EmptyForm

    async def load(self) -> None:
        """Check the permission before the body is read."""
        avatars.require_avatar_upload(self.ctx)

    async def context(self) -> Mapping[str, Any]:
        return {"user": await accounts.current(self.ctx)}

    async def post(self, request: Request) -> Response:
        """Read the uploaded file and submit it."""
        if response := await self.start(request):
            return response
        self.form = Form()
        try:
            async with read_upload(request, EmptyForm, limit=self.ctx.site.settings.max_upload_bytes) as (data, file):
                self.file = file.content
                return await self.submit(data)
        except BlogError as error:
            return await self.render_error(error)

    async def submit(self, data: EmptyForm) -> Response:
        """Store the centre square of the uploaded image."""
        await avatars.change(self.ctx, _require_file(self.file))
        return _redirect_saved(self.request, "avatar")


class AvatarRemoval(Endpoint):
    """/account/avatar/remove: delete the profile picture."""

    async def post(self, request: Request) -> Response:
        """Delete the picture; pages show the user's initials instead."""
        await avatars.remove(require_user(request))
        return _redirect_saved(request, "avatar")


def _redirect_saved(request: Request, key: str) -> Response:
    return redirect_after_post(request, "web:account", query={"saved": key})


def _require_file(file: BinaryIO) -> BinaryIO:
    """Return the file if it is not empty: browsers send an empty file if none is selected. Raises InvalidInput."""
    if not file.read(1):
        raise InvalidInput([FieldError(("file",), "Choose an image first", "missing")])
    file.seek(0)
    return file
