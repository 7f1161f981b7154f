"""A blog is copied completely from one kind of database to the other and back, or not at all."""

import asyncio
import datetime as dt
import io
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from blog.db import database_copy, fulltext, migration, tables
from blog.db.database_copy import copy_database
from blog.domain.accounts import accounts, tokens
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.site import open_site
from blog.domain.media import media
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.domain.site import feature_flags
from blog.errors import Conflict, Unavailable
from blog.import_export.markdown.importer import import_markdown
from blog.ops.integrity_check import check_site
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.feature_flags import Flag
from blog.schemas.media import NewMedia
from blog.schemas.posts import NewPost, PostChanges
from blog.settings import Settings
from tests.conftest import MakeUser
from tests.support.optional import unwrap
from tests.support.pictures import png
from tests.support.postgres import Databases
from tests.support.serving import blog

CORPUS = os.environ.get("BLOG_TEST_CORPUS", "")
pytestmark = pytest.mark.sqlite  # each test has both


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables, sorted by their text, without the sequence numbers of PostgreSQL."""
    with migration.connect(url, writing=False) as connection:
        found = {table.name: connection.execute(sa.select(table)).all() for table in tables.metadata.sorted_tables}
    found["app_metadata"] = [row for row in found["app_metadata"] if row[0] != "event_last"]
    return {name: sorted((tuple(row) for row in rows), key=repr) for name, rows in found.items()}


T = TypeVar("T")


async def opened(settings: Settings, url: str, work: Callable[[Context], Awaitable[T]]) -> T:
    async with open_site(settings.model_copy(update={"database_url": url})) as site:
        return await work(Context(site, None, dt.datetime.now(dt.UTC), "test"))


@pytest.fixture
def postgresql(databases: Databases) -> str:
    """Return the URL of an empty database, without migrations."""
    return databases.new()


@pytest.fixture
async def source(author: Context, make_user: MakeUser, settings: Settings) -> str:
    """Return the URL of an SQLite blog with rows in most tables; its newest events are removed."""
    ctx = author
    grace = ctx.acting_as(accounts.as_actor(await make_user("grace", Role.OWNER)))
    await media.upload(ctx, io.BytesIO(png(3, 2)), NewMedia(alt="dots"))
    first = await posts.create(ctx, NewPost(title="Über 東京", content="Ein *Text*", tags=["Straße", "tokyo"]))
    await posts.edit(ctx, first.id, PostChanges(title="Über 東京 und 大阪"), if_match=None)
    gone = await posts.create(ctx, NewPost(title="Gone", content="Text"))
    await posts.delete(ctx, gone.id, if_match=None)
    comment = await comments.create(grace, first.id, NewComment(content="Yes"))
    await comments.create(ctx, first.id, NewComment(content="No", parent_id=comment.id))
    await feature_flags.store(grace, Flag.UPLOADS, False)
    await tokens.issue(ctx, ctx.require_actor(), name="laptop")
    return settings.database_url


async def test_copy_and_copy_back_are_identical(source: str, postgresql: str, settings: Settings, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    before, back = contents(source), f"sqlite:///{tmp_path / 'back.db'}"
    report = await asyncio.to_thread(copy_database, source, postgresql, lambda *step: steps.append(step))
    assert contents(postgresql) == before
    assert {name: len(rows) for name, rows in before.items()} == report.counts
    assert report.counts["users"] == 2
    assert not report.is_outdated
    assert (steps[0][0], steps[-1][0], steps[-1][1]) == ("Copying", "Verifying", sum(report.counts.values()))
    await asyncio.to_thread(copy_database, postgresql, back)
    assert contents(back) == before

    async def check_content(ctx: Context) -> Any:
        assert await check_site(ctx) == []
        found = await ctx.db.fetch_all(sa.select(unwrap(fulltext.match_posts(ctx.db, "大阪"))))
        entries = await fulltext.stored_entries(ctx.db, [1, 2])
        return [row["post_id"] for row in found], entries, await events.position(ctx.db)

    one, two, three = [await opened(settings, url, check_content) for url in (source, postgresql, back)]
    assert one == two == three
    assert one[0] == [1]


async def test_new_ids_continue_after_a_copy(source: str, postgresql: str, settings: Settings, tmp_path: Path) -> None:
    """The id of a removed event is not used again: a cursor would confuse the two events."""
    with migration.connect(source) as connection:
        last = connection.scalar(sa.select(sa.func.max(tables.events.c.id)))
        connection.execute(sa.delete(tables.events))
        connection.execute(tables.app_metadata.insert().values(name="trimmed_event", value=str(last)))
    back = f"sqlite:///{tmp_path / 'back.db'}"
    await asyncio.to_thread(copy_database, source, postgresql)
    await asyncio.to_thread(copy_database, postgresql, back)

    async def write(ctx: Context) -> tuple[int, list[int]]:
        actor = accounts.as_actor(await accounts.active(ctx, "ada"))
        post = await posts.create(ctx.acting_as(actor), NewPost(title="New", content="Text"))
        return post.id, [event.id for event in await events.after(ctx.db, 0)]

    for url in (postgresql, back):
        assert await opened(settings, url, write) == (3, [last + 1])


async def test_target_with_rows_is_refused(source: str, postgresql: str, author: Context, settings: Settings) -> None:
    await asyncio.to_thread(copy_database, source, postgresql)
    before = contents(postgresql)
    with pytest.raises(Conflict, match="not empty, it has"):
        await asyncio.to_thread(copy_database, source, postgresql)
    assert contents(postgresql) == before
    with pytest.raises(Conflict, match="the same"):
        await asyncio.to_thread(copy_database, source, source)


async def test_target_that_a_server_uses_is_refused(source: str, postgresql: str, settings: Settings, tmp_path: Path) -> None:
    migration.upgrade(postgresql)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    migration.upgrade(other)

    async def try_it(ctx: Context) -> None:
        assert await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.users)) == 0
        with pytest.raises(Conflict, match="stop it first"):
            await asyncio.to_thread(copy_database, source, settings_of(ctx))

    def settings_of(ctx: Context) -> str:
        return ctx.site.settings.database_url

    for url in (postgresql, other):
        await opened(settings, url, try_it)
        assert contents(url)["users"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE posts SET title = 'NUL ' || char(0) WHERE id = 1", r"row of posts.*NUL"),
        ("UPDATE users SET name = printf('%201s', 'x')", r"row of users.*too long"),
        ("INSERT INTO post_slugs VALUES ('lost', 99)", r"row of post_slugs.*\(99\)"),
    ],
)
async def test_row_unsupported_by_postgresql_is_reported_and_nothing_is_copied(
    source: str, postgresql: str, change: str, words: str
) -> None:
    with migration.connect(source) as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(Conflict, match=words):
        await asyncio.to_thread(copy_database, source, postgresql)
    assert {name for name, rows in contents(postgresql).items() if rows} == {"app_metadata"}


async def test_row_with_a_broken_reference_is_not_copied_to_sqlite(source: str, tmp_path: Path) -> None:
    with migration.connect(source) as connection:
        connection.exec_driver_sql("INSERT INTO post_slugs VALUES ('lost', 99)")
    target = f"sqlite:///{tmp_path / 'other.db'}"
    with pytest.raises(Conflict, match="row of post_slugs refers to a missing row of posts"):
        await asyncio.to_thread(copy_database, source, target)
    assert contents(target)["users"] == []


async def test_difference_is_found_before_the_commit(source: str, postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference between the written and the stored rows stops the copy before COMMIT."""
    from blog.db.postgresql import database_copy as target

    fill = target.insert_rows

    def badly(connection: sa.Connection, table: sa.Table, rows: Any) -> None:
        fill(connection, table, rows)
        if table is tables.posts:
            connection.exec_driver_sql("UPDATE posts SET content = content || '.' WHERE id = 1")

    monkeypatch.setattr(target, "insert_rows", badly)
    with pytest.raises(Conflict, match="rows of posts read differently"):
        await asyncio.to_thread(copy_database, source, postgresql)
    assert contents(postgresql)["posts"] == []


