"""Reminders for owners on the overview page."""

import datetime as dt
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from blog import __version__
from blog.db import migration, tables
from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.core import email_queue, events
from blog.domain.core.context import Context
from blog.domain.core.email_queue import MAX_ATTEMPTS, QueuedEmail
from blog.domain.posts import posts
from blog.domain.read_models import attention
from blog.domain.site import database_probe, site_preferences
from blog.ops.backup import create_backup
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostStatus
from blog.schemas.site_preferences import PreferencesChanges
from tests.conftest import MakeUser
from tests.web.conftest import SignIn

Prepare = Callable[[Context], Awaitable[None]]


class Usage(NamedTuple):
    """The result of `shutil.disk_usage`."""

    total: int
    used: int
    free: int


@pytest.fixture
async def ora(sign_in: SignIn) -> dict[str, str]:
    """Return the headers of an owner's browser."""
    return await sign_in("ora", Role.OWNER)


@pytest.fixture
async def owner(ctx: Context, ora: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Context:
    """Return the context of the same owner. The blog has a backup and an empty disk."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(10**12, 0, 10**12))
    await record(ctx, database_probe.LAST_BACKUP, days=0)
    return ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "ora")))


async def record(ctx: Context, name: str, days: int) -> None:
    await events.set_metadata(ctx.db, name, (ctx.now - dt.timedelta(days=days)).isoformat())


async def section(client: httpx2.AsyncClient, headers: dict[str, str]) -> str:
    """Return the section of the page as text with the targets of its links."""
    page = (await client.get("/admin", headers=headers)).text
    found = re.search(r'<section class="attention".*?</section>', page, re.DOTALL)
    assert found
    return " ".join(re.sub(r'<a href="([^"]+)">|<[^>]+>', r" \1 ", found[0]).split())


async def test_nothing_needs_attention(client: httpx2.AsyncClient, ora: dict[str, str], owner: Context) -> None:
    shown = await section(client, ora)
    assert shown == (f"Needs attention Nothing needs your attention. Version {__version__}, database schema {migration.head()}.")


async def old_drafts(owner: Context) -> None:
    for days in (15, 20, 13):
        then = replace(owner, now=owner.now - dt.timedelta(days=days))
        await posts.create(then, NewPost(title="Half", content="x", status=PostStatus.DRAFT))


async def held_comment(owner: Context) -> None:
    post = await posts.create(owner, NewPost(title="On engines", content="x"))
    await site_preferences.change(owner, PreferencesChanges(blocked_words=["casino"]))
    reader = await accounts.by_username(owner, "rea")
    await comments.create(owner.acting_as(accounts.as_actor(reader)), post.id, NewComment(content="A casino"))


async def failing_emails(owner: Context) -> None:
    then = owner.now - dt.timedelta(hours=1)
    row = {"kind": "password_link", "data": {}, "created_at": then, "due_at": owner.now}
    for attempts in (0, 1, 2):
        await owner.db.execute(tables.email_queue.insert().values(**row, attempts=attempts))


async def abandoned_email(owner: Context) -> None:
    then = replace(owner, now=owner.now - dt.timedelta(days=1, minutes=1))
    assert not await email_queue.reschedule(then, QueuedEmail(1, "password_link", {}, MAX_ATTEMPTS, then.now))


async def old_backup(owner: Context) -> None:
    await record(owner, database_probe.LAST_BACKUP, days=7)


async def no_backup(owner: Context) -> None:
    await owner.db.execute(tables.app_metadata.delete().where(tables.app_metadata.c.name == database_probe.LAST_BACKUP))


CASES = [
    (old_drafts, "2 drafts have not changed for two weeks. /admin/posts?status=draft&amp;sort=updated_at Show drafts"),
    (held_comment, "1 comment is awaiting moderation. /moderation Review comments"),
    (failing_emails, "2 e-mails could not be sent yet; the blog tries again."),
    (abandoned_email, "An e-mail was given up after six attempts yesterday."),
    (old_backup, "The last backup is 7 days old. Run blog backup FILE on the server."),
    (no_backup, "No backup has been made yet. Run blog backup FILE on the server."),
]


@pytest.mark.parametrize(("prepare", "words"), CASES, ids=lambda value: getattr(value, "__name__", ""))
async def test_each_topic_has_a_line(
    client: httpx2.AsyncClient, ora: dict[str, str], owner: Context, make_user: MakeUser, prepare: Prepare, words: str
) -> None:
    await make_user("rea", Role.READER)
    await prepare(owner)
    shown = await section(client, ora)
    assert words in shown
    assert "Nothing needs your attention" not in shown
    (item,) = (await attention.read(owner)).items
    assert item.number or prepare is no_backup
    for link in re.findall(r"(?<= )/\S+", shown):
        assert (await client.get(link.replace("&amp;", "&"), headers=ora)).status_code == 200


async def test_waiting_topics_end(client: httpx2.AsyncClient, ora: dict[str, str], owner: Context) -> None:
    await record(owner, email_queue.LAST_ABANDONED, days=7)
    await record(owner, database_probe.LAST_BACKUP, days=6)
    assert "Nothing needs your attention." in await section(client, ora)


async def test_other_backups_need_no_reminder(owner: Context) -> None:
    await no_backup(owner)
    settings = owner.site.settings.model_copy(update={"backup_reminder_days": 0})
    assert not (await attention.read(replace(owner, site=replace(owner.site, settings=settings)))).items


@pytest.mark.parametrize(
    ("total", "free", "is_scarce"),
    [(10**12, 10**9 - 1, True), (10**12, 10**9, False), (10**9, 2 * 10**8, False), (10**9, 9 * 10**7, True)],
)
async def test_nearly_full_disk(
    client: httpx2.AsyncClient, ora: dict[str, str], owner: Context, monkeypatch: pytest.MonkeyPatch,
    total: int, free: int, is_scarce: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(total, total - free, free))
    assert (f"Only {free // 1_000_000} MB are free" in await section(client, ora)) == is_scarce


@pytest.mark.parametrize(("revision", "words"), [("9999", "A newer version of the blog has changed the database (schema 9999)")])
async def test_other_schema(client: httpx2.AsyncClient, ora: dict[str, str], owner: Context, revision: str, words: str,
                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    async def current(_: object) -> str:
        return revision

    monkeypatch.setattr(database_probe, "current_revision", current)
    assert words in await section(client, ora)


@pytest.mark.sqlite  # tests/ops/test_backup_postgresql.py has the programs of PostgreSQL
async def test_backup_records_its_time(owner: Context, tmp_path: Path) -> None:
    await no_backup(owner)
    report = create_backup(owner.site.settings, tmp_path / "backup.tar")
    assert report.warnings == ()
    assert not (await attention.read(owner)).items


async def test_only_owners_read_it(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    assert (await client.get("/admin", headers=await sign_in("edo", Role.EDITOR))).status_code == 403
