"""Pages of passkeys: another one, the end of one, and signing in by one. A script asks the browser; forms carry the answer."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from blog.domain.accounts import passkeys
from blog.domain.accounts.passkeys import Challenge
from blog.domain.core.context import Context
from blog.errors import BlogError, NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.cookies import cookie_name, delete_cookie, set_cookie
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.schemas.accounts import NewPasskey, PasskeyResponse
from blog.settings import Settings
from blog.text.user_agents import describe
from blog.web.accounts.reauthentication import needs_reauthentication, reauthenticate_with_form
from blog.web.accounts.sign_in import start_session
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import current_path, safe_local_path

_COOKIE = "passkey"
_NEW_TEMPLATE, _REMOVE_TEMPLATE, _SIGN_IN_TEMPLATE = (
    "accounts/new_passkey.html",
    "accounts/remove_passkey.html",
    "accounts/login.html",
)


class NewPasskeyPage(Endpoint):
    """/account/passkeys/new — another passkey."""

    async def get(self, request: Request) -> Response:
        """The form, with what the browser is asked for; after the password, if that was given some time ago."""
        ctx = _require_available(require_user(request))
        if needs_reauthentication(ctx):
            return _redirect_to_reauthentication(request)
        return await _render_registration(request, ctx, Form({"name": describe(request.headers.get("user-agent", ""))}))

    async def post(self, request: Request) -> Response:
        """Keep what the browser made."""
        ctx = _require_available(require_user(request))
        form = await read_form(request)
        if needs_reauthentication(ctx):
            return _redirect_to_reauthentication(request)
        made = form.parse(NewPasskey)
        if made is None:
            return await _render_registration(request, ctx, form)
        try:
            await passkeys.register(ctx, _challenge_token(request), made.name, made.credential)
        except BlogError as error:
            form.add_error(error)
            return await _render_registration(request, ctx, form)
        response = RedirectResponse(f"{app_state(request).urls.path('web:account_security')}?saved=passkey", 303)
        _clear_challenge_cookie(response, ctx.site.settings)
        return response


class PasskeyRemovalPage(Endpoint):
    """/account/passkeys/{id}/remove — the end of a passkey."""

    async def get(self, request: Request) -> Response:
        """The question. Raises NotFound."""
        ctx = require_user(request)
        passkey = await passkeys.get_own(ctx, request.path_params["id"])
        return render_page(request, _REMOVE_TEMPLATE, form=Form(), passkey=passkey, must_confirm=needs_reauthentication(ctx))

    async def post(self, request: Request) -> Response:
        """Forget it. Raises NotFound."""
        ctx = require_user(request)
        passkey = await passkeys.get_own(ctx, request.path_params["id"])
        form = await read_form(request)
        try:
            await passkeys.remove(await reauthenticate_with_form(request, ctx, form), passkey.id)
        except BlogError as error:
            return render_error(request, _REMOVE_TEMPLATE, form, error, passkey=passkey, must_confirm=needs_reauthentication(ctx))
        return RedirectResponse(f"{app_state(request).urls.path('web:account_security')}?saved=no-passkey", 303)


class PasskeySignIn(Endpoint):
    """/login/passkey — signing in without a password."""

    async def get(self, request: Request) -> Response:
        """What the browser is asked for, as JSON. Raises NotFound when passkeys cannot be used here."""
        ctx = _require_available(request_context(request))
        challenge = passkeys.start_sign_in(ctx)
        response = JSONResponse(challenge.options, headers={"Cache-Control": "no-store"})
        _set_challenge_cookie(response, ctx.site.settings, challenge)
        return response

    async def post(self, request: Request) -> Response:
        """A new session; no code is asked for: the device has verified its user."""
        ctx = _require_available(request_context(request))
        form = await read_form(request)
        answer = form.parse(PasskeyResponse, next=None)
        form = Form({"next": safe_local_path(form.value("next"))}, form.errors)
        if answer is None:
            return render_invalid(request, _SIGN_IN_TEMPLATE, form, passkeys_are_offered=True)
        try:
            await app_state(request).rate_limits.check(request, "passkey")
            actor = await passkeys.authenticate(ctx, _challenge_token(request), answer.credential)
        except BlogError as error:
            return render_error(request, _SIGN_IN_TEMPLATE, form, error, passkeys_are_offered=True)
        response = await start_session(request, ctx, actor, form.value("next"), "passkey")
        _clear_challenge_cookie(response, ctx.site.settings)
        return response


def _require_available(ctx: Context) -> Context:
    if not passkeys.is_available(ctx.site.settings):
        raise NotFound("This blog takes no passkeys")
    return ctx


def _redirect_to_reauthentication(request: Request) -> Response:
    return RedirectResponse(
        f"{app_state(request).urls.path('web:account_confirm')}?{urlencode({'next': current_path(request)})}", 303
    )


async def _render_registration(request: Request, ctx: Context, form: Form) -> Response:
    try:
        challenge = await passkeys.start_registration(ctx)
    except BlogError as error:
        return render_error(request, _NEW_TEMPLATE, form, error, options=None)
    response = render_page(request, _NEW_TEMPLATE, 422 if form.errors else 200, form=form, options=challenge.options)
    _set_challenge_cookie(response, ctx.site.settings, challenge)
    return response


def _set_challenge_cookie(response: Response, settings: Settings, challenge: Challenge) -> None:
    set_cookie(response, settings, _COOKIE, challenge.challenge_token, passkeys.CHALLENGE_TOKEN_SECONDS)


def _challenge_token(request: Request) -> str:
    return request.cookies.get(cookie_name(app_state(request).site.settings, _COOKIE), "")


def _clear_challenge_cookie(response: Response, settings: Settings) -> None:
    delete_cookie(response, settings, _COOKIE)
