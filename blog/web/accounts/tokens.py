"""The page of the user's own API tokens."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import tokens
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.form_keys import run_once
from blog.framework.request.context import require_user
from blog.framework.request.forms import Form
from blog.schemas.accounts import Role, Scope, TokenForm
from blog.web.accounts.reauthentication import needs_reauthentication, reauthenticate_with_form
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post

_SECONDS_PER_DAY = 86_400
_SCOPE_PREFIX = "scope-"


class TokenList(FormPage[TokenForm]):
    """/account/tokens: list and create API tokens."""

    template, model = "accounts/tokens.html", TokenForm

    def initial_form(self) -> Form:
        return Form({"days": "90"} | {f"{_SCOPE_PREFIX}{scope.value}": "on" for scope in tokens.DEFAULT_SCOPES})

    def parse(self) -> TokenForm | None:
        """Collect the scopes: each checkbox is a field named after its scope."""
        scopes = [name.removeprefix(_SCOPE_PREFIX) for name in self.form.values if name.startswith(_SCOPE_PREFIX)]
        without_boxes = {f"{_SCOPE_PREFIX}{scope}": None for scope in scopes}
        return self.form.parse(TokenForm, scopes=scopes, current=None, **without_boxes)

    async def context(self) -> Mapping[str, Any]:
        is_owner = self.ctx.require_actor().has_role(Role.OWNER)
        return {
            "tokens": await tokens.list_own(self.ctx),
            "needs_reauthentication": needs_reauthentication(self.ctx),
            "scopes": [scope for scope in Scope if is_owner or scope is not Scope.ADMIN],
        }

    async def submit(self, data: TokenForm) -> Response:
        """Create the token and render its secret, which no other page shows: a redirect could not carry it."""
        self.ctx = await reauthenticate_with_form(self.request, self.ctx, self.form)
        actor = self.ctx.require_actor(Scope.ACCOUNT)

        async def create() -> Response:
            seconds = data.days * _SECONDS_PER_DAY
            issued = await tokens.issue(self.ctx, actor, name=data.name, scopes=data.scopes, seconds=seconds)
            return render_page(self.request, "accounts/new_token.html", 201, issued=issued)

        return await run_once(self.request, self.ctx, self.form, create)


class TokenRevocation(Endpoint):
    """/account/tokens/{id}: one token."""

    async def post(self, request: Request) -> Response:
        """Revoke the token. Raises NotFound."""
        await tokens.revoke(require_user(request), request.path_params["id"])
        return redirect_after_post(request, "web:account_tokens")