async def test_rows_written_during_the_copy_are_not_copied_but_reported(
    source: str, postgresql: str, author: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(source)
    loop = asyncio.get_running_loop()
    written: list[Post] = []

    def write(*_step: object) -> None:
        if not written:
            written.append(
                asyncio.run_coroutine_threadsafe(posts.create(author, NewPost(title="Late", content="x")), loop).result()
            )

    report = await asyncio.to_thread(copy_database, source, postgresql, write)
    assert written
    assert report.is_outdated
    assert contents(postgresql) == before


async def test_older_or_missing_source_is_refused(postgresql: str, tmp_path: Path) -> None:
    old = f"sqlite:///{tmp_path / 'old.db'}"
    with pytest.raises(Conflict, match="is not a blog"):
        await asyncio.to_thread(copy_database, old, postgresql)
    assert not (tmp_path / "old.db").exists(), "asking makes no file"
    migration.upgrade(old)
    migration.downgrade(old, "base")
    with pytest.raises(Conflict, match=r"lacks migrations \(\d\)"):
        await asyncio.to_thread(copy_database, old, postgresql)
    migration.upgrade(old)
    with pytest.raises(Unavailable, match="does not exist"):
        await asyncio.to_thread(copy_database, old, postgresql.replace("/blog_", "/no_"))


def test_copy_command(tmp_path: Path, postgresql: str) -> None:
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    done = blog(tmp_path, "copy-database", "--from", "sqlite:///blog.db", "--to", postgresql)
    assert (done.returncode, done.stderr) == (0, ""), "no progress where there is no terminal"
    assert "users: 1, posts: 0, comments: 0" in done.stdout
    assert blog(tmp_path, "check", DATABASE_URL=postgresql).stdout == "No problems found.\n"
    again = blog(tmp_path, "copy-database", "--from", "sqlite:///blog.db", "--to", postgresql)
    assert (again.returncode, "not empty" in again.stderr, "Traceback" in again.stderr) == (1, True, False)
    wrong = blog(tmp_path, "copy-database", "--from", "mysql://x/y", "--to", postgresql)
    assert (wrong.returncode, "sqlite:///blog.db" in wrong.stderr) == (2, True)


@pytest.mark.usefixtures("shared_renderings")
@pytest.mark.skipif(not CORPUS, reason="BLOG_TEST_CORPUS names no folder of real blogs")
async def test_large_blog_is_copied_to_postgresql_and_back(
    author: Context, make_user: MakeUser, postgresql: str, settings: Settings, tmp_path: Path
) -> None:
    owner = author.acting_as(accounts.as_actor(await make_user("owner", Role.OWNER)))
    await import_markdown(owner, Path(CORPUS, "markdown-18f"))
    before, back = contents(settings.database_url), f"sqlite:///{tmp_path / 'back.db'}"
    times = []
    for source, target in ((settings.database_url, postgresql), (postgresql, back)):
        begun = time.perf_counter()
        report = await asyncio.to_thread(database_copy.copy_database, source, target)
        times.append(time.perf_counter() - begun)
        assert contents(target) == before
        assert await opened(settings, target, check_site) == []
    print(f"{sum(report.counts.values())} rows: {times[0]:.1f} s to PostgreSQL, {times[1]:.1f} s back")
    assert report.counts["posts"] > 300
