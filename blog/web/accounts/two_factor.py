"""Account security: two-factor authentication, and the account's audit log."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import passkeys, two_factor
from blog.domain.core import audit
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context
from blog.framework.request.state import app_state
from blog.schemas.accounts import CodeAndPassword, OneTimeCode, PasswordConfirmation
from blog.web.accounts.reauthentication import confirm_password, needs_reauthentication
from blog.web.rendering.form_page import FormEndpoint, FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import redirect_after_post

_TEMPLATE = "accounts/two_factor.html"


class SecurityPage(Endpoint):
    """/account/security: two-factor authentication, passkeys, and the account's audit log."""

    async def get(self, request: Request) -> Response:
        """Show one page of the log, newest entries first. Raises NotAuthenticated."""
        ctx = request_context(request)
        status, log = await two_factor.status(ctx), await audit.for_current_user(ctx, page_cursor(request))
        return render_page(
            request,
            "accounts/security.html",
            factor=status,
            saved=request.query_params.get("saved"),
            entries=log.items,
            next_page_path=next_page_path(request, log.next),
            days=ctx.site.settings.audit_retention_days,
            passkeys_available=passkeys.is_available(ctx.site.settings),
            passkeys=await passkeys.list_own(ctx),
        )


class TwoFactorPage(FormPage[PasswordConfirmation]):
    """/account/two-factor: start the setup, or turn it off and replace the recovery codes if it is on."""

    template, model = _TEMPLATE, PasswordConfirmation

    async def load(self) -> None:
        """Load whether two-factor authentication is on."""
        self.status = await two_factor.status(self.ctx)

    async def context(self) -> Mapping[str, Any]:
        return {"factor": self.status}

    async def submit(self, data: PasswordConfirmation) -> Response:
        """Verify the password and generate a secret."""
        await two_factor.start_setup(await confirm_password(self.request, self.ctx, data.current_password))
        return redirect_after_post(self.request, "web:account_two_factor_enable")


class TwoFactorEnable(FormPage[OneTimeCode]):
    """/account/two-factor/enable: the secret for the authenticator app, and its first code."""

    template, model = "accounts/two_factor_enable.html", OneTimeCode

    async def load(self) -> Response | None:
        """Load the secret; redirect to the start if there is none or the password was not confirmed recently."""
        secret = await two_factor.pending_secret(self.ctx)
        if secret is None or needs_reauthentication(self.ctx):
            return redirect_after_post(self.request, "web:account_two_factor")
        self.secret = secret
        return None

    async def context(self) -> Mapping[str, Any]:
        """Return the secret as a QR code (inline SVG) and in groups of four characters."""
        import segno  # here because only this page needs it, and it takes 10 ms of a start

        qr_code = segno.make(two_factor.provisioning_uri(self.ctx, self.secret), error="m", micro=False)
        svg = qr_code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None)
        return {"qr": svg, "secret": " ".join(self.secret[start : start + 4] for start in range(0, len(self.secret), 4))}

    async def submit(self, data: OneTimeCode) -> Response:
        """Turn two-factor authentication on and render the recovery codes, which no other page shows."""
        await app_state(self.request).rate_limits.check_sign_in(self.request, self.ctx.require_actor().username)
        codes = await two_factor.enable(self.ctx, data.code)
        return render_page(self.request, "accounts/recovery_codes.html", 201, codes=codes, is_new=True)


class _CodeForm(FormEndpoint[CodeAndPassword]):
    """A form of the two-factor page that needs the password and a code."""

    template, model = _TEMPLATE, CodeAndPassword

    async def context(self) -> Mapping[str, Any]:
        return {"factor": await two_factor.status(self.ctx)}


class TwoFactorDisable(_CodeForm):
    """/account/two-factor/disable: sign in with the password alone from now on."""

    async def submit(self, data: CodeAndPassword) -> Response:
        """Turn two-factor authentication off."""
        await two_factor.disable(await confirm_password(self.request, self.ctx, data.current_password), data.code)
        return redirect_after_post(self.request, "web:account_security", query={"saved": "off"})


class RecoveryCodes(_CodeForm):
    """/account/two-factor/recovery-codes: replace the recovery codes."""

    async def submit(self, data: CodeAndPassword) -> Response:
        """Generate new codes and render them, which no other page does."""
        ctx = await confirm_password(self.request, self.ctx, data.current_password)
        codes = await two_factor.regenerate_recovery_codes(ctx, data.code)
        return render_page(self.request, "accounts/recovery_codes.html", 201, codes=codes, is_new=False)
