"""Passkeys: registration, sign-in, and the responses that must be rejected."""

import asyncio
import contextlib
import datetime as dt
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import account_deletion, accounts, passkeys, sessions, suspension, webauthn
from blog.domain.accounts.models import User
from blog.domain.accounts.passkeys import CHALLENGE_TOKEN_SECONDS, MAX_PASSKEYS
from blog.domain.core import audit, email_queue
from blog.domain.core.audit import AuditFilter
from blog.domain.core.context import Actor, Context
from blog.domain.core.signing import Purpose
from blog.errors import AccountSuspended, BlogError, Conflict, Forbidden, NotAuthenticated, NotFound, ReauthenticationRequired
from blog.schemas.accounts import AccountDeletion, NewUser, PostsOnDeletion, Role
from blog.schemas.members import CommentsOnSuspension
from blog.settings import Settings
from tests.conftest import PASSWORD, MakeUser
from tests.support.authenticator import PRESENT, Device

ORIGIN, HOST = "https://blog.example.org", "blog.example.org"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": ORIGIN, "smtp_url": "smtp://127.0.0.1:9"})


Enter = Callable[[User], Awaitable[Context]]


@pytest.fixture
def enter(ctx: Context) -> Enter:
    """Sign a user in with a password and return their context."""

    async def sign_in(user: User) -> Context:
        session_id = await sessions.start(ctx, accounts.as_actor(user), "a browser")
        session = await sessions.load(ctx, session_id)
        assert session
        return ctx.acting_as(session.actor)

    return sign_in


@pytest.fixture
async def ada(make_user: MakeUser, enter: Enter) -> Context:
    return await enter(await make_user("ada"))


async def add(ada: Context, device: Device | None = None, name: str = "Laptop") -> Device:
    device = device or Device(ORIGIN, HOST)
    asked = await passkeys.start_registration(ada)
    await passkeys.register(ada, asked.challenge_token, name, device.create(asked.options))
    return device


async def open_with(ctx: Context, device: Device) -> Actor:
    asked = passkeys.start_sign_in(ctx)
    return await passkeys.authenticate(ctx, asked.challenge_token, device.get(asked.options))


async def test_passkey_signs_in_to_its_account(ctx: Context, ada: Context, make_user: MakeUser) -> None:
    device = await add(ada)
    assert [(key.name, key.last_used_at) for key in await passkeys.list_own(ada)] == [("Laptop", None)]
    actor = await open_with(ctx, device)
    assert (actor.id, actor.username, actor.role, actor.session) == (ada.require_actor().id, "ada", Role.AUTHOR, None)
    assert [key.last_used_at for key in await passkeys.list_own(ada)] == [ctx.now]
    assert (await open_with(ctx, device)).id == ada.require_actor().id


async def test_options_require_a_discoverable_credential_and_user_verification(ctx: Context, ada: Context) -> None:
    first = (await passkeys.start_registration(ada)).options
    assert first["authenticatorSelection"]["residentKey"] == first["authenticatorSelection"]["userVerification"] == "required"
    assert (first["rp"]["id"], first["user"]["name"], first["attestation"]) == (HOST, "ada", "none")
    device = await add(ada)
    second = (await passkeys.start_registration(ada)).options
    assert second["user"]["id"] == json.loads(device.get(second))["response"]["userHandle"], "one handle for all of an account"
    assert len(second["excludeCredentials"]) == 1
    asked = passkeys.start_sign_in(ctx).options
    assert (asked["userVerification"], asked.get("allowCredentials", [])) == ("required", [])


async def test_changes_are_logged_and_sent_by_email(ctx: Context, ada: Context) -> None:
    device = await add(ada)
    await open_with(ctx, device)
    device.count = 0
    with pytest.raises(NotAuthenticated):
        await open_with(ctx, device)
    (key,) = await passkeys.list_own(ada)
    await passkeys.remove(ada, key.id)
    found = [(entry.action, entry.data.get("passkey")) for entry in (await audit.for_current_user(ada)).items][:3]
    assert found == [("passkey_removed", "Laptop"), ("passkey_failed", None), ("passkey_added", "Laptop")]
    assert [email.kind for email in await email_queue.claim_due(ctx)] == ["passkey_added", "passkey_removed"]


async def test_challenge_works_once(ctx: Context, ada: Context) -> None:
    asked = await passkeys.start_registration(ada)
    device = Device(ORIGIN, HOST)
    made = device.create(asked.options)
    await passkeys.register(ada, asked.challenge_token, "Laptop", made)
    with pytest.raises(Conflict, match="already submitted"):
        await passkeys.register(ada, asked.challenge_token, "Laptop", Device(ORIGIN, HOST).create(asked.options))
    asked = passkeys.start_sign_in(ctx)
    answer = device.get(asked.options)
    assert await passkeys.authenticate(ctx, asked.challenge_token, answer)
    for again in (answer, device.get(asked.options)):
        with pytest.raises(Conflict, match="already submitted"):
            await passkeys.authenticate(ctx, asked.challenge_token, again)


