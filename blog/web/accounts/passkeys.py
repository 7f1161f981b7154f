"""Passkeys: add one, remove one, sign in with one. A script calls the browser's WebAuthn API; forms carry the result."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from blog.domain.accounts import passkeys
from blog.domain.accounts.passkeys import Challenge
from blog.domain.core.context import Context
from blog.errors import BlogError, NotFound
from blog.framework.identity.cookies import cookie_name, delete_cookie, set_cookie
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.schemas.accounts import EmptyForm, NewPasskey, PasskeyResponse
from blog.settings import Settings
from blog.text.user_agents import describe
from blog.web.accounts.reauthentication import needs_reauthentication, reauthenticate_with_form
from blog.web.accounts.sign_in import start_session
from blog.web.rendering.form_page import FormEndpoint, FormPage
from blog.web.rendering.page import render_error, render_page
from blog.web.rendering.redirects import current_path, redirect_after_post, safe_local_path

_COOKIE = "passkey"


class NewPasskeyPage(FormPage[NewPasskey]):
    """/account/passkeys/new: add a passkey."""

    template, model = "accounts/new_passkey.html", NewPasskey

    async def load(self) -> Response | None:
        """Redirect to confirm the password if that was long ago. Raises NotFound if passkeys are not available."""
        _require_available(self.ctx)
        if needs_reauthentication(self.ctx):
            return redirect_after_post(self.request, "web:account_confirm", query={"next": current_path(self.request)})
        return None

    def initial_form(self) -> Form:
        return Form({"name": describe(self.request.headers.get("user-agent", ""))})

    async def render(self, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Render the form with a new challenge and set its token as a cookie. With messages, the status is 422."""
        try:
            challenge = await passkeys.start_registration(self.ctx)
        except BlogError as error:
            return render_error(self.request, self.template, self.form, error, options=None)
        status = 422 if self.form.errors else status
        page = render_page(self.request, self.template, status, headers=headers, form=self.form, options=challenge.options)
        _set_challenge_cookie(page, self.ctx.site.settings, challenge)
        return page

    async def submit(self, data: NewPasskey) -> Response:
        """Store the public key that the browser created."""
        await passkeys.register(self.ctx, _challenge_token(self.request), data.name, data.credential)
        response = redirect_after_post(self.request, "web:account_security", query={"saved": "passkey"})
        _clear_challenge_cookie(response, self.ctx.site.settings)
        return response


class PasskeyRemovalPage(FormPage[EmptyForm]):
    """/account/passkeys/{id}/remove: remove a passkey."""

    template, model = "accounts/remove_passkey.html", EmptyForm

    async def load(self) -> None:
        """Load the passkey. Raises NotFound."""
        self.passkey = await passkeys.get_own(self.ctx, self.request.path_params["id"])

    async def context(self) -> Mapping[str, Any]:
        return {"passkey": self.passkey, "needs_reauthentication": needs_reauthentication(self.ctx)}

    def parse(self) -> EmptyForm | None:
        return self.form.parse(EmptyForm, current=None)

    async def submit(self, data: EmptyForm) -> Response:
        """Delete the passkey, with the password if it was confirmed long ago."""
        await passkeys.remove(await reauthenticate_with_form(self.request, self.ctx, self.form), self.passkey.id)
        return redirect_after_post(self.request, "web:account_security", query={"saved": "no-passkey"})


class PasskeySignIn(FormEndpoint[PasskeyResponse]):
    """/login/passkey: sign in without a password."""

    template, model, requires_user = "accounts/login.html", PasskeyResponse, False

    async def get(self, request: Request) -> Response:
        """Return the WebAuthn options as JSON. Raises NotFound if passkeys are not available."""
        ctx = request_context(request)
        _require_available(ctx)
        challenge = passkeys.start_sign_in(ctx)
        response = JSONResponse(challenge.options, headers={"Cache-Control": "no-store"})
        _set_challenge_cookie(response, ctx.site.settings, challenge)
        return response

    async def load(self) -> None:
        """Raise NotFound if passkeys are not available."""
        _require_available(self.ctx)

    def parse(self) -> PasskeyResponse | None:
        """Parse the credential; the form shown again is the sign-in form, which has only `next`."""
        response = self.form.parse(PasskeyResponse, next=None)
        self.form = Form({"next": safe_local_path(self.form.value("next"))}, self.form.errors)
        return response

    async def context(self) -> Mapping[str, Any]:
        return {"passkeys_available": True}

    async def submit(self, data: PasskeyResponse) -> Response:
        """Start a session; no code is needed, because the device has verified its user."""
        await app_state(self.request).rate_limits.check(self.request, "passkey")
        actor = await passkeys.authenticate(self.ctx, _challenge_token(self.request), data.credential)
        response = await start_session(self.request, self.ctx, actor, self.form.value("next"), "passkey")
        _clear_challenge_cookie(response, self.ctx.site.settings)
        return response


def _require_available(ctx: Context) -> None:
    if not passkeys.is_available(ctx.site.settings):
        raise NotFound("Passkeys are not available on this blog")


def _set_challenge_cookie(response: Response, settings: Settings, challenge: Challenge) -> None:
    set_cookie(response, settings, _COOKIE, challenge.challenge_token, passkeys.CHALLENGE_TOKEN_SECONDS)


def _challenge_token(request: Request) -> str:
    return request.cookies.get(cookie_name(app_state(request).site.settings, _COOKIE), "")


def _clear_challenge_cookie(response: Response, settings: Settings) -> None:
    delete_cookie(response, settings, _COOKIE)
