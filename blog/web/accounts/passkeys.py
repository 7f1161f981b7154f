"""Pages of passkeys: another one, the end of one, and signing in by one. A script asks the browser; forms carry the answer."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from blog.domain.accounts import passkeys
from blog.domain.accounts.passkeys import Challenge
from blog.domain.core.context import Context
from blog.errors import BlogError, NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context, signed_in
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import services
from blog.schemas.accounts import NewPasskey, PasskeyAnswer
from blog.settings import Settings
from blog.text.user_agents import in_words
from blog.web.accounts.reauthentication import confirmed_by, must_confirm
from blog.web.accounts.sign_in import begin
from blog.web.rendering.page import invalid, page, refused
from blog.web.rendering.redirects import here, local

_NEW, _REMOVE, _SIGN_IN = "accounts/new_passkey.html", "accounts/remove_passkey.html", "accounts/login.html"


class NewPasskeyPage(Endpoint):
    """/account/passkeys/new — another passkey."""

    async def get(self, request: Request) -> Response:
        """The form, with what the browser is asked for; after the password, if that was given some time ago."""
        ctx = _offered(signed_in(request))
        if must_confirm(ctx):
            return _confirm_first(request)
        return await _ask(request, ctx, Form({"name": in_words(request.headers.get("user-agent", ""))}))

    async def post(self, request: Request) -> Response:
        """Keep what the browser made."""
        ctx = _offered(signed_in(request))
        form = await read_form(request)
        if must_confirm(ctx):
            return _confirm_first(request)
        made = form.parse(NewPasskey)
        if made is None:
            return await _ask(request, ctx, form)
        try:
            await passkeys.register(ctx, _ticket_of(request), made.name, made.credential)
        except BlogError as error:
            form.refuse(error)
            return await _ask(request, ctx, form)
        response = RedirectResponse(f"{services(request).links.path('web:account_security')}?saved=passkey", 303)
        _clear_ticket(response, ctx.site.settings)
        return response


class PasskeyRemovalPage(Endpoint):
    """/account/passkeys/{id}/remove — the end of a passkey."""

    async def get(self, request: Request) -> Response:
        """The question. Raises NotFound."""
        ctx = signed_in(request)
        passkey = await passkeys.one(ctx, request.path_params["id"])
        return page(request, _REMOVE, form=Form(), passkey=passkey, must_confirm=must_confirm(ctx))

    async def post(self, request: Request) -> Response:
        """Forget it. Raises NotFound."""
        ctx = signed_in(request)
        passkey = await passkeys.one(ctx, request.path_params["id"])
        form = await read_form(request)
        try:
            await passkeys.remove(await confirmed_by(request, ctx, form), passkey.id)
        except BlogError as error:
            return refused(request, _REMOVE, form, error, passkey=passkey, must_confirm=must_confirm(ctx))
        return RedirectResponse(f"{services(request).links.path('web:account_security')}?saved=no-passkey", 303)


class PasskeySignIn(Endpoint):
    """/login/passkey — signing in without a password."""

    async def get(self, request: Request) -> Response:
        """What the browser is asked for, as JSON. Raises NotFound when passkeys cannot be used here."""
        ctx = _offered(context(request))
        challenge = passkeys.begin_sign_in(ctx)
        response = JSONResponse(challenge.options, headers={"Cache-Control": "no-store"})
        _set_ticket(response, ctx.site.settings, challenge)
        return response

    async def post(self, request: Request) -> Response:
        """A new session; no code is asked for: the device has verified its user."""
        ctx = _offered(context(request))
        form = await read_form(request)
        answer = form.parse(PasskeyAnswer, next=None)
        form = Form({"next": local(form.value("next"))}, form.errors)
        if answer is None:
            return invalid(request, _SIGN_IN, form, passkeys_are_offered=True)
        try:
            await services(request).rate_limits.attempt(request, "passkey")
            actor = await passkeys.prove(ctx, _ticket_of(request), answer.credential)
        except BlogError as error:
            return refused(request, _SIGN_IN, form, error, passkeys_are_offered=True)
        response = await begin(request, ctx, actor, form.value("next"), "passkey")
        _clear_ticket(response, ctx.site.settings)
        return response


def _offered(ctx: Context) -> Context:
    if not passkeys.are_offered(ctx.site.settings):
        raise NotFound("This blog takes no passkeys")
    return ctx


def _confirm_first(request: Request) -> Response:
    return RedirectResponse(f"{services(request).links.path('web:account_confirm')}?{urlencode({'next': here(request)})}", 303)


async def _ask(request: Request, ctx: Context, form: Form) -> Response:
    try:
        challenge = await passkeys.begin_registration(ctx)
    except BlogError as error:
        return refused(request, _NEW, form, error, options=None)
    response = page(request, _NEW, 422 if form.errors else 200, form=form, options=challenge.options)
    _set_ticket(response, ctx.site.settings, challenge)
    return response


def _set_ticket(response: Response, settings: Settings, challenge: Challenge) -> None:
    response.set_cookie(
        _cookie(settings),
        challenge.ticket,
        max_age=passkeys.TICKET_SECONDS,
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )


def _ticket_of(request: Request) -> str:
    return request.cookies.get(_cookie(services(request).site.settings), "")


def _clear_ticket(response: Response, settings: Settings) -> None:
    response.delete_cookie(_cookie(settings), secure=settings.secure, httponly=True, samesite="lax")


def _cookie(settings: Settings) -> str:
    return "__Host-passkey" if settings.secure else "passkey"