async def test_challenge_is_used_up_by_a_wrong_response(ctx: Context, ada: Context) -> None:
    device = await add(ada)
    asked = passkeys.start_sign_in(ctx)
    with pytest.raises(NotAuthenticated):
        await passkeys.authenticate(ctx, asked.challenge_token, "{}")
    with pytest.raises(Conflict):
        await passkeys.authenticate(ctx, asked.challenge_token, device.get(asked.options))


async def test_concurrent_uses_of_a_response_sign_in_once(ctx: Context, ada: Context) -> None:
    device = await add(ada)
    asked = passkeys.start_sign_in(ctx)
    answer = device.get(asked.options)
    found = await asyncio.gather(
        *(passkeys.authenticate(ctx, asked.challenge_token, answer) for _ in range(5)), return_exceptions=True
    )
    assert [type(one).__name__ for one in found].count("Actor") == 1
    assert all(isinstance(one, BlogError) for one in found if not hasattr(one, "username"))


async def test_challenge_token_has_one_purpose_one_session_and_an_expiry(
    ctx: Context, ada: Context, make_user: MakeUser, enter: Enter
) -> None:
    device = await add(ada)
    eve = await enter(await make_user("eve"))
    asked = await passkeys.start_registration(ada)
    made = Device(ORIGIN, HOST).create(asked.options)
    later = replace(ada, now=ada.now + dt.timedelta(seconds=CHALLENGE_TOKEN_SECONDS + 1))
    for who in (eve, later):
        who = replace(who, actor=replace(who.require_actor(), confirmed_at=who.now))
        with pytest.raises(Conflict, match="too long"):
            await passkeys.register(who, asked.challenge_token, "x", made)
    with pytest.raises(Conflict):
        await passkeys.authenticate(ctx, asked.challenge_token, device.get(asked.options))
    asked = passkeys.start_sign_in(ctx)
    with pytest.raises(Conflict):
        await passkeys.register(
            ada, asked.challenge_token, "x", Device(ORIGIN, HOST).create({**asked.options, "user": {"id": "AA"}})
        )
    with pytest.raises(Conflict):
        await passkeys.authenticate(replace(ctx, now=later.now), asked.challenge_token, device.get(asked.options))
    for ticket in ("", "x", asked.challenge_token + "x", ctx.site.signer.sign(Purpose.DEVICE, ["a", 1, "", ""])):
        with pytest.raises(Conflict):
            await passkeys.authenticate(ctx, ticket, device.get(asked.options))


@pytest.mark.parametrize("wrong", [
    {"origin": "https://evil.example"}, {"origin": "http://blog.example.org"}, {"rp_id": "example.org"}, {"flags": PRESENT},
    {"flags": 0}, {"user_handle": b"somebody else"}, {"credential_id": b"of nobody"}, {"count": -1}, {"_key": None},
])  # fmt: skip
async def test_invalid_responses_are_rejected(ctx: Context, ada: Context, wrong: dict[str, Any]) -> None:
    device = await add(ada)
    await open_with(ctx, device)
    for name, value in wrong.items():
        setattr(device, name, Device(ORIGIN, HOST)._key if name == "_key" else value)
    with pytest.raises(NotAuthenticated, match="does not belong to an account"):
        await open_with(ctx, device)


@pytest.mark.parametrize("wrong", [
    {"origin": "https://evil.example"}, {"rp_id": "example.org"}, {"flags": PRESENT},
])  # fmt: skip
async def test_registration_from_another_origin_or_without_verification_is_refused(ada: Context, wrong: dict[str, Any]) -> None:
    device = Device(ORIGIN, HOST)
    for name, value in wrong.items():
        setattr(device, name, value)
    with pytest.raises(Conflict, match="could not be verified"):
        await add(ada, device)
    assert await passkeys.list_own(ada) == []


async def test_authenticator_without_a_counter_can_sign_in_repeatedly(ctx: Context, ada: Context) -> None:
    device = await add(ada, Device(ORIGIN, HOST, counts=False))
    for _ in range(3):
        assert await open_with(ctx, device)


async def test_credential_of_another_account_is_refused(ada: Context, make_user: MakeUser, enter: Enter) -> None:
    device = await add(ada)
    with pytest.raises(Conflict, match="already registered"):
        await add(await enter(await make_user("eve")), device)


async def test_adding_and_removing_need_a_recent_password_and_a_session(ctx: Context, ada: Context) -> None:
    await add(ada)
    (key,) = await passkeys.list_own(ada)
    old = replace(ada, now=ada.now + dt.timedelta(minutes=11))
    token = ctx.acting_as(replace(ada.require_actor(), session=None))
    for who, error in ((old, ReauthenticationRequired), (token, Forbidden), (ctx, NotAuthenticated)):
        with pytest.raises(error):
            await passkeys.start_registration(who)
        with pytest.raises(error):
            await passkeys.remove(who, key.id)
    assert len(await passkeys.list_own(ada)) == 1


