"""Everybody who has an account, and those who are invited to have one."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import invitations, user_directory
from blog.domain.core.context import Context
from blog.domain.core.models import Invitation
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context, signed_in
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import services
from blog.schemas.accounts import NewInvitation, Role, RoleChange
from blog.web.accounts.reauthentication import confirmed_by, must_confirm
from blog.web.posts.reading import cursor_in, older
from blog.web.rendering.page import invalid, page, refused
from blog.web.rendering.redirects import here, see_other

_LONGEST_SEARCH = 200


class MemberList(Endpoint):
    """/admin/members — the members, and their roles."""

    async def get(self, request: Request) -> Response:
        """A page of them, newest first, or of those whom `?q=` finds."""
        ctx = context(request)
        return page(request, "administration/members.html", form=Form(), **await _members(request, ctx))

    async def post(self, request: Request) -> Response:
        """Give one of them another role; back to the same page of the list."""
        ctx = signed_in(request)
        form = await read_form(request)
        change = form.parse(RoleChange)
        if change is None:
            return invalid(request, "administration/members.html", form, **await _members(request, ctx))
        try:
            user = await user_directory.set_role(ctx, change)
        except BlogError as error:
            return refused(request, "administration/members.html", form, error, **await _members(request, ctx))
        return RedirectResponse(f"{here(request)}#member-{user.id}", 303)


class InvitationList(Endpoint):
    """/admin/invitations — links for new members."""

    async def get(self, request: Request) -> Response:
        """The invitations, newest first, and a form for another one."""
        form = Form({"role": Role.AUTHOR.value, "days": "7"})
        return page(request, "administration/invitations.html", form=form, **await _invitations(request, context(request)))

    async def post(self, request: Request) -> Response:
        """Make one; it stands first in the list, with its link."""
        ctx = signed_in(request)
        form = await read_form(request)
        new = form.parse(NewInvitation, current=None)
        if new is None:
            return invalid(request, "administration/invitations.html", form, **await _invitations(request, ctx))
        try:
            made = await invitations.create(await confirmed_by(request, ctx, form), new)
        except BlogError as error:
            return refused(request, "administration/invitations.html", form, error, **await _invitations(request, ctx))
        return see_other(request, "web:admin_invitations", fragment=f"invitation-{made}")


class InvitationRevocation(Endpoint):
    """/admin/invitations/{id}/revoke — one of them."""

    async def post(self, request: Request) -> Response:
        """Take it back. Raises NotFound."""
        await invitations.revoke(signed_in(request), request.path_params["id"])
        return see_other(request, "web:admin_invitations")


async def _members(request: Request, ctx: Context) -> dict[str, Any]:
    text = request.query_params.get("q", "").strip()[:_LONGEST_SEARCH]
    found = await user_directory.page(ctx, text, cursor_in(request))
    values = {"members": found.items, "older": older(request, found.next), "q": text, "roles": list(Role)}
    return values | {"action": here(request), "must_confirm": must_confirm(ctx)}


async def _invitations(request: Request, ctx: Context) -> dict[str, Any]:
    found = await invitations.page(ctx, cursor_in(request))
    links = services(request).links
    rows = [
        {"invitation": item, "state": state, "link": state == "open" and links.url("web:invitation", secret=_secret(ctx, item))}
        for item in found.items
        for state in [_state(ctx, item)]
    ]
    return {"rows": rows, "older": older(request, found.next), "roles": list(Role), "must_confirm": must_confirm(ctx)}


def _secret(ctx: Context, invitation: Invitation) -> str:
    return invitations.secret(ctx, invitation)


def _state(ctx: Context, invitation: Invitation) -> str:
    if invitation.used_at is not None:
        return "used"
    if invitation.revoked_at is not None:
        return "revoked"
    return "open" if invitation.expires_at > ctx.now else "expired"
