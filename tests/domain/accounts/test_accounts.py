"""Sign-in, links and roles in the domain, without an interface."""

import asyncio
import contextlib
import datetime as dt
from dataclasses import replace

import anyio
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import accounts, password_reset, passwords, sessions, tokens
from blog.domain.core.context import Context
from blog.domain.core.password_hashing import AsyncPasswordHasher
from blog.domain.core.signing import Purpose
from blog.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from blog.schemas.accounts import Credentials, NewUser, PasswordChange, Role
from tests.conftest import PASSWORD, MakeUser
from tests.support.optional import unwrap


def credentials(name: str = "ada", password: str = PASSWORD) -> Credentials:
    return Credentials(username=name, password=SecretStr(password))


def owner(name: str = "owner") -> NewUser:
    return NewUser(username=name, email=f"{name}@example.org", password=SecretStr(PASSWORD))


async def test_session_is_loaded_by_its_id_until_its_end(author: Context, ctx: Context) -> None:
    actor = await sessions.authenticate(ctx, credentials())
    first, second = await sessions.start(ctx, actor, "browser"), await sessions.start(ctx, actor, "x" * 500)
    assert first != second
    resumed = await sessions.load(ctx, first)
    assert resumed is not None
    assert (resumed.actor.username, resumed.is_renewed) == ("ada", False)
    assert await sessions.load(ctx, first + "x") is None
    await sessions.revoke(ctx.acting_as(resumed.actor))
    assert await sessions.load(ctx, first) is None
    assert await sessions.load(ctx, second) is not None
    stored = await ctx.db.fetch_all(sa.select(tables.sessions))
    assert second not in [value for row in stored for value in row._mapping.values()]


async def test_session_expires_when_idle(author: Context, ctx: Context) -> None:
    session = await sessions.start(ctx, author.require_actor(), "browser")
    for _ in range(5):
        ctx = replace(ctx, now=ctx.now + dt.timedelta(days=20))
        assert await sessions.load(ctx, session) is not None
    assert await sessions.load(replace(ctx, now=ctx.now + dt.timedelta(days=31)), session) is None


async def test_session_has_an_absolute_lifetime(author: Context, ctx: Context) -> None:
    session, began = await sessions.start(ctx, author.require_actor(), "browser"), ctx.now
    for day in range(20, 180, 20):
        assert await sessions.load(replace(ctx, now=began + dt.timedelta(days=day)), session) is not None
    last = dt.timedelta(days=ctx.site.settings.session_max_days)
    assert await sessions.load(replace(ctx, now=began + last - dt.timedelta(seconds=1)), session) is not None
    assert await sessions.load(replace(ctx, now=began + last), session) is None


async def test_sign_in_by_email_ignoring_case(author: Context, ctx: Context) -> None:
    assert (await sessions.authenticate(ctx, credentials("ADA@example.org"))).username == "ada"
    with pytest.raises(NotAuthenticated):
        await sessions.authenticate(ctx, credentials("ada", PASSWORD.upper()))


