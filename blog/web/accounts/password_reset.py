"""Pages for those who forgot their password."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.core import email_queue
from blog.errors import BlogError, Forbidden
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import services
from blog.schemas.accounts import LinkRequest
from blog.web.rendering.page import invalid, page, refused

_TEMPLATE = "accounts/reset_password.html"


class ResetPasswordPage(Endpoint):
    """/reset-password — a letter with a link to a new password."""

    async def get(self, request: Request) -> Response:
        """The empty form; `?sent` says what happens next; a blog that sends no letters says whom to ask."""
        settings = context(request).site.settings
        sent = "sent" in request.query_params
        return page(request, _TEMPLATE, form=Form(), sent=sent, writes_letters=settings.writes_letters)

    async def post(self, request: Request) -> Response:
        """Have it sent. The answer is the same, and takes as long, whether somebody has this name or not."""
        ctx = context(request)
        if not ctx.site.settings.writes_letters:
            raise Forbidden("This blog sends no letters. Ask its owner for a link to a new password.")
        form = await read_form(request)
        wanted = form.parse(LinkRequest)
        if wanted is None:
            return invalid(request, _TEMPLATE, form, sent=False, writes_letters=True)
        try:
            await services(request).rate_limits.attempt(request, "reset-password")
            await email_queue.ask_for_link(ctx, wanted.name)
        except BlogError as error:
            return refused(request, _TEMPLATE, form, error, sent=False, writes_letters=True)
        return RedirectResponse(f"{services(request).links.path('web:reset_password')}?sent=yes", 303)
