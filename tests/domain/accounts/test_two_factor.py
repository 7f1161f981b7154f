"""Two-factor authentication: each code works once, guessing is locked out, and recovery codes replace a lost app."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pyotp
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import password_reset, passwords, sessions, two_factor
from blog.domain.accounts.two_factor import LOCKOUT, MAX_FAILURES
from blog.domain.core.context import Context
from blog.errors import Conflict, InvalidInput, NotAuthenticated, NotFound, SecondFactorRequired
from blog.schemas.accounts import Credentials, PasswordChange
from tests.conftest import PASSWORD

STEP = dt.timedelta(seconds=30)
ADA = Credentials(username="ada", password=SecretStr(PASSWORD))


def code(secret: str, ctx: Context, steps: int = 0) -> SecretStr:
    return SecretStr(pyotp.TOTP(secret).at(ctx.now, counter_offset=steps))


def later(ctx: Context, steps: int) -> Context:
    return replace(ctx, now=ctx.now + steps * STEP)


async def turned_on(author: Context) -> tuple[str, Sequence[str]]:
    """Turn two-factor authentication on, which uses the first code; return the secret and the recovery codes."""
    await two_factor.start_setup(author)
    secret = await two_factor.pending_secret(author)
    assert secret
    return secret, await two_factor.enable(author, code(secret, author))


async def test_secret_is_active_only_after_a_valid_code(author: Context, ctx: Context) -> None:
    await two_factor.start_setup(author)
    secret = await two_factor.pending_secret(author)
    assert secret
    assert (await sessions.authenticate(ctx, ADA)).username == "ada"
    with pytest.raises(InvalidInput) as wrong:
        await two_factor.enable(author, SecretStr("000000" if code(secret, author).get_secret_value() != "000000" else "1"))
    assert wrong.value.errors[0].loc == ("code",)
    assert not (await two_factor.status(author)).is_enabled
    codes = await two_factor.enable(author, code(secret, author))
    assert (await two_factor.status(author)).recovery_codes_left == len(set(codes)) == 10
    assert await two_factor.pending_secret(author) is None, "the secret is not shown again"
    with pytest.raises(Conflict):
        await two_factor.start_setup(author)


@pytest.mark.parametrize(
    ("given", "reason"), [(None, "otp_required"), (" ", "otp_required"), ("123", "otp_wrong"), ("äöüäöü", "otp_wrong")]
)
async def test_password_alone_is_not_enough(author: Context, ctx: Context, given: str | None, reason: str) -> None:
    await turned_on(author)
    with pytest.raises(SecondFactorRequired) as needed:
        await sessions.authenticate(ctx, ADA, None if given is None else SecretStr(given))
    assert [(fault.loc, fault.type) for fault in needed.value.errors] == [(("otp",), reason)]


async def test_wrong_password_does_not_reveal_two_factor(author: Context, ctx: Context) -> None:
    secret, _ = await turned_on(author)
    with pytest.raises(NotAuthenticated) as refused:
        await sessions.authenticate(ctx, ADA.model_copy(update={"password": SecretStr("wrong")}), code(secret, ctx, 1))
    assert type(refused.value) is NotAuthenticated


async def test_code_works_once_and_older_codes_are_refused(author: Context, ctx: Context) -> None:
    secret, _ = await turned_on(author)
    at = later(ctx, 5)
    assert (await sessions.authenticate(at, ADA, code(secret, at))).username == "ada"
    for used in (code(secret, at), code(secret, at, -1)):
        with pytest.raises(SecondFactorRequired):
            await sessions.authenticate(at, ADA, used)
    assert (await sessions.authenticate(at, ADA, code(secret, at, 1))).username == "ada", "a clock that is ahead a little"


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_clocks_may_differ_by_half_a_minute(author: Context, ctx: Context, steps: int, taken: bool) -> None:
    secret, _ = await turned_on(author)
    at = later(ctx, 10)
    if taken:
        await sessions.authenticate(at, ADA, code(secret, at, steps))
    else:
        with pytest.raises(SecondFactorRequired):
            await sessions.authenticate(at, ADA, code(secret, at, steps))


async def test_concurrent_uses_of_a_code_sign_in_once(author: Context, ctx: Context) -> None:
    secret, _ = await turned_on(author)
    at = later(ctx, 3)
    tries = (sessions.authenticate(at, ADA, code(secret, at)) for _ in range(6))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Actor"] + ["SecondFactorRequired"] * 5


async def test_recovery_code_works_once_ignoring_case_and_dashes(author: Context, ctx: Context) -> None:
    _, codes = await turned_on(author)
    typed = codes[3].lower().replace("-", " ")
    assert (await sessions.authenticate(ctx, ADA, SecretStr(typed))).username == "ada"
    with pytest.raises(SecondFactorRequired):
        await sessions.authenticate(ctx, ADA, SecretStr(codes[3]))
    assert (await two_factor.status(author)).recovery_codes_left == 9
    stored = await ctx.db.fetch_all(sa.select(tables.recovery_codes.c.code_hash))
    assert not {code.replace("-", "") for code in codes} & {row["code_hash"] for row in stored}


async def test_guessing_is_locked_out_but_not_the_owner(author: Context, ctx: Context) -> None:
    secret, codes = await turned_on(author)
    at = later(ctx, 3)
    right = code(secret, at).get_secret_value()
    wrong = SecretStr("000000" if right != "000000" else "111111")
    for _ in range(MAX_FAILURES):
        with pytest.raises(SecondFactorRequired):
            await sessions.authenticate(at, ADA, wrong)
    with pytest.raises(SecondFactorRequired):
        await sessions.authenticate(at, ADA, SecretStr(right))
    assert (await sessions.authenticate(at, ADA, SecretStr(codes[0]))).username == "ada", "a recovery code cannot be guessed"
    after = replace(at, now=at.now + LOCKOUT)
    assert (await sessions.authenticate(after, ADA, code(secret, after))).username == "ada"


async def test_new_password_and_new_codes(author: Context, ctx: Context) -> None:
    secret, codes = await turned_on(author)
    at = replace(later(ctx, 3), actor=author.actor)
    fresh = await two_factor.regenerate_recovery_codes(at, code(secret, at))
    assert not set(fresh) & set(codes)
    with pytest.raises(SecondFactorRequired):
        await sessions.authenticate(ctx, ADA, SecretStr(codes[0]))
    await passwords.change_password(author, PasswordChange(current=SecretStr(PASSWORD), password=SecretStr("quite another one")))
    assert (await two_factor.status(author)).is_enabled, "a new password turns nothing off"


async def test_turned_off_by_a_code_or_by_an_operator(author: Context, ctx: Context) -> None:
    secret, codes = await turned_on(author)
    with pytest.raises(InvalidInput):
        await two_factor.disable(author, code(secret, author))  # used already
    await two_factor.disable(author, SecretStr(codes[0]))
    assert (await sessions.authenticate(ctx, ADA)).username == "ada"
    assert (await two_factor.status(author)).recovery_codes_left == 0
    with pytest.raises(NotFound):
        await two_factor.remove(ctx, author.require_actor().id)
    await turned_on(author)
    await two_factor.remove(ctx, author.require_actor().id)
    assert (await sessions.authenticate(ctx, ADA)).username == "ada"


async def test_pending_sign_in_expires_and_ends_with_the_password(author: Context, ctx: Context) -> None:
    token = await two_factor.issue_pending_sign_in(ctx, author.require_actor().id)
    assert (await two_factor.verify_pending_sign_in(ctx, token)).username == "ada"
    for when, text in ((later(ctx, 21), token), (ctx, "x"), (ctx, await password_reset.create_link(ctx, "ada"))):
        with pytest.raises(NotAuthenticated):
            await two_factor.verify_pending_sign_in(when, text)
    await passwords.set_password(ctx, author.require_actor().id, SecretStr("quite another one"))
    with pytest.raises(NotAuthenticated):
        await two_factor.verify_pending_sign_in(ctx, token)
