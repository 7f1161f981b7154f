"""The audit log: entries, permissions and retention."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import (
    account_deletion,
    accounts,
    administration,
    invitations,
    passwords,
    sessions,
    tokens,
)
from blog.domain.core import audit
from blog.domain.core.audit import AuditAction, AuditFilter
from blog.domain.core.context import Actor, Context
from blog.domain.site import feature_flags, site_preferences
from blog.errors import Forbidden, InvalidInput, NotAuthenticated, ReauthenticationRequired, Unavailable
from blog.schemas.accounts import (
    AccountChanges,
    AccountDeletion,
    Credentials,
    NewUser,
    PasswordChange,
    PostsOnDeletion,
    Role,
)
from blog.schemas.feature_flags import Flag
from blog.schemas.invitations import NewInvitation
from blog.schemas.site_preferences import PreferencesChanges
from tests.conftest import PASSWORD, MakeUser

FROM: dict[str, Any] = {"address": "192.0.2.7", "user_agent": "Firefox/130.0"}


@pytest.fixture
async def owner(ctx: Context, make_user: MakeUser) -> Context:
    """Return the context of an owner with an address."""
    return replace(ctx, actor=accounts.as_actor(await make_user("ora", Role.OWNER)), **FROM)


async def names(ctx: Context) -> list[str]:
    return [row["action"] for row in await ctx.db.fetch_all(sa.select(tables.audit_log.c.action).order_by(tables.audit_log.c.id))]


async def session_actor(ctx: Context, session: str) -> Actor:
    loaded = await sessions.load(ctx, session)
    assert loaded is not None
    return loaded.actor


async def acts(ctx: Context, *, since: int = 0) -> list[str]:
    return (await names(ctx))[since:]


async def test_each_action_is_logged(ctx: Context, owner: Context, make_user: MakeUser) -> None:
    before = len(await names(ctx))
    bob = await accounts.register(ctx, NewUser(username="bob", email="bob@example.org", password=SecretStr(PASSWORD)))
    actor = accounts.as_actor(bob)
    session = await sessions.start(ctx, actor, "browser")
    theirs = ctx.acting_as(await session_actor(ctx, session))
    made = await tokens.issue(theirs, theirs.require_actor(), name="backup")
    await tokens.revoke(theirs, made.token.id)
    await accounts.change(theirs, AccountChanges(email="b@example.org", current=SecretStr(PASSWORD)))
    await passwords.change_password(theirs, PasswordChange(current=SecretStr(PASSWORD), password=SecretStr("quite another one")))
    await administration.set_role(owner, bob.id, Role.EDITOR)
    invited = await invitations.create(owner, NewInvitation(role=Role.AUTHOR, note="Eve"))
    await invitations.revoke(owner, invited.id)
    await feature_flags.set_enabled(owner, Flag.COMMENTS.value, False)
    await site_preferences.change(owner, PreferencesChanges(title="Another"))
    await sessions.revoke_own(theirs)
    await account_deletion.delete_account(
        theirs, AccountDeletion(username="bob", current=SecretStr("quite another one"), posts=PostsOnDeletion.KEEP)
    )
    assert await acts(ctx, since=before) == [
        "account_created", "sign_in", "token_created", "token_revoked", "email_changed", "password_changed", "role_changed",
        "invitation_created", "invitation_revoked", "flag_changed", "site_changed", "sign_out_everywhere", "account_deleted",
    ]  # fmt: skip


async def test_entry_has_actor_target_time_and_address(ctx: Context, owner: Context, make_user: MakeUser) -> None:
    bob = await make_user("bob", Role.READER)
    await administration.set_role(owner, bob.id, Role.EDITOR)
    entry = (await audit.list_page(owner, AuditFilter(AuditAction.ROLE_CHANGED))).items[0]
    assert (entry.actor, entry.subject, entry.occurred_at, entry.correlation_id) == ("ora", "bob", ctx.now, "test")
    assert (entry.address, entry.user_agent) == ("192.0.2.7", "Firefox/130.0")
    assert entry.data == {"before": "reader", "role": "editor"}
    seen = (await audit.for_current_user(ctx.acting_as(accounts.as_actor(bob)))).items[0]
    assert (seen.action, seen.actor, seen.address, seen.user_agent) == ("role_changed", "ora", "", ""), (
        "where the owner was is hers"
    )


async def test_failures_have_the_account_but_not_the_input(ctx: Context, author: Context, owner: Context) -> None:
    ctx = replace(ctx, **FROM)
    for name in ("ada", "a password typed in the wrong field"):
        with pytest.raises(NotAuthenticated):
            await sessions.authenticate(ctx, Credentials(username=name, password=SecretStr("a wrong one")))
    with pytest.raises(InvalidInput):
        await passwords.require_password(author, SecretStr("a wrong one"))
    found = (await audit.list_page(owner)).items[:3]
    assert [(entry.action, entry.subject) for entry in found] == [
        ("reauthentication_failed", "ada"), ("sign_in_failed", None), ("sign_in_failed", "ada"),
    ]  # fmt: skip
    rows = await ctx.db.fetch_all(sa.select(tables.audit_log))
    assert "typed" not in str([dict(row) for row in rows])


async def test_failed_change_leaves_no_entry(ctx: Context, owner: Context) -> None:
    before = await names(ctx)
    with pytest.raises(Exception, match="only owner"):
        await administration.set_role(owner, owner.require_actor().id, Role.READER)
    assert await names(ctx) == before


async def test_failed_audit_write_does_not_change_the_response(
    ctx: Context, author: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_args: Any, **_options: Any) -> None:
        raise Unavailable("The disk is full")

    monkeypatch.setattr(audit, "record", refuse)
    with pytest.raises(NotAuthenticated):
        await sessions.authenticate(ctx, Credentials(username="ada", password=SecretStr("wrong")))


async def test_pages_and_filters(ctx: Context, author: Context, owner: Context) -> None:
    actor_id = author.require_actor().id
    for number in range(audit.PAGE_SIZE + 5):
        await audit.record(
            replace(ctx, correlation_id=str(number)),
            AuditAction.SIGN_IN,
            actor_id,
            by_user_id=actor_id,
        )
    first = await audit.list_page(owner, AuditFilter(AuditAction.SIGN_IN))
    second = await audit.list_page(owner, AuditFilter(AuditAction.SIGN_IN), first.next)
    assert [int(entry.correlation_id) for entry in (*first.items, *second.items)] == list(reversed(range(audit.PAGE_SIZE + 5)))
    assert second.next is None
    assert {entry.subject for entry in (await audit.list_page(owner, AuditFilter(user_id=owner.require_actor().id))).items} == {
        "ora"
    }
    for reader in (author, ctx):
        with pytest.raises((Forbidden, NotAuthenticated)):
            await audit.list_page(reader)


async def test_old_entries_are_removed_and_failures_are_limited(
    ctx: Context, author: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ctx.db.execute(tables.audit_log.delete())
    monkeypatch.setattr(audit, "MAX_FAILURES", 3)
    for days in (181, 179):
        await audit.record(replace(ctx, now=ctx.now - dt.timedelta(days=days)), AuditAction.SIGN_IN, author.require_actor().id)
    for _ in range(5):
        await audit.record_failure(ctx, AuditAction.SIGN_IN_FAILED, None)
    assert await audit.trim(ctx) == 3
    assert await names(ctx) == ["sign_in", "sign_in_failed", "sign_in_failed", "sign_in_failed"]


async def test_account_deletion_removes_personal_data_from_the_log(ctx: Context, author: Context, owner: Context) -> None:
    there = replace(author, **FROM)
    await tokens.issue(there, author.require_actor(), name="on my phone")
    await account_deletion.delete_account(
        there, AccountDeletion(username="ada", current=SecretStr(PASSWORD), posts=PostsOnDeletion.KEEP)
    )
    rows = await ctx.db.fetch_all(sa.select(tables.audit_log).where(tables.audit_log.c.subject_id == author.require_actor().id))
    assert {row["address"] for row in rows} == {""}
    assert "on my phone" not in str([dict(row) for row in rows])
    assert str((await audit.list_page(owner)).items[0].subject).startswith("deleted-")


async def test_sensitive_actions_need_a_recent_password(ctx: Context, owner: Context, make_user: MakeUser) -> None:
    bob = await make_user("bob", Role.READER)
    session = await sessions.start(ctx, owner.require_actor(), "browser")
    resumed = await session_actor(ctx, session)
    soon, late = (replace(ctx, actor=resumed, now=ctx.now + dt.timedelta(minutes=minutes)) for minutes in (10, 11))
    await administration.set_role(soon, bob.id, Role.AUTHOR)
    for attempt in (
        administration.set_role(late, bob.id, Role.OWNER),
        tokens.issue(late, late.require_actor(), name="x"),
        invitations.create(late, NewInvitation(role=Role.OWNER)),
    ):
        with pytest.raises(ReauthenticationRequired):
            await attempt
    await invitations.create(late, NewInvitation(role=Role.AUTHOR))
    with pytest.raises(InvalidInput):
        await passwords.reauthenticate(late, SecretStr("wrong"))
    confirmed = await passwords.reauthenticate(late, SecretStr(PASSWORD))
    await administration.set_role(confirmed, bob.id, Role.EDITOR)
    assert (await session_actor(late, session)).confirmed_at == late.now, "also for the next request"
