"""The password once more, before what a stranger at an open browser must not do."""

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import accounts
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.schemas.accounts import PasswordConfirmation
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import safe_local_path


class ReauthenticationPage(Endpoint):
    """/account/confirm — the password, then back to where it was asked for."""

    async def get(self, request: Request) -> Response:
        """The empty form."""
        require_user(request)
        return render_page(
            request, "accounts/confirm.html", form=Form({"next": safe_local_path(request.query_params.get("next", ""))})
        )

    async def post(self, request: Request) -> Response:
        """For some minutes nothing asks again."""
        ctx = require_user(request)
        form = await read_form(request)
        given = form.parse(PasswordConfirmation, next=None)
        if given is None:
            return render_invalid(request, "accounts/confirm.html", form)
        try:
            await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
            await accounts.reauthenticate(ctx, given.current_password)
        except BlogError as error:
            return render_error(request, "accounts/confirm.html", form, error)
        return RedirectResponse(safe_local_path(form.value("next")) or app_state(request).urls.path("web:account_security"), 303)


def needs_reauthentication(ctx: Context) -> bool:
    """Should the page ask for the password? Strangers are asked for more elsewhere."""
    return ctx.actor is not None and not policy.is_recently_authenticated(ctx, ctx.actor)


async def reauthenticate_with_form(request: Request, ctx: Context, form: Form) -> Context:
    """The same request, confirmed if the form brings the password along. Raises InvalidInput (current), TooManyRequests."""
    current = form.values.get("current")
    if not current:
        return ctx
    await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
    return await accounts.reauthenticate(ctx, SecretStr(current))
