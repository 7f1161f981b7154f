"""Bearer tokens as JSON."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import sessions, tokens
from blog.domain.core.context import Actor
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import context, signed_in
from blog.framework.request.parsing import read_json
from blog.framework.request.state import services
from blog.framework.response.json import as_json, as_list
from blog.schemas.accounts import NewToken, Scope, TokenInfo, TokenOut
from blog.schemas.lists import TokenListOut


class TokenList(ApiEndpoint):
    """/api/v1/tokens — list and make one's own tokens."""

    @operation("Read one's tokens", answers={200: TokenListOut}, scope=Scope.ACCOUNT)
    async def get(self, request: Request) -> Response:
        """The valid tokens, newest first, without their secrets."""
        found = await tokens.own(signed_in(request))
        return as_list(request, [TokenInfo.model_validate(token) for token in found], None)

    @operation("Make a token", body=NewToken, answers={201: TokenOut}, headers={"Location"})
    async def post(self, request: Request) -> Response:
        """A token for a name and a password, and a code if the account asks for one; 201, and it is never shown again."""
        ctx = context(request)
        wanted, actor = getattr(request.state, "applicant", None) or await _applicant(request)
        made = await tokens.issue(ctx, actor, name=wanted.name, scopes=wanted.scopes, seconds=wanted.expires_in)
        out = TokenOut(**TokenInfo.model_validate(made.token).model_dump(), token=made.text)
        location = services(request).links.path("api:token", id=out.id)
        return as_json(out, 201, {"Location": location, "Cache-Control": "no-store"})

    async def prepare(self, request: Request) -> None:
        """Look at the password before the lock of the database is taken: that is slow, and what is wrong is written down."""
        request.state.applicant = await _applicant(request)


class TokenDetail(ApiEndpoint):
    """/api/v1/tokens/{id} — revoke a token."""

    @operation("Revoke a token", answers={204: None}, signed_in=True)
    async def delete(self, request: Request) -> Response:
        """It ends at once, in every worker; 204."""
        await tokens.revoke(signed_in(request), request.path_params["id"])
        return Response(status_code=204)


async def _applicant(request: Request) -> tuple[NewToken, Actor]:
    wanted = await read_json(request, NewToken)
    await services(request).rate_limits.sign_in(request, wanted.username)
    return wanted, await sessions.authenticate(context(request), wanted, wanted.otp)
