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
from blog.framework.request.context import context, signed_in
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import services
from blog.schemas.accounts import Code, CodeAndPassword, PasswordGiven
from blog.web.accounts.reauthentication import must_confirm
from blog.web.posts.reading import cursor_in, older
from blog.web.rendering.page import invalid, page, refused
from blog.web.rendering.redirects import see_other

_SECRET = {"Cache-Control": "no-store"}


class SecurityPage(Endpoint):
    """/account/security — how the account is kept, and its log."""

    async def get(self, request: Request) -> Response:
        """A page of the log, newest first. Raises NotSignedIn."""
        ctx = context(request)
        factor, found = await two_factor.own(ctx), await audit.own(ctx, cursor_in(request))
        values: dict[str, Any] = {
            "entries": found.items,
            "older": older(request, found.next),
            "days": ctx.site.settings.audit_days,
            "passkeys_are_offered": passkeys.are_offered(ctx.site.settings),
            "passkeys": await passkeys.own(ctx),
        }
        return page(request, "accounts/security.html", factor=factor, saved=request.query_params.get("saved"), **values)


class SecondFactorPage(Endpoint):
    """/account/second-factor — codes besides the password: begin."""

    async def get(self, request: Request) -> Response:
        """The form that begins, or those that end it or make new recovery codes."""
        factor = await two_factor.own(context(request))
        return page(request, "accounts/second_factor.html", form=Form(), factor=factor)

    async def post(self, request: Request) -> Response:
        """Draw a secret, for somebody who knows the password. The answer is the only page that shows it."""
        ctx = signed_in(request)
        form = await read_form(request)
        factor = await two_factor.own(ctx)
        given = form.parse(PasswordGiven)
        if given is None:
            return invalid(request, "accounts/second_factor.html", form, factor=factor)
        try:
            await services(request).rate_limits.sign_in(request, ctx.signed_in().username)
            await accounts.confirm(ctx, given.current)
            await two_factor.begin(ctx)
        except BlogError as error:
            return refused(request, "accounts/second_factor.html", form, error, factor=factor)
        return RedirectResponse(services(request).links.path("web:account_second_factor_on"), 303)


class SecondFactorOn(Endpoint):
    """/account/second-factor/on — the secret for the app, and its first code."""

    async def get(self, request: Request) -> Response:
        """The secret as a picture and as text; who did not just give the password begins again."""
        ctx = signed_in(request)
        secret = await two_factor.pending(ctx)
        if secret is None or must_confirm(ctx):
            return see_other(request, "web:account_second_factor")
        return page(request, "accounts/second_factor_on.html", headers=_SECRET, form=Form(), **_drawn(ctx, secret))

    async def post(self, request: Request) -> Response:
        """Codes are on. The answer is the only page that ever shows the recovery codes: no redirect could carry them."""
        ctx = signed_in(request)
        form = await read_form(request)
        secret = await two_factor.pending(ctx)
        if secret is None or must_confirm(ctx):
            return see_other(request, "web:account_second_factor")
        typed = form.parse(Code)
        if typed is None:
            return invalid(request, "accounts/second_factor_on.html", form, **_drawn(ctx, secret))
        try:
            await services(request).rate_limits.sign_in(request, ctx.signed_in().username)
            codes = await two_factor.turn_on(ctx, typed.code)
        except BlogError as error:
            return refused(request, "accounts/second_factor_on.html", form, error, **_drawn(ctx, secret))
        return page(request, "accounts/recovery_codes.html", 201, headers=_SECRET, codes=codes, is_new=True)


class SecondFactorOff(Endpoint):
    """/account/second-factor/off — the password alone again."""

    async def post(self, request: Request) -> Response:
        """For somebody who has the password and a code."""
        ctx = signed_in(request)
        try:
            code = await _proved(request, ctx, form := await read_form(request))
            if code is not None:
                await two_factor.turn_off(ctx, code)
        except BlogError as error:
            return await _asked_again(request, ctx, form, error)
        if code is None:
            return await _asked_again(request, ctx, form)
        return RedirectResponse(f"{services(request).links.path('web:account_security')}?saved=off", 303)


class RecoveryCodes(Endpoint):
    """/account/second-factor/codes — other recovery codes."""

    async def post(self, request: Request) -> Response:
        """New ones in the place of the old ones, shown this once."""
        ctx = signed_in(request)
        try:
            code = await _proved(request, ctx, form := await read_form(request))
            codes = None if code is None else await two_factor.renew_codes(ctx, code)
        except BlogError as error:
            return await _asked_again(request, ctx, form, error)
        if codes is None:
            return await _asked_again(request, ctx, form)
        return page(request, "accounts/recovery_codes.html", 201, headers=_SECRET, codes=codes, is_new=False)


async def _proved(request: Request, ctx: Context, form: Form) -> SecretStr | None:
    """The code that came with the right password; None when the form is not complete. Raises InvalidInput, TooManyRequests."""
    typed = form.parse(CodeAndPassword)
    if typed is None:
        return None
    await services(request).rate_limits.sign_in(request, ctx.signed_in().username)
    await accounts.confirm(ctx, typed.current)
    return typed.code


async def _asked_again(request: Request, ctx: Context, form: Form, error: BlogError | None = None) -> Response:
    factor = await two_factor.own(ctx)
    if error is None:
        return invalid(request, "accounts/second_factor.html", form, factor=factor)
    return refused(request, "accounts/second_factor.html", form, error, factor=factor)


def _drawn(ctx: Context, secret: str) -> dict[str, Any]:
    """The secret as a QR code (SVG without style) and in groups of four, to be typed."""
    picture = segno.make(two_factor.address(ctx, secret), error="m", micro=False)
    svg = picture.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None)
    return {"qr": svg, "secret": " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))}
