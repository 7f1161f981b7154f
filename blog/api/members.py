"""JSON endpoints with which owners change the accounts of others."""

import datetime as dt

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import administration, password_reset, user_directory
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import require_user
from blog.framework.request.parsing import read_json
from blog.framework.request.state import app_state
from blog.framework.response.json import json_response
from blog.schemas.accounts import Scope
from blog.schemas.members import MemberOut, PasswordLinkOut, PasswordLinkRequest, PostTransfer, PostTransferOut, Suspension


class UserSuspension(ApiEndpoint):
    """/api/v1/users/{id}/suspension: suspend an account and lift the suspension."""

    @operation("Suspend an account", body=Suspension, responses={200: MemberOut}, errors={409}, scope=Scope.ADMIN)
    async def put(self, request: Request) -> Response:
        """Suspend the account; only owners can, and not their own or that of the last owner.

        Its sessions, tokens and live connections end within a second. Published posts stay, scheduled ones become drafts.
        """
        ctx, user_id = require_user(request), request.path_params["id"]
        chosen = await read_json(request, Suspension)
        await administration.suspend(ctx, user_id, chosen.comments)
        return json_response(MemberOut.model_validate(await user_directory.get(ctx, user_id)))

    @operation("Lift the suspension of an account", responses={204: None}, scope=Scope.ADMIN)
    async def delete(self, request: Request) -> Response:
        """Lift the suspension, if there is one, and publish the comments that it held. Returns 204."""
        await administration.lift_suspension(require_user(request), request.path_params["id"])
        return Response(status_code=204)


class UserSessions(ApiEndpoint):
    """/api/v1/users/{id}/sessions: the sessions of a user."""

    @operation("End all sessions of a user", responses={204: None}, scope=Scope.ADMIN)
    async def delete(self, request: Request) -> Response:
        """Sign the user out everywhere; only owners can. Tokens stay valid. Returns 204."""
        await administration.revoke_sessions(require_user(request), request.path_params["id"])
        return Response(status_code=204)


class UserPasswordLink(ApiEndpoint):
    """/api/v1/users/{id}/password-link: a link that sets the password of a user."""

    @operation(
        "Create a password link", body=PasswordLinkRequest, responses={201: PasswordLinkOut}, errors={409}, scope=Scope.ADMIN
    )
    async def post(self, request: Request) -> Response:
        """Create a link that sets the password once, or send it by e-mail; only owners can. No other response has the link."""
        ctx, user_id = require_user(request), request.path_params["id"]
        wanted, url, seconds = await read_json(request, PasswordLinkRequest), None, password_reset.EMAIL_LINK_SECONDS
        if wanted.send:
            await administration.send_password_link(ctx, user_id)
        else:
            secret = await administration.create_password_link(ctx, user_id)
            url, seconds = app_state(request).urls.url("web:set_password", secret=secret), password_reset.LINK_SECONDS
        out = PasswordLinkOut(url=url, expires_at=ctx.now + dt.timedelta(seconds=seconds))
        return json_response(out, 201, {"Cache-Control": "no-store"})


class UserPostTransfer(ApiEndpoint):
    """/api/v1/users/{id}/posts/transfer: a new author for all posts of a user."""

    @operation("Give all posts of a user to another", body=PostTransfer, responses={200: PostTransferOut}, scope=Scope.ADMIN)
    async def post(self, request: Request) -> Response:
        """Replace the user by another author in all posts, for example after an import; only owners can."""
        ctx = require_user(request)
        new = await read_json(request, PostTransfer)
        count = await administration.transfer_posts(ctx, request.path_params["id"], new.transfer_to)
        return json_response(PostTransferOut(posts=count))
