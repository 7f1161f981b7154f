"""Pages for those who forgot their password."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.core import email_queue
from blog.errors import BlogError, Forbidden
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.schemas.accounts import PasswordResetRequest
from blog.web.rendering.page import render_error, render_invalid, render_page

_TEMPLATE = "accounts/reset_password.html"


class ResetPasswordPage(Endpoint):
    """/reset-password — a letter with a link to a new password."""

    async def get(self, request: Request) -> Response:
        """The empty form; `?sent` says what happens next; a blog that sends no letters says whom to ask."""
        settings = request_context(request).site.settings
        sent = "sent" in request.query_params
        return render_page(request, _TEMPLATE, form=Form(), sent=sent, writes_letters=settings.can_send_email)

    async def post(self, request: Request) -> Response:
        """Have it sent. The answer is the same, and takes as long, whether somebody has this name or not."""
        ctx = request_context(request)
        if not ctx.site.settings.can_send_email:
            raise Forbidden("This blog sends no letters. Ask its owner for a link to a new password.")
        form = await read_form(request)
        wanted = form.parse(PasswordResetRequest)
        if wanted is None:
            return render_invalid(request, _TEMPLATE, form, sent=False, writes_letters=True)
        try:
            await app_state(request).rate_limits.check(request, "reset-password")
            await email_queue.request_password_reset(ctx, wanted.name)
        except BlogError as error:
            return render_error(request, _TEMPLATE, form, error, sent=False, writes_letters=True)
        return RedirectResponse(f"{app_state(request).urls.path('web:reset_password')}?sent=yes", 303)
