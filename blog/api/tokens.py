"""JSON endpoints of bearer tokens."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import sessions, tokens
from blog.domain.core.context import Actor
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import request_context, require_user
from blog.framework.request.parsing import read_json
from blog.framework.request.state import app_state
from blog.framework.response.json import json_response, page_response
from blog.schemas.accounts import NewToken, Scope, TokenOut, TokenSummary
from blog.schemas.lists import TokenListOut


class TokenList(ApiEndpoint):
    """/api/v1/tokens: list and create the user's tokens."""

    @operation("List your tokens", responses={200: TokenListOut}, scope=Scope.ACCOUNT)
    async def get(self, request: Request) -> Response:
        """Return the valid tokens, newest first, without their values."""
        own_tokens = await tokens.list_own(require_user(request))
        return page_response(request, [TokenSummary.model_validate(token) for token in own_tokens], None)

    @operation("Create a token", body=NewToken, responses={201: TokenOut}, response_headers={"Location"})
    async def post(self, request: Request) -> Response:
        """Create a token with username, password and, if two-factor authentication is on, a code. Returns 201 with its value."""
        ctx = request_context(request)
        new, actor = getattr(request.state, "token_request", None) or await _authenticate(request)
        issued = await tokens.issue(ctx, actor, name=new.name, scopes=new.scopes, seconds=new.expires_in)
        out = TokenOut(**TokenSummary.model_validate(issued.token).model_dump(), token=issued.value)
        location = app_state(request).urls.path("api:token", id=out.id)
        return json_response(out, 201, {"Location": location, "Cache-Control": "no-store"})

    async def prepare(self, request: Request) -> None:
        """Verify the password outside of the transaction: failures are written to the audit log."""
        request.state.token_request = await _authenticate(request)


class TokenDetail(ApiEndpoint):
    """/api/v1/tokens/{id}: revoke a token."""

    @operation("Revoke a token", responses={204: None}, requires_auth=True)
    async def delete(self, request: Request) -> Response:
        """Revoke the token, effective immediately in every worker. Returns 204."""
        await tokens.revoke(require_user(request), request.path_params["id"])
        return Response(status_code=204)


async def _authenticate(request: Request) -> tuple[NewToken, Actor]:
    new = await read_json(request, NewToken)
    await app_state(request).rate_limits.check_sign_in(request, new.username)
    return new, await sessions.authenticate(request_context(request), new, new.otp)
