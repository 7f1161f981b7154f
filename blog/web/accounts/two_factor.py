"""Pages of what keeps an account safe: codes besides the password, and what happened to it."""

from typing import Any

import segno
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.accounts import accounts, passkeys, two_factor
from blog.domain.core import audit
from blog.domain.core.context import Context
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.schemas.accounts import CodeAndPassword, OneTimeCode, PasswordConfirmation
from blog.web.accounts.reauthentication import needs_reauthentication
from blog.web.posts.reading import next_page_path, page_cursor
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import redirect_after_post

_NO_STORE = {"Cache-Control": "no-store"}


class SecurityPage(Endpoint):
    """/account/security — how the account is kept, and its log."""

    async def get(self, request: Request) -> Response:
        """A page of the log, newest first. Raises NotSignedIn."""
        ctx = request_context(request)
        factor, found = await two_factor.status(ctx), await audit.for_current_user(ctx, page_cursor(request))
        values: dict[str, Any] = {
            "entries": found.items,
            "older": next_page_path(request, found.next),
            "days": ctx.site.settings.audit_retention_days,
            "passkeys_are_offered": passkeys.is_available(ctx.site.settings),
            "passkeys": await passkeys.list_own(ctx),
        }
        return render_page(request, "accounts/security.html", factor=factor, saved=request.query_params.get("saved"), **values)


class TwoFactorPage(Endpoint):
    """/account/second-factor — codes besides the password: begin."""

    async def get(self, request: Request) -> Response:
        """The form that begins, or those that end it or make new recovery codes."""
        factor = await two_factor.status(request_context(request))
        return render_page(request, "accounts/second_factor.html", form=Form(), factor=factor)

    async def post(self, request: Request) -> Response:
        """Draw a secret, for somebody who knows the password. The answer is the only page that shows it."""
        ctx = require_user(request)
        form = await read_form(request)
        factor = await two_factor.status(ctx)
        given = form.parse(PasswordConfirmation)
        if given is None:
            return render_invalid(request, "accounts/second_factor.html", form, factor=factor)
        try:
            await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
            await accounts.reauthenticate(ctx, given.current_password)
            await two_factor.start_setup(ctx)
        except BlogError as error:
            return render_error(request, "accounts/second_factor.html", form, error, factor=factor)
        return RedirectResponse(app_state(request).urls.path("web:account_second_factor_on"), 303)


class TwoFactorEnable(Endpoint):
    """/account/second-factor/on — the secret for the app, and its first code."""

    async def get(self, request: Request) -> Response:
        """The secret as a picture and as text; who did not just give the password begins again."""
        ctx = require_user(request)
        secret = await two_factor.pending_secret(ctx)
        if secret is None or needs_reauthentication(ctx):
            return redirect_after_post(request, "web:account_second_factor")
        return render_page(
            request, "accounts/second_factor_on.html", headers=_NO_STORE, form=Form(), **_setup_values(ctx, secret)
        )

    async def post(self, request: Request) -> Response:
        """Codes are on. The answer is the only page that ever shows the recovery codes: no redirect could carry them."""
        ctx = require_user(request)
        form = await read_form(request)
        secret = await two_factor.pending_secret(ctx)
        if secret is None or needs_reauthentication(ctx):
            return redirect_after_post(request, "web:account_second_factor")
        typed = form.parse(OneTimeCode)
        if typed is None:
            return render_invalid(request, "accounts/second_factor_on.html", form, **_setup_values(ctx, secret))
        try:
            await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
            codes = await two_factor.enable(ctx, typed.code)
        except BlogError as error:
            return render_error(request, "accounts/second_factor_on.html", form, error, **_setup_values(ctx, secret))
        return render_page(request, "accounts/recovery_codes.html", 201, headers=_NO_STORE, codes=codes, is_new=True)


class TwoFactorDisable(Endpoint):
    """/account/second-factor/off — the password alone again."""

    async def post(self, request: Request) -> Response:
        """For somebody who has the password and a code."""
        ctx = require_user(request)
        try:
            code = await _code_after_password_check(request, ctx, form := await read_form(request))
            if code is not None:
                await two_factor.disable(ctx, code)
        except BlogError as error:
            return await _render_form_again(request, ctx, form, error)
        if code is None:
            return await _render_form_again(request, ctx, form)
        return RedirectResponse(f"{app_state(request).urls.path('web:account_security')}?saved=off", 303)


class RecoveryCodes(Endpoint):
    """/account/second-factor/codes — other recovery codes."""

    async def post(self, request: Request) -> Response:
        """New ones in the place of the old ones, shown this once."""
        ctx = require_user(request)
        try:
            code = await _code_after_password_check(request, ctx, form := await read_form(request))
            codes = None if code is None else await two_factor.regenerate_recovery_codes(ctx, code)
        except BlogError as error:
            return await _render_form_again(request, ctx, form, error)
        if codes is None:
            return await _render_form_again(request, ctx, form)
        return render_page(request, "accounts/recovery_codes.html", 201, headers=_NO_STORE, codes=codes, is_new=False)


async def _code_after_password_check(request: Request, ctx: Context, form: Form) -> SecretStr | None:
    """The code that came with the right password; None when the form is not complete. Raises InvalidInput, TooManyRequests."""
    typed = form.parse(CodeAndPassword)
    if typed is None:
        return None
    await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
    await accounts.reauthenticate(ctx, typed.current_password)
    return typed.code


async def _render_form_again(request: Request, ctx: Context, form: Form, error: BlogError | None = None) -> Response:
    factor = await two_factor.status(ctx)
    if error is None:
        return render_invalid(request, "accounts/second_factor.html", form, factor=factor)
    return render_error(request, "accounts/second_factor.html", form, error, factor=factor)


def _setup_values(ctx: Context, secret: str) -> dict[str, Any]:
    """The secret as a QR code (SVG without style) and in groups of four, to be typed."""
    picture = segno.make(two_factor.provisioning_uri(ctx, secret), error="m", micro=False)
    svg = picture.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None)
    return {"qr": svg, "secret": " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))}
