"""Asking for the password again before a sensitive change, so that an unlocked browser is not enough."""

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import passwords
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.schemas.accounts import PasswordConfirmation
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.redirects import redirect_after_post, safe_local_path


class ReauthenticationPage(FormPage[PasswordConfirmation]):
    """/account/confirm: confirm the password, then return to the page in `?next=`."""

    template, model = "accounts/confirm.html", PasswordConfirmation

    def initial_form(self) -> Form:
        return Form({"next": safe_local_path(self.request.query_params.get("next", ""))})

    def parse(self) -> PasswordConfirmation | None:
        return self.form.parse(PasswordConfirmation, next=None)

    async def submit(self, data: PasswordConfirmation) -> Response:
        """Record the time of the confirmation in the session."""
        await confirm_password(self.request, self.ctx, data.current_password)
        path = safe_local_path(self.form.value("next"))
        return RedirectResponse(path, 303) if path else redirect_after_post(self.request, "web:account_security")


def needs_reauthentication(ctx: Context) -> bool:
    """Return whether forms must ask for the password; False for anonymous requests, which must sign in anyway."""
    return ctx.actor is not None and not policy.is_recently_authenticated(ctx, ctx.actor)


async def confirm_password(request: Request, ctx: Context, password: SecretStr) -> Context:
    """Verify the user's password and return the context of a recently authenticated user.

    Raises InvalidInput (field `current`), TooManyRequests.
    """
    await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
    return await passwords.reauthenticate(ctx, password)


async def reauthenticate_with_form(request: Request, ctx: Context, form: Form) -> Context:
    """Confirm the password in the form's field `current`; return `ctx` unchanged if the field is empty or missing.

    Raises InvalidInput (field `current`), TooManyRequests.
    """
    password = form.values.get("current")
    return await confirm_password(request, ctx, SecretStr(password)) if password else ctx
