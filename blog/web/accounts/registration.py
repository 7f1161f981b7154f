"""Pages that create an account or set its first password: registration, setup link, password link and invitation."""

from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import accounts, invitations, password_reset, registration, setup
from blog.errors import Conflict, Forbidden
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.schemas.accounts import NewPassword, Registration, Role, Setup
from blog.schemas.feature_flags import Flag
from blog.text.accent_colours import DEFAULT_ACCENT
from blog.web.accounts.sign_in import continue_sign_in, start_session
from blog.web.rendering import site_form
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.redirects import next_path, safe_local_path

R = TypeVar("R", bound=Registration)


class NewAccountPage(FormPage[R]):
    """Base of the pages that create an account."""

    requires_user = False
    role: Role = Role.READER
    """The role of the new account."""

    async def check_valid_fields(self) -> None:
        await app_state(self.request).rate_limits.check(self.request, "register")  # taken names are not revealed without limit
        valid = {name: value for name, value in self.form.values.items() if name not in self.form.errors}
        self.form.add_field_errors(await registration.find_errors(self.ctx, valid, self.role))


class RegistrationPage(NewAccountPage[Registration]):
    """/register: create an account and sign in, then return to the page in `?next=`."""

    template, model = "accounts/register.html", Registration

    async def check_valid_fields(self) -> None:
        accounts.require_registration(self.ctx)
        await super().check_valid_fields()

    async def get(self, request: Request) -> Response:
        """Show the form. Raises Forbidden if registration is closed."""
        if not request_context(request).site.runtime_settings.is_enabled(Flag.REGISTRATION):
            raise Forbidden("Registration is closed. Ask the owner of the blog for an account.")
        return await super().get(request)

    def initial_form(self) -> Form:
        return Form({"next": next_path(self.request)})

    def parse(self) -> Registration | None:
        return self.form.parse(Registration, next=None)

    async def submit(self, data: Registration) -> Response:
        """Create the account and start a session."""
        await app_state(self.request).rate_limits.check(self.request, "register")
        user = await accounts.register(self.ctx, data)
        return await start_session(self.request, self.ctx, accounts.as_actor(user), safe_local_path(self.form.value("next")))


class SetupPage(NewAccountPage[Setup]):
    """/setup/{secret}: create the owner's account and name the site, with the link that the server prints when it starts."""

    template, model, role = "accounts/setup.html", Setup, Role.OWNER

    async def load(self) -> None:
        """Check the link. Raises NotFound if it is not valid, Conflict if the blog has an owner."""
        accounts.require_setup_link(self.ctx, self.request.path_params["secret"])
        if await accounts.first_owner(self.ctx):
            raise Conflict("This blog already has an owner. Sign in instead.")

    def initial_form(self) -> Form:
        preferences = self.ctx.site.runtime_settings.preferences
        return Form(site_form.identity_values(preferences) | {"accent": preferences.accent or DEFAULT_ACCENT})

    def parse(self) -> Setup | None:
        return site_form.parse_identity(self.form, Setup, accent=site_form.parse_accent(self.form))

    async def context(self) -> Mapping[str, Any]:
        return site_form.identity_choices()

    async def submit(self, data: Setup) -> Response:
        """Create the owner's account, store the preferences and start a session on the dashboard."""
        user = await setup.complete(self.ctx, self.request.path_params["secret"], data)
        next_page = app_state(self.request).urls.path("web:dashboard")
        return await start_session(self.request, self.ctx, accounts.as_actor(user), next_page)


class SetPasswordPage(FormPage[NewPassword]):
    """/set-password/{secret}: set a password with a link that works once."""

    template, model, requires_user = "accounts/set_password.html", NewPassword, False

    async def load(self) -> None:
        """Load the account of the link. Raises NotFound."""
        self.user = await password_reset.link_user(self.ctx, self.request.path_params["secret"])

    async def context(self) -> Mapping[str, Any]:
        return {"user": self.user}

    async def submit(self, data: NewPassword) -> Response:
        """Set the password and sign in, with a code if two-factor authentication is on."""
        user = await password_reset.use_link(self.ctx, self.request.path_params["secret"], data.password)
        return await continue_sign_in(self.request, self.ctx, accounts.as_actor(user))


class InvitationPage(NewAccountPage[Registration]):
    """/invitation/{secret}: create an account by invitation, also while registration is closed."""

    template, model = "accounts/invitation.html", Registration

    async def load(self) -> None:
        """Load the invitation. Raises NotFound with the reason why the link does not work."""
        self.invitation = await invitations.open_link(self.ctx, self.request.path_params["secret"])
        self.role = self.invitation.role

    def initial_form(self) -> Form:
        return Form({"email": self.invitation.email or ""})

    def parse(self) -> Registration | None:
        if self.invitation.email is not None:
            self.form.values["email"] = self.invitation.email
        return self.form.parse(Registration)

    async def context(self) -> Mapping[str, Any]:
        return {"invitation": self.invitation, "role_description": invitations.ROLE_DESCRIPTIONS[self.role]}

    async def submit(self, data: Registration) -> Response:
        """Create the account and start a session."""
        user = await invitations.accept(self.ctx, self.request.path_params["secret"], data)
        return await start_session(self.request, self.ctx, accounts.as_actor(user))
