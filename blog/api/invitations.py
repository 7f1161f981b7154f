"""JSON endpoints of invitations, for owners."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import invitations
from blog.domain.accounts.models import Invitation
from blog.domain.core.context import Context
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import require_user
from blog.framework.request.parsing import read_json, read_query
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.framework.response.json import json_response, page_response
from blog.schemas.accounts import Scope
from blog.schemas.invitations import InvitationOut, NewInvitation
from blog.schemas.lists import InvitationListOut, PageQuery

_NO_STORE = {"Cache-Control": "no-store"}


class InvitationList(ApiEndpoint):
    """/api/v1/invitations: list and create invitations."""

    @operation(
        "List invitations", query=PageQuery, responses={200: InvitationListOut}, scope=Scope.ADMIN, response_headers={"Link"}
    )
    async def get(self, request: Request) -> Response:
        """Return a page of all invitations, newest first, also used, revoked and expired ones; only owners can."""
        ctx = require_user(request)
        query = read_query(request, PageQuery)
        page = await invitations.list_page(ctx, pagination.decode_cursor(query.cursor), query.limit)
        return page_response(request, [_out(request, ctx, item) for item in page.items], page.next, _NO_STORE)

    @operation("Invite somebody", body=NewInvitation, responses={201: InvitationOut}, errors={409, 429}, scope=Scope.ADMIN)
    async def post(self, request: Request) -> Response:
        """Create an invitation; only owners can. Returns 201.

        With `email` the link is sent to that address, and the response does not have it, unless the blog has no mail server.
        """
        ctx = require_user(request)
        out = _out(request, ctx, await invitations.create(ctx, await read_json(request, NewInvitation)))
        return json_response(out, 201, _NO_STORE if out.url else None)  # a response without the link may be repeated


class InvitationDetail(ApiEndpoint):
    """/api/v1/invitations/{id}: one invitation."""

    @operation("Revoke an invitation", responses={204: None}, scope=Scope.ADMIN)
    async def delete(self, request: Request) -> Response:
        """Revoke an unused invitation; only owners can. Its link ends and its address is erased. Returns 204."""
        await invitations.revoke(require_user(request), request.path_params["id"])
        return Response(status_code=204)


class InvitationResend(ApiEndpoint):
    """/api/v1/invitations/{id}/resend: a new link by e-mail."""

    @operation("Send an invitation again", responses={200: InvitationOut}, errors={409, 429}, scope=Scope.ADMIN)
    async def post(self, request: Request) -> Response:
        """Send a new link, valid as long as the first one was; the old link ends. At most one e-mail in five minutes."""
        ctx = require_user(request)
        invitation = await invitations.resend(ctx, request.path_params["id"])
        return json_response(_out(request, ctx, invitation), headers=_NO_STORE)


def _out(request: Request, ctx: Context, invitation: Invitation) -> InvitationOut:
    secret = invitations.shown_secret(ctx, invitation)
    return InvitationOut(
        id=invitation.id,
        role=invitation.role,
        email=invitation.email,
        email_status=invitation.email_status,
        note=invitation.note,
        status=invitation.status(ctx.now),
        inviter=invitation.inviter,
        accepted_by=invitation.accepted_by,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
        url=None if secret is None else app_state(request).urls.url("web:invitation", secret=secret),
    )
