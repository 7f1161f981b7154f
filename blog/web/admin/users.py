"""Everybody who has an account, and those who are invited to have one."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import invitations, user_directory
from blog.domain.accounts.models import Invitation
from blog.domain.core.context import Context
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.schemas.accounts import NewInvitation, Role, RoleChange
from blog.web.accounts.reauthentication import needs_reauthentication, reauthenticate_with_form
from blog.web.posts.reading import next_page_path, page_cursor
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import current_path, redirect_after_post

_MAX_SEARCH_LENGTH = 200


class UserList(Endpoint):
    """/admin/members — the members, and their roles."""

    async def get(self, request: Request) -> Response:
        """A page of them, newest first, or of those whom `?q=` finds."""
        ctx = request_context(request)
        return render_page(request, "admin/members.html", form=Form(), **await _user_values(request, ctx))

    async def post(self, request: Request) -> Response:
        """Give one of them another role; back to the same page of the list."""
        ctx = require_user(request)
        form = await read_form(request)
        change = form.parse(RoleChange)
        if change is None:
            return render_invalid(request, "admin/members.html", form, **await _user_values(request, ctx))
        try:
            user = await user_directory.set_role(ctx, change)
        except BlogError as error:
            return render_error(request, "admin/members.html", form, error, **await _user_values(request, ctx))
        return RedirectResponse(f"{current_path(request)}#member-{user.id}", 303)


class InvitationList(Endpoint):
    """/admin/invitations — links for new members."""

    async def get(self, request: Request) -> Response:
        """The invitations, newest first, and a form for another one."""
        form = Form({"role": Role.AUTHOR.value, "days": "7"})
        return render_page(
            request, "admin/invitations.html", form=form, **await _invitation_values(request, request_context(request))
        )

    async def post(self, request: Request) -> Response:
        """Make one; it stands first in the list, with its link."""
        ctx = require_user(request)
        form = await read_form(request)
        new = form.parse(NewInvitation, current=None)
        if new is None:
            return render_invalid(request, "admin/invitations.html", form, **await _invitation_values(request, ctx))
        try:
            made = await invitations.create(await reauthenticate_with_form(request, ctx, form), new)
        except BlogError as error:
            return render_error(request, "admin/invitations.html", form, error, **await _invitation_values(request, ctx))
        return redirect_after_post(request, "web:admin_invitations", fragment=f"invitation-{made}")


class InvitationRevocation(Endpoint):
    """/admin/invitations/{id}/revoke — one of them."""

    async def post(self, request: Request) -> Response:
        """Take it back. Raises NotFound."""
        await invitations.revoke(require_user(request), request.path_params["id"])
        return redirect_after_post(request, "web:admin_invitations")


async def _user_values(request: Request, ctx: Context) -> dict[str, Any]:
    text = request.query_params.get("q", "").strip()[:_MAX_SEARCH_LENGTH]
    found = await user_directory.list_page(ctx, text, page_cursor(request))
    values = {"members": found.items, "next_page_path": next_page_path(request, found.next), "q": text, "roles": list(Role)}
    return values | {"action": current_path(request), "needs_reauthentication": needs_reauthentication(ctx)}


async def _invitation_values(request: Request, ctx: Context) -> dict[str, Any]:
    found = await invitations.list_page(ctx, page_cursor(request))
    links = app_state(request).urls
    rows = [
        {"invitation": item, "state": state, "link": state == "open" and links.url("web:invitation", secret=_secret(ctx, item))}
        for item in found.items
        for state in [_invitation_status(ctx, item)]
    ]
    return {
        "rows": rows,
        "next_page_path": next_page_path(request, found.next),
        "roles": list(Role),
        "needs_reauthentication": needs_reauthentication(ctx),
    }


def _secret(ctx: Context, invitation: Invitation) -> str:
    return invitations.link_secret(ctx, invitation)


def _invitation_status(ctx: Context, invitation: Invitation) -> str:
    if invitation.used_at is not None:
        return "used"
    if invitation.revoked_at is not None:
        return "revoked"
    return "open" if invitation.expires_at > ctx.now else "expired"
