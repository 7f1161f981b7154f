"""Members and invitations, for owners."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import administration, invitations, user_directory
from blog.domain.accounts.models import Invitation
from blog.domain.accounts.user_directory import MemberFilter
from blog.domain.core.context import Context
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.form_keys import run_once
from blog.framework.request.context import require_user
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.schemas.accounts import NewInvitation, Role, RoleChange
from blog.schemas.members import MemberSort, MemberStatus
from blog.web.accounts.reauthentication import needs_reauthentication, reauthenticate_with_form
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import current_path, redirect_after_post

_MAX_SEARCH_LENGTH = 200
_DEFAULT_INVITATION = {"role": Role.AUTHOR.value, "days": "7"}


class UserList(FormPage[RoleChange]):
    """/admin/members: the members and their roles, with a search (`?q=`), filters (`role`, `status`) and an order (`sort`)."""

    template, model = "admin/members.html", RoleChange

    async def submit(self, data: RoleChange) -> Response:
        """Change the role of a member, and return to the same page of the list."""
        user = await administration.set_role(self.ctx, data.user, data.role)
        return RedirectResponse(f"{current_path(self.request)}#member-{user.id}", 303)

    async def context(self) -> Mapping[str, Any]:
        wanted = _member_filter(self.request)
        page = await user_directory.list_page(self.ctx, wanted)
        return {
            "members": page.items,
            "next_page_path": next_page_path(self.request, page.next),
            "wanted": wanted,
            "done": self.request.query_params.get("done"),
            "roles": list(Role),
            "statuses": list(MemberStatus),
            "action": current_path(self.request),
            "needs_reauthentication": needs_reauthentication(self.ctx),
        }


def _member_filter(request: Request) -> MemberFilter:
    """Return the filter in the query. Values that no control of the page sends count as absent."""
    sent = request.query_params
    text, role, status, sort = (sent.get(name, "") for name in ("q", "role", "status", "sort"))
    return MemberFilter(
        text.strip()[:_MAX_SEARCH_LENGTH],
        Role(role) if role in set(Role) else None,
        MemberStatus(status) if status in set(MemberStatus) else None,
        MemberSort(sort) if sort in set(MemberSort) else MemberSort.NEWEST,
        after=page_cursor(request),
    )


class InvitationList(FormPage[NewInvitation]):
    """/admin/invitations: the invitations, newest first, and a form for a new one."""

    template, model = "admin/invitations.html", NewInvitation

    def initial_form(self) -> Form:
        return Form(dict(_DEFAULT_INVITATION))

    def parse(self) -> NewInvitation | None:
        return self.form.parse(NewInvitation, current=None)

    async def submit(self, data: NewInvitation) -> Response:
        """Create an invitation, and return to the list, which starts with its link."""
        ctx = await reauthenticate_with_form(self.request, self.ctx, self.form)

        async def create() -> Response:
            invitation_id = await invitations.create(ctx, data)
            return redirect_after_post(self.request, "web:admin_invitations", fragment=f"invitation-{invitation_id}")

        return await run_once(self.request, ctx, self.form, create)

    async def context(self) -> Mapping[str, Any]:
        page = await invitations.list_page(self.ctx, page_cursor(self.request))
        return {
            "rows": [_invitation_row(self.request, self.ctx, item) for item in page.items],
            "next_page_path": next_page_path(self.request, page.next),
            "roles": list(Role),
            "needs_reauthentication": needs_reauthentication(self.ctx),
        }


class InvitationRevocation(Endpoint):
    """/admin/invitations/{id}/revoke: revoke an invitation."""

    async def post(self, request: Request) -> Response:
        """Revoke the invitation, and return to the list. Raises NotAuthenticated, Forbidden, NotFound."""
        await invitations.revoke(require_user(request), request.path_params["id"])
        return redirect_after_post(request, "web:admin_invitations")


def _invitation_row(request: Request, ctx: Context, invitation: Invitation) -> dict[str, Any]:
    status = _invitation_status(ctx, invitation)
    secret = invitations.link_secret(ctx, invitation)
    link = app_state(request).urls.url("web:invitation", secret=secret) if status == "open" else None
    return {"invitation": invitation, "status": status, "link": link}


def _invitation_status(ctx: Context, invitation: Invitation) -> str:
    if invitation.used_at is not None:
        return "used"
    if invitation.revoked_at is not None:
        return "revoked"
    return "open" if invitation.expires_at > ctx.now else "expired"
