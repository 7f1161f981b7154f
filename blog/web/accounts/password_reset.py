"""The page that requests a password reset link."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from blog.domain.core import email_queue
from blog.errors import Forbidden
from blog.framework.request.state import app_state
from blog.schemas.accounts import PasswordResetRequest
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.redirects import redirect_after_post


class ResetPasswordPage(FormPage[PasswordResetRequest]):
    """/reset-password: request an e-mail with a link to set a new password; `?sent` shows what happens next."""

    template, model, requires_user = "accounts/reset_password.html", PasswordResetRequest, False

    async def load(self) -> None:
        """Raise Forbidden on POST if the blog cannot send e-mail."""
        if self.request.method == "POST" and not self.ctx.site.settings.can_send_email:
            raise Forbidden("E-mail isn't set up on this blog. Ask the owner for a password link.")

    async def context(self) -> Mapping[str, Any]:
        return {
            "sent": self.request.method != "POST" and "sent" in self.request.query_params,
            "can_send_email": self.ctx.site.settings.can_send_email,
        }

    async def submit(self, data: PasswordResetRequest) -> Response:
        """Queue the e-mail; the response and its timing do not reveal whether the account exists."""
        await app_state(self.request).rate_limits.check(self.request, "reset-password")
        await email_queue.request_password_reset(self.ctx, data.name)
        return redirect_after_post(self.request, "web:reset_password", query={"sent": "yes"})