async def test_unknown_name_costs_the_same_work(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    verify = ctx.site.passwords._matches

    def matches(_self: AsyncPasswordHasher, known: str, password: str) -> bool:
        done.append(known)
        return verify(known, password)

    monkeypatch.setattr(AsyncPasswordHasher, "_matches", matches)
    with pytest.raises(NotAuthenticated):
        await sessions.authenticate(ctx, credentials("nobody"))
    assert len(done) == 1, "a hash was verified although there is no account"


async def test_wrong_password_and_unknown_name_cost_the_same_work(
    author: Context, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Count hashes and statements: they must be equal. tests/benchmarks/sign_in_timing.py measures the times."""
    asked: list[str] = []
    verify = AsyncPasswordHasher._matches

    def matches(self: AsyncPasswordHasher, known: str, password: str) -> bool:
        asked.append("hash")
        return verify(self, known, password)

    monkeypatch.setattr(AsyncPasswordHasher, "_matches", matches)
    ctx.db.on_query.append(asked.append)
    works = []
    for name in ("nobody", "ada", "nobody", "ada@example.org"):
        asked.clear()
        with pytest.raises(NotAuthenticated):
            await sessions.authenticate(ctx, credentials(name, "wrong"))
        works.append(list(asked))
    assert works[0].count("hash") == 1
    assert all(work == works[0] for work in works)


async def test_outdated_hash_is_renewed_at_sign_in(author: Context, ctx: Context) -> None:
    stronger = replace(
        ctx, site=replace(ctx.site, passwords=AsyncPasswordHasher(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)))
    )
    await sessions.authenticate(stronger, credentials())
    renewed = await ctx.db.fetch_val(sa.select(tables.users.c.password_hash))
    assert "m=16,t=2,p=1" in renewed


def test_usual_hash_is_argon2id_with_the_recommended_work() -> None:
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in PasswordHasher().hash("x")


async def test_owner_link_works_once_and_for_this_purpose_only(ctx: Context) -> None:
    link = accounts.setup_link(ctx)
    made = await asyncio.gather(
        *(accounts.create_owner(ctx, link, owner(name)) for name in ("one", "two", "three")), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in made) == ["Conflict", "Conflict", "User"]
    with pytest.raises(Conflict):
        await accounts.create_owner(ctx, link, owner("four"))
    for wrong in ("nonsense", ctx.site.signer.sign(Purpose.TOKEN, []), ctx.site.signer.sign(Purpose.PASSWORD_LINK, [])):
        with pytest.raises(NotFound):
            accounts.require_setup_link(ctx, wrong)


async def test_password_links_and_tokens_are_not_interchangeable(author: Context, ctx: Context) -> None:
    link = await password_reset.create_link(ctx, "ada")
    assert await tokens.authenticate(ctx, link) is None
    made = await tokens.issue(ctx, author.require_actor(), name="x")
    with pytest.raises(NotFound):
        await password_reset.link_user(ctx, made.value)


async def test_concurrent_uses_of_a_password_link_succeed_once(author: Context, ctx: Context) -> None:
    link = await password_reset.create_link(ctx, "ada")
    done: list[str] = []

    async def use(password: str) -> None:
        with contextlib.suppress(NotFound):
            await password_reset.use_link(ctx, link, SecretStr(password))
            done.append(password)

    async with anyio.create_task_group() as people:
        people.start_soon(use, "the first password")
        people.start_soon(use, "the second password")
    assert len(done) == 1
    assert (await sessions.authenticate(ctx, Credentials(username="ada", password=SecretStr(done[0])))).username == "ada"


async def test_changed_password_ends_other_sessions_and_all_tokens(author: Context, ctx: Context) -> None:
    kept, other = [await sessions.start(ctx, author.require_actor(), "browser") for _ in range(2)]
    token = await tokens.issue(ctx, author.require_actor(), name="x")
    actor = unwrap(await sessions.load(ctx, kept)).actor
    change = PasswordChange(current=SecretStr("wrong"), password=SecretStr("quite another one"))
    with pytest.raises(InvalidInput):
        await passwords.change_password(ctx.acting_as(actor), change)
    renewed = await passwords.change_password(
        ctx.acting_as(actor), change.model_copy(update={"current_password": SecretStr(PASSWORD)})
    )
    assert unwrap(await sessions.load(ctx, unwrap(renewed))).actor.username == "ada"
    assert await sessions.load(ctx, kept) is None, "the session goes on with a new id"
    assert await sessions.load(ctx, other) is None
    assert await tokens.authenticate(ctx, token.value) is None
    with pytest.raises(NotAuthenticated):
        await sessions.authenticate(ctx, credentials())


async def test_token_expires(author: Context, ctx: Context) -> None:
    made = await tokens.issue(ctx, author.require_actor(), name="x", seconds=60)
    assert await tokens.authenticate(replace(ctx, now=ctx.now + dt.timedelta(seconds=59)), made.value) is not None
    assert await tokens.authenticate(replace(ctx, now=ctx.now + dt.timedelta(seconds=61)), made.value) is None


async def test_last_owner_keeps_the_role(ctx: Context, make_user: MakeUser) -> None:
    await make_user("one", Role.OWNER)
    with pytest.raises(Conflict):
        await accounts.set_role(ctx, "one", Role.READER)
    await make_user("two", Role.OWNER)
    assert (await accounts.set_role(ctx, "ONE", Role.READER)).role is Role.READER


async def test_concurrent_registrations_of_a_name_create_one_account(ctx: Context) -> None:
    results = await asyncio.gather(*(accounts.create(ctx, owner("same"), Role.READER) for _ in range(5)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 4 + ["User"]
