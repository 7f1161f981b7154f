"""The password once more, before what a stranger at an open browser must not do."""

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import accounts
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import signed_in
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import services
from blog.schemas.accounts import PasswordGiven
from blog.web.rendering.page import invalid, page, refused
from blog.web.rendering.redirects import local


class ConfirmationPage(Endpoint):
    """/account/confirm — the password, then back to where it was asked for."""

    async def get(self, request: Request) -> Response:
        """The empty form."""
        signed_in(request)
        return page(request, "accounts/confirm.html", form=Form({"next": local(request.query_params.get("next", ""))}))

    async def post(self, request: Request) -> Response:
        """For some minutes nothing asks again."""
        ctx = signed_in(request)
        form = await read_form(request)
        given = form.parse(PasswordGiven, next=None)
        if given is None:
            return invalid(request, "accounts/confirm.html", form)
        try:
            await services(request).rate_limits.sign_in(request, ctx.signed_in().username)
            await accounts.confirm(ctx, given.current)
        except BlogError as error:
            return refused(request, "accounts/confirm.html", form, error)
        return RedirectResponse(local(form.value("next")) or services(request).links.path("web:account_security"), 303)


def must_confirm(ctx: Context) -> bool:
    """Should the page ask for the password? Strangers are asked for more elsewhere."""
    return ctx.actor is not None and not policy.is_confirmed(ctx, ctx.actor)


async def confirmed_by(request: Request, ctx: Context, form: Form) -> Context:
    """The same request, confirmed if the form brings the password along. Raises InvalidInput (current), TooManyRequests."""
    current = form.values.get("current")
    if not current:
        return ctx
    await services(request).rate_limits.sign_in(request, ctx.signed_in().username)
    return await accounts.confirm(ctx, SecretStr(current))
