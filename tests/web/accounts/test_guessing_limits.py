"""Limits on guessing a one-time code or the own password on the pages."""

import datetime as dt
from collections.abc import AsyncIterator

import httpx2
import pyotp
import pytest
from pydantic import SecretStr

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts, two_factor
from blog.domain.core.context import Context
from blog.settings import Settings
from tests.conftest import ORIGIN, PASSWORD, MakeUser, running
from tests.web.conftest import SignIn

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application that allows four attempts to sign in."""
    limits = {
        "rate_limit": "1000/minute",
        "login_rate_limit_per_address": "4/hour",
        "login_rate_limit_per_account": "4/hour",
    }
    async with running(create_app(settings.model_copy(update=limits))) as client:
        yield client


async def test_guessing_codes_is_rate_limited(guarded: httpx2.AsyncClient, ctx: Context, make_user: MakeUser) -> None:
    ada = ctx.acting_as(accounts.as_actor(await make_user("ada")))
    await two_factor.start_setup(ada)
    secret = await two_factor.pending_secret(ada)
    assert secret
    await two_factor.enable(ada, SecretStr(pyotp.TOTP(secret).at(ctx.now)))
    first = await guarded.post("/login", data={"username": "ada", "password": PASSWORD}, headers=OWN)
    assert first.headers["location"] == "/login/code"
    answers = [await guarded.post("/login/code", data={"code": f"00000{digit}"}, headers=OWN) for digit in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert "000000" not in answers[0].text, "the code is not in the form again"


async def test_guessing_the_own_password_is_rate_limited(guarded: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    old = ctx.now - dt.timedelta(hours=1)
    await ctx.db.execute(tables.sessions.update().values(confirmed_at=old))
    answers = [await guarded.post("/account/confirm", data={"current": f"guess {n}"}, headers=ada) for n in range(5)]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 429]


async def test_public_response_carries_no_renewed_session_cookie(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn
) -> None:
    ada = await sign_in("ada")
    unused = tables.sessions.update().values(last_seen_at=ctx.now - dt.timedelta(days=3))
    await ctx.db.execute(unused)
    public = await client.get("/opensearch.xml", headers=ada)
    assert public.headers["cache-control"].startswith("public")
    assert "set-cookie" not in public.headers
    await ctx.db.execute(unused)
    private = await client.get("/account", headers=ada)
    assert "session=" in private.headers["set-cookie"], "it was due to be renewed"
