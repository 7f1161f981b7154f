"""Invitations, for owners."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import invitations
from blog.domain.accounts.models import Invitation
from blog.domain.core.context import Context
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.form_keys import run_once
from blog.framework.request.context import require_user
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.schemas.accounts import Role
from blog.schemas.invitations import NewInvitation
from blog.web.accounts.reauthentication import needs_reauthentication, reauthenticate_with_form
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import redirect_after_post

_DEFAULTS = {"role": Role.AUTHOR.value, "days": "7"}


class InvitationList(FormPage[NewInvitation]):
    """/admin/invitations: the invitations, newest first, and a form for a new one."""

    template, model = "admin/invitations.html", NewInvitation

    def initial_form(self) -> Form:
        return Form(dict(_DEFAULTS))

    def parse(self) -> NewInvitation | None:
        optional = {} if self.form.value("email").strip() else {"email": None}
        return self.form.parse(NewInvitation, current=None, **optional)

    async def submit(self, data: NewInvitation) -> Response:
        """Create an invitation, and return to the list, which starts with it."""
        ctx = await reauthenticate_with_form(self.request, self.ctx, self.form)

        async def create() -> Response:
            invitation = await invitations.create(ctx, data)
            return redirect_after_post(self.request, "web:admin_invitations", fragment=f"invitation-{invitation.id}")

        return await run_once(self.request, ctx, self.form, create)

    async def context(self) -> Mapping[str, Any]:
        page = await invitations.list_page(self.ctx, page_cursor(self.request))
        return {
            "rows": [_row(self.request, self.ctx, item) for item in page.items],
            "next_page_path": next_page_path(self.request, page.next),
            "roles": list(Role),
            "sends_email": self.ctx.site.settings.smtp_url is not None,
            "needs_reauthentication": needs_reauthentication(self.ctx),
        }


class InvitationResend(Endpoint):
    """/admin/invitations/{id}/resend: a new link by e-mail."""

    async def post(self, request: Request) -> Response:
        """Send a new link, and return to the list. Raises NotAuthenticated, Forbidden, NotFound, Conflict, TooManyRequests."""
        invitation = await invitations.resend(require_user(request), request.path_params["id"])
        return redirect_after_post(request, "web:admin_invitations", fragment=f"invitation-{invitation.id}")


class InvitationRevocation(Endpoint):
    """/admin/invitations/{id}/revoke: revoke an invitation."""

    async def post(self, request: Request) -> Response:
        """Revoke the invitation, and return to the list. Raises NotAuthenticated, Forbidden, NotFound."""
        await invitations.revoke(require_user(request), request.path_params["id"])
        return redirect_after_post(request, "web:admin_invitations")


def _row(request: Request, ctx: Context, invitation: Invitation) -> dict[str, Any]:
    secret = invitations.shown_secret(ctx, invitation)
    link = None if secret is None else app_state(request).urls.url("web:invitation", secret=secret)
    return {"invitation": invitation, "status": invitation.status(ctx.now).value, "link": link}
