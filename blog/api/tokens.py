"""Bearer tokens as JSON."""

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
    """/api/v1/tokens — list and make one's own tokens."""

    @operation("Read one's tokens", responses={200: TokenListOut}, scope=Scope.ACCOUNT)
    async def get(self, request: Request) -> Response:
        """The valid tokens, newest first, without their secrets."""
        found = await tokens.list_own(require_user(request))
        return page_response(request, [TokenSummary.model_validate(token) for token in found], None)

    @operation("Make a token", body=NewToken, responses={201: TokenOut}, response_headers={"Location"})
    async def post(self, request: Request) -> Response:
        """A token for a name and a password, and a code if the account asks for one; 201, and it is never shown again."""
        ctx = request_context(request)
        wanted, actor = getattr(request.state, "token_request", None) or await _authenticate(request)
        made = await tokens.issue(ctx, actor, name=wanted.name, scopes=wanted.scopes, seconds=wanted.expires_in)
        out = TokenOut(**TokenSummary.model_validate(made.token).model_dump(), token=made.value)
        location = app_state(request).urls.path("api:token", id=out.id)
        return json_response(out, 201, {"Location": location, "Cache-Control": "no-store"})

    async def prepare(self, request: Request) -> None:
        """Look at the password before the lock of the database is taken: that is slow, and what is wrong is written down."""
        request.state.token_request = await _authenticate(request)


class TokenDetail(ApiEndpoint):
    """/api/v1/tokens/{id} — revoke a token."""

    @operation("Revoke a token", responses={204: None}, requires_auth=True)
    async def delete(self, request: Request) -> Response:
        """It ends at once, in every worker; 204."""
        await tokens.revoke(require_user(request), request.path_params["id"])
        return Response(status_code=204)


async def _authenticate(request: Request) -> tuple[NewToken, Actor]:
    wanted = await read_json(request, NewToken)
    await app_state(request).rate_limits.check_sign_in(request, wanted.username)
    return wanted, await sessions.authenticate(request_context(request), wanted, wanted.otp)