async def test_passkeys_of_others_are_not_accessible(ctx: Context, ada: Context, make_user: MakeUser, enter: Enter) -> None:
    await add(ada)
    (key,) = await passkeys.list_own(ada)
    eve = await enter(await make_user("eve"))
    assert await passkeys.list_own(eve) == []
    with pytest.raises(NotFound):
        await passkeys.remove(eve, key.id)


async def test_removed_passkeys_and_passkeys_of_deleted_accounts_are_invalid(ctx: Context, ada: Context) -> None:
    first, second = await add(ada), await add(ada, name="Phone")
    await passkeys.remove(ada, (await passkeys.list_own(ada))[0].id)
    with pytest.raises(NotAuthenticated):
        await open_with(ctx, first)
    assert await open_with(ctx, second)
    await accounts.create(ctx, NewUser(username="ora", email="ora@example.org"), Role.OWNER)
    await account_deletion.delete_account(
        ada, AccountDeletion(username="ada", current=SecretStr(PASSWORD), posts=PostsOnDeletion.KEEP)
    )
    with pytest.raises(NotAuthenticated):
        await open_with(ctx, second)
    assert await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.passkeys)) == 0


async def test_passkey_of_a_suspended_account_is_answered_plainly(ctx: Context, ada: Context) -> None:
    device = await add(ada)
    await suspension.suspend(ctx, "ada", CommentsOnSuspension.KEEP)
    with pytest.raises(AccountSuspended):
        await open_with(ctx, device)


async def test_number_of_passkeys_is_limited(ada: Context) -> None:
    for _ in range(MAX_PASSKEYS):
        await add(ada)
    with pytest.raises(Conflict, match="Remove one"):
        await passkeys.start_registration(ada)


async def test_used_challenges_are_removed_after_their_expiry(ctx: Context, ada: Context) -> None:
    device = await add(ada)
    await open_with(ctx, device)
    later = replace(ctx, now=ctx.now + dt.timedelta(days=1))
    await open_with(later, device)
    assert await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.webauthn_challenges)) == 1


@pytest.mark.sqlite
async def test_no_malformed_response_is_a_server_error(ctx: Context, ada: Context) -> None:
    device, chance = await add(ada), random.Random(5)  # noqa: S311 (the same at each run)
    for turn in range(200):
        asked = passkeys.start_sign_in(ctx)
        with pytest.raises(NotAuthenticated):
            await passkeys.authenticate(ctx, asked.challenge_token, _broken(device.get(asked.options), turn, chance))
    for turn in range(200):
        asked = await passkeys.start_registration(ada)
        with contextlib.suppress(Conflict):  # what no signature covers may be changed: nobody vouches for the maker
            await passkeys.register(
                ada, asked.challenge_token, "x", _broken(Device(ORIGIN, HOST).create(asked.options), turn, chance)
            )
        for key in (await passkeys.list_own(ada))[1:]:
            await passkeys.remove(ada, key.id)


def _broken(answer: str, turn: int, chance: random.Random) -> str:
    """Return the response with a part removed, replaced or partly overwritten."""
    credential = json.loads(answer)
    place = chance.choice([credential, credential["response"]])
    name = chance.choice([name for name in place if name not in ("transports", "clientExtensionResults", "userHandle")])
    match turn % 4:
        case 0:
            del place[name]
        case 1:
            place[name] = chance.choice([None, 7, "", [], {}, "é", "AAAA", credential["response"]["clientDataJSON"]])
        case 2:
            return answer[: chance.randrange(len(answer))]
        case _:
            text = json.dumps(place[name]) if not isinstance(place[name], str) else place[name]
            at = chance.randrange(max(1, len(text) - 4))
            place[name] = text[:at] + "".join(chance.choices("ABCDEFGHIJKLMNOP_-", k=4)) + text[at + 4 :]
    return json.dumps(credential)


@pytest.mark.parametrize(("public_url", "offered"), [
    ("https://blog.example.org", True), ("http://localhost:8000", True), ("http://blog.example.org", False),
    ("http://127.0.0.1:8000", False), ("https://192.0.2.7", False), ("https://[2001:db8::1]", False),
])  # fmt: skip
async def test_passkeys_need_tls_and_a_host_with_a_name(settings: Settings, public_url: str, offered: bool) -> None:
    assert passkeys.is_available(settings.model_copy(update={"public_url": public_url})) is offered


async def test_without_the_extra_passkeys_are_unavailable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webauthn, "find_spec", lambda _name: None)
    webauthn.is_installed.cache_clear()
    assert passkeys.is_available(settings) is False
    monkeypatch.undo()
    webauthn.is_installed.cache_clear()


async def test_audit_log_has_the_sign_in_method(ctx: Context, ada: Context, make_user: MakeUser, enter: Enter) -> None:
    device = await add(ada)
    await sessions.start(ctx, await open_with(ctx, device), "a browser", "passkey")
    ora = await enter(await make_user("ora", Role.OWNER))
    entries = (await audit.list_page(ora, AuditFilter(audit.AuditAction.SIGN_IN))).items
    assert [(entry.subject, entry.data["auth_method"]) for entry in entries[:2]] == [("ora", "password"), ("ada", "passkey")]
