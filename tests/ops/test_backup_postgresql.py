"""Backups of PostgreSQL have the guarantees of SQLite backups: complete, consistent, and restored at once or not at all."""

import asyncio
import datetime as dt
import io
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import migration, tables
from blog.domain.accounts import accounts
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.site import open_site
from blog.domain.media import media
from blog.domain.posts import posts
from blog.errors import Conflict, Unavailable
from blog.ops import archive
from blog.ops.archive import InvalidArchive
from blog.ops.backup import create_backup
from blog.ops.integrity_check import check_site
from blog.ops.restore import restore_backup
from blog.schemas.accounts import NewUser, Role
from blog.schemas.media import NewMedia
from blog.schemas.posts import NewPost
from blog.settings import Settings
from tests.ops.test_backup import forged
from tests.support import postgres
from tests.support.configuration import make_settings
from tests.support.optional import unwrap
from tests.support.pictures import png
from tests.support.postgres import Databases
from tests.support.serving import blog


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.with_tools(monkeypatch)


@pytest.fixture
def address(databases: Databases) -> Iterator[str]:
    """Return the URL of a migrated database of this test only, which can be renamed."""
    url = databases.new()
    migration.upgrade(url)
    yield url
    with psycopg.connect(url.replace(f"/{name_of(url)}", "/postgres"), autocommit=True) as server:
        for (name,) in server.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{name_of(url)}_%",)).fetchall():
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def mine(tmp_path: Path, address: str) -> Settings:
    """Return the settings of a blog on this database."""
    return make_settings(
        secret_key=SecretStr("0123456789abcdefghijklmnopqrstuvwxyz"), database_url=address,
        media_dir=tmp_path / "media", rate_limit="off", max_cache_bytes=0,
    )  # fmt: skip


def name_of(url: str) -> str:
    return str(sa.make_url(url).database)


T = TypeVar("T")


async def with_site(settings: Settings, work: Callable[[Context], Awaitable[T]]) -> T:
    async with open_site(settings) as site:
        return await work(Context(site, None, dt.datetime.now(dt.UTC), "test"))


async def begin(ctx: Context) -> Context:
    new = NewUser(username="ada", email="ada@example.org", password=SecretStr("a long enough one"))
    ada = ctx.acting_as(accounts.as_actor(await accounts.create(ctx, new, Role.OWNER)))
    await media.upload(ada, io.BytesIO(png(3, 2)), NewMedia(alt=""))
    await posts.create(ada, NewPost(title="Kept", content="\\.\n\n\tA line that ends a table in a script of PostgreSQL"))
    return ada


@pytest.fixture
async def backup_file(mine: Settings, tmp_path: Path) -> Path:
    """Return a backup with one post and one image."""
    await with_site(mine, begin)
    target = tmp_path / "kept.tar"
    report = await asyncio.to_thread(create_backup, mine, target)
    assert (report.counts["posts"], report.counts["users"], report.images, report.warnings) == (1, 1, 1, ())
    return target


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


async def test_backup_has_dump_and_images_of_one_snapshot(mine: Settings, tmp_path: Path) -> None:
    """A backup does not contain rows that are written while it runs."""
    seen: list[tuple[str, int, int]] = []
    target = tmp_path / "kept.tar"

    async def work(ctx: Context) -> None:
        ada, loop = await begin(ctx), asyncio.get_running_loop()
        late = NewPost(title="Late", content="Text")

        def progress(*step: Any) -> None:
            if step[0] == "Database" and not any(part == "Database" for part, _, _ in seen):
                asyncio.run_coroutine_threadsafe(posts.create(ada, late), loop).result(10)
            seen.append(step)

        report = await asyncio.to_thread(create_backup, mine, target, progress=progress)
        assert report.counts["posts"] == 1
        assert await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.posts)) == 2

    await with_site(mine, work)
    with tarfile.open(target) as tar:
        assert [name.partition("/")[0] for name in tar.getnames()] == ["media", "database.pgdump", "manifest.json"]
    assert all(0 <= done <= total for _, done, total in seen)
    with archive.open_archive(target) as backup:
        assert (backup.manifest.database, backup.manifest.migration) == ("postgresql", migration.head())


