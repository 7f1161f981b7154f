"""Pages of what opens an account: the sessions of browsers, the tokens of programs."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import sessions, tokens
from blog.domain.core.context import Context
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import clear_session_cookie
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.schemas.accounts import Role, Scope, TokenForm
from blog.web.accounts.reauthentication import needs_reauthentication, reauthenticate_with_form
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import redirect_after_post

_SECONDS_PER_DAY = 86_400
_SCOPE_PREFIX = "scope-"


class SessionList(Endpoint):
    """/account/sessions — where one is signed in."""

    async def get(self, request: Request) -> Response:
        """The sessions, each with a button."""
        found = await sessions.list_own(request_context(request))
        return render_page(request, "accounts/sessions.html", sessions=found)

    async def post(self, request: Request) -> Response:
        """Sign out everywhere, here too."""
        ctx = require_user(request)
        await sessions.revoke_own(ctx)
        response = redirect_after_post(request, "web:login")
        clear_session_cookie(response, ctx.site.settings)
        return response


class SessionRevocation(Endpoint):
    """/account/sessions/{key} — one of them."""

    async def post(self, request: Request) -> Response:
        """Sign out there. Raises NotFound."""
        await sessions.revoke_one(require_user(request), request.path_params["key"])
        return redirect_after_post(request, "web:account_sessions")


class TokenList(Endpoint):
    """/account/tokens — what programs sign in with."""

    async def get(self, request: Request) -> Response:
        """The tokens, and a form for another one."""
        ctx = request_context(request)
        form = Form({"days": "90"} | {f"{_SCOPE_PREFIX}{scope.value}": "on" for scope in tokens.DEFAULT_SCOPES})
        return render_page(request, "accounts/tokens.html", form=form, **await _values(ctx))

    async def post(self, request: Request) -> Response:
        """Make one. The answer is the page itself, the only one that ever shows the secret: no redirect could carry it."""
        ctx = require_user(request)
        form = await read_form(request)
        chosen = [name.removeprefix(_SCOPE_PREFIX) for name in form.values if name.startswith(_SCOPE_PREFIX)]
        new = form.parse(TokenForm, scopes=chosen, current=None, **{f"{_SCOPE_PREFIX}{scope}": None for scope in chosen})
        if new is None:
            return render_invalid(request, "accounts/tokens.html", form, **await _values(ctx))
        try:
            ctx = await reauthenticate_with_form(request, ctx, form)
            actor = ctx.require_actor(Scope.ACCOUNT)
            made = await tokens.issue(ctx, actor, name=new.name, scopes=new.scopes, seconds=new.days * _SECONDS_PER_DAY)
        except BlogError as error:
            return render_error(request, "accounts/tokens.html", form, error, **await _values(ctx))
        return render_page(request, "accounts/new_token.html", 201, headers={"Cache-Control": "no-store"}, made=made)


class TokenRevocation(Endpoint):
    """/account/tokens/{id} — one of them."""

    async def post(self, request: Request) -> Response:
        """End it. Raises NotFound."""
        await tokens.revoke(require_user(request), request.path_params["id"])
        return redirect_after_post(request, "web:account_tokens")


async def _values(ctx: Context) -> dict[str, Any]:
    own = await tokens.list_own(ctx)
    is_owner = ctx.require_actor().has_role(Role.OWNER)
    return {
        "tokens": own,
        "must_confirm": needs_reauthentication(ctx),
        "scopes": [scope for scope in Scope if is_owner or scope is not Scope.ADMIN],
    }
