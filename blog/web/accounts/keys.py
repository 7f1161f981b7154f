"""Pages of what opens an account: the sessions of browsers, the tokens of programs."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import sessions, tokens
from blog.domain.core.context import Context
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import clear_cookie
from blog.framework.request.context import context, signed_in
from blog.framework.request.forms import Form, read_form
from blog.schemas.accounts import OwnToken, Role, Scope
from blog.web.accounts.reauthentication import confirmed_by, must_confirm
from blog.web.rendering.page import invalid, page, refused
from blog.web.rendering.redirects import see_other

_DAY = 86_400
_SCOPE = "scope-"


class SessionList(Endpoint):
    """/account/sessions — where one is signed in."""

    async def get(self, request: Request) -> Response:
        """The sessions, each with a button."""
        found = await sessions.own(context(request))
        return page(request, "accounts/sessions.html", sessions=found)

    async def post(self, request: Request) -> Response:
        """Sign out everywhere, here too."""
        ctx = signed_in(request)
        await sessions.end_all(ctx)
        response = see_other(request, "web:login")
        clear_cookie(response, ctx.site.settings)
        return response


class SessionEnd(Endpoint):
    """/account/sessions/{key} — one of them."""

    async def post(self, request: Request) -> Response:
        """Sign out there. Raises NotFound."""
        await sessions.end_one(signed_in(request), request.path_params["key"])
        return see_other(request, "web:account_sessions")


class TokenList(Endpoint):
    """/account/tokens — what programs sign in with."""

    async def get(self, request: Request) -> Response:
        """The tokens, and a form for another one."""
        ctx = context(request)
        form = Form({"days": "90"} | {f"{_SCOPE}{scope.value}": "on" for scope in tokens.USUAL_SCOPES})
        return page(request, "accounts/tokens.html", form=form, **await _values(ctx))

    async def post(self, request: Request) -> Response:
        """Make one. The answer is the page itself, the only one that ever shows the secret: no redirect could carry it."""
        ctx = signed_in(request)
        form = await read_form(request)
        chosen = [name.removeprefix(_SCOPE) for name in form.values if name.startswith(_SCOPE)]
        new = form.parse(OwnToken, scopes=chosen, current=None, **{f"{_SCOPE}{scope}": None for scope in chosen})
        if new is None:
            return invalid(request, "accounts/tokens.html", form, **await _values(ctx))
        try:
            ctx = await confirmed_by(request, ctx, form)
            actor = ctx.signed_in(Scope.ACCOUNT)
            made = await tokens.issue(ctx, actor, name=new.name, scopes=new.scopes, seconds=new.days * _DAY)
        except BlogError as error:
            return refused(request, "accounts/tokens.html", form, error, **await _values(ctx))
        return page(request, "accounts/new_token.html", 201, headers={"Cache-Control": "no-store"}, made=made)


class TokenRevocation(Endpoint):
    """/account/tokens/{id} — one of them."""

    async def post(self, request: Request) -> Response:
        """End it. Raises NotFound."""
        await tokens.revoke(signed_in(request), request.path_params["id"])
        return see_other(request, "web:account_tokens")


async def _values(ctx: Context) -> dict[str, Any]:
    own = await tokens.own(ctx)
    is_owner = ctx.signed_in().has_role(Role.OWNER)
    return {
        "tokens": own,
        "must_confirm": must_confirm(ctx),
        "scopes": [scope for scope in Scope if is_owner or scope is not Scope.ADMIN],
    }