async def test_restore_over_another_blog_and_into_nothing(backup_file: Path, mine: Settings, tmp_path: Path) -> None:
    (epoch,) = rows(mine.database_url, "SELECT value FROM app_metadata WHERE name = 'event_epoch'")
    with pytest.raises(Conflict, match="--force"):
        await asyncio.to_thread(restore_backup, mine, backup_file)
    rows(mine.database_url, "UPDATE posts SET title = 'Newer' RETURNING id")
    report = await asyncio.to_thread(restore_backup, mine, backup_file, force=True)
    assert (report.counts["posts"], report.images, report.migrations) == (1, 0, ())
    assert rows(mine.database_url, "SELECT title FROM posts") == [("Kept",)]
    assert rows(mine.database_url, "SELECT value FROM app_metadata WHERE name = 'event_epoch'") != [epoch], (
        "no old cursor is good"
    )
    old = mine.database_url.replace(name_of(mine.database_url), unwrap(report.previous_database).removeprefix("the database "))
    assert rows(old, "SELECT title FROM posts") == [("Newer",)]

    async def sound(ctx: Context) -> None:
        assert await check_site(ctx) == []
        ada = ctx.acting_as(accounts.as_actor(await accounts.active(ctx, "ada")))
        before = (await events.position(ctx.db)).id
        assert (await posts.create(ada, NewPost(title="Goes on", content="x"))).id == 2
        assert (await events.position(ctx.db)).id == before + 1

    await with_site(mine, sound)
    address = mine.database_url.replace(name_of(mine.database_url), f"{name_of(mine.database_url)}_new")
    elsewhere = mine.model_copy(update={"database_url": address, "media_dir": tmp_path / "other"})
    report = await asyncio.to_thread(restore_backup, elsewhere, backup_file)
    assert (report.previous_database, report.images) == (None, 1)
    await with_site(elsewhere, sound)


async def test_restore_is_refused_while_a_server_has_the_database(backup_file: Path, mine: Settings) -> None:
    async def work(ctx: Context) -> None:
        await ctx.db.fetch_all(sa.select(tables.posts.c.id))
        with pytest.raises(Conflict, match="stop it first"):
            await asyncio.to_thread(restore_backup, mine, backup_file, force=True)

    await with_site(mine, work)


def cut(parts: dict[str, bytes]) -> None:
    parts["database.pgdump"] = parts["database.pgdump"][:-500]


def rubbish(parts: dict[str, bytes]) -> None:
    parts["database.pgdump"] = b"rubbish" * 500


@pytest.mark.parametrize("damage", [cut, rubbish])
async def test_invalid_dump_is_refused_and_leaves_nothing(
    backup_file: Path, mine: Settings, tmp_path: Path, damage: Callable[[dict[str, bytes]], None]
) -> None:
    before = rows(mine.database_url, "SELECT datname FROM pg_database ORDER BY 1")
    with pytest.raises(InvalidArchive, match="damaged"):
        await asyncio.to_thread(restore_backup, mine, forged(backup_file, tmp_path / "bad.tar", damage), force=True)
    assert rows(mine.database_url, "SELECT datname FROM pg_database ORDER BY 1") == before
    assert len(rows(mine.database_url, "SELECT id FROM posts")) == 1


async def test_failure_before_the_swap_leaves_the_old_blog(
    backup_file: Path, mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    before = rows(mine.database_url, "SELECT datname FROM pg_database ORDER BY 1")
    monkeypatch.setattr("blog.ops.restore._add_images", fail)
    with pytest.raises(Unavailable, match="No space"):
        await asyncio.to_thread(restore_backup, mine, backup_file, force=True)
    assert rows(mine.database_url, "SELECT datname FROM pg_database ORDER BY 1") == before


async def test_backup_of_another_database_kind_is_refused(backup_file: Path, mine: Settings, tmp_path: Path) -> None:
    with pytest.raises(InvalidArchive, match=r"postgresql.*sqlite"):
        await asyncio.to_thread(
            restore_backup, mine.model_copy(update={"database_url": f"sqlite:///{tmp_path}/blog.db"}), backup_file
        )


async def test_missing_or_older_tools_are_reported(mine: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Conflict, match="postgresql-client"):
        await asyncio.to_thread(create_backup, mine, tmp_path / "kept.tar")
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    (tmp_path / "pg_dump").chmod(0o755)
    with pytest.raises(Conflict, match=r"pg_dump has version 9 and the server \d\d: install postgresql-client-\d\d"):
        await asyncio.to_thread(create_backup, mine, tmp_path / "kept.tar")
    assert not (tmp_path / "kept.tar").exists()


def test_backup_and_restore_commands(address: str, tmp_path: Path) -> None:
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner", DATABASE_URL=address)
    made = blog(tmp_path, "backup", "kept.tar", DATABASE_URL=address)
    assert (made.returncode, made.stdout.partition(", comments")[0]) == (0, "kept.tar: users: 1, posts: 0")
    assert "--force" in blog(tmp_path, "restore", "kept.tar", DATABASE_URL=address).stderr
    done = blog(tmp_path, "restore", "kept.tar", "--force", DATABASE_URL=address)
    assert (done.returncode, "The previous database is now the database blog_" in done.stdout) == (0, True)
    assert blog(tmp_path, "check", DATABASE_URL=address).stdout == "No problems found.\n"
