"""The SQLite backend: connections, errors and cancellation."""

import asyncio
import datetime as dt
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from blog.db import migration, tables
from blog.db.cancellation import run_shielded
from blog.db.database import CommitWatcher, Database
from blog.db.sqlite.connection import SQLiteTransaction
from blog.errors import Unavailable
from tests.support.optional import unwrap

pytestmark = pytest.mark.sqlite
facts, tags = tables.app_metadata, tables.tags
READERS = 3


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, readers=READERS, acquire_timeout=5) as db:
        yield db


async def names(db: Database) -> set[str]:
    return {row["name"] for row in await db.fetch_all(sa.select(facts.c.name))} - {"event_epoch"}


def fact(name: str) -> sa.Insert:
    return facts.insert().values(name=name, value="")


async def all_connections(db: Database) -> list[Any]:
    """Return the writer and every reader, acquired at the same time."""
    pool = db._backend._pool
    readers = [await pool.acquire_reader() for _ in range(READERS)]
    writer = await pool.acquire_writer()
    for reader in readers:
        pool.release_reader(reader)
    pool.release_writer(writer)
    return [writer, *readers]


async def is_whole(db: Database) -> bool:
    """Return whether every connection is available, and none has an open transaction."""
    async with asyncio.timeout(5):
        connections = await all_connections(db)
    return len(set(connections)) == READERS + 1 and not any(connection.in_transaction for connection in connections)


def threads_end(before: set[threading.Thread]) -> bool:
    """Wait for the end of new threads, except anyio's workers: an open one would keep the process alive."""
    started = [thread for thread in set(threading.enumerate()) - before if "AnyIO" not in thread.name]
    for thread in started:
        thread.join(5)
    return not any(thread.is_alive() for thread in started)


# Connections


async def test_every_connection_has_the_pragmas(small: Database) -> None:
    for connection in await all_connections(small):
        for pragma, expected in (("foreign_keys", 1), ("journal_mode", "wal"), ("synchronous", 2), ("temp_store", 2)):
            ((value,),) = await connection.execute_fetchall(f"PRAGMA {pragma}")
            assert value == expected, pragma


async def test_only_the_writer_writes(small: Database) -> None:
    _, *readers = await all_connections(small)
    for reader in readers:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await reader.execute_fetchall("DELETE FROM app_metadata")


async def test_textual_select_does_not_wait_for_the_writer(database_url: str) -> None:
    async with Database(database_url, acquire_timeout=0.05) as db, db.transaction():
        assert await asyncio.create_task(db.fetch_val("SELECT count(*) FROM app_metadata")) == 1
        with pytest.raises(Unavailable, match="busy"):
            await asyncio.create_task(db.execute("DELETE FROM app_metadata"))


async def test_more_tasks_than_readers_take_turns(small: Database) -> None:
    seen = await asyncio.gather(*(small.fetch_val(sa.select(sa.func.count()).select_from(facts)) for _ in range(40)))
    assert seen == [1] * 40
    assert len(small._backend._pool._connections) <= READERS + 1


async def test_connection_that_was_closed_is_replaced(small: Database) -> None:
    for connection in await all_connections(small):
        await connection.close()
    await small.execute(fact("a"))
    assert await names(small) == {"a"}
    assert await is_whole(small)


async def test_connection_that_closes_within_a_transaction_frees_the_writer(small: Database) -> None:
    with pytest.raises((Unavailable, ValueError)):
        async with small.transaction():
            await small.execute(fact("lost"))
            await small.connection().raw_connection.close()
            await small.execute(fact("lost too"))
    await small.execute(fact("kept"))
    assert await names(small) == {"kept"}
    assert await is_whole(small)


async def test_disconnect_ends_every_thread(database_url: str) -> None:
    before = set(threading.enumerate())
    async with Database(database_url) as db:
        await asyncio.gather(*(db.fetch_all(sa.select(facts)) for _ in range(8)))
        assert set(threading.enumerate()) - before
    assert threads_end(before)


async def test_database_can_be_connected_again(database_url: str) -> None:
    db = Database(database_url)
    for name in ("a", "b"):
        async with db:
            await db.execute(fact(name))
    async with db:
        assert await names(db) == {"a", "b"}


def test_many_processes_connect_to_a_new_file_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    migration.upgrade(url)
    program = (
        "import asyncio, sys\nfrom blog.db.database import Database\n"
        "async def main():\n    async with Database(sys.argv[1]) as db:\n"
        "        await db.execute('INSERT INTO app_metadata VALUES (:name, :name)', {'name': sys.argv[2]})\n"
        "asyncio.run(main())"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, url, str(number)]) for number in range(6)]
    assert [process.wait(60) for process in started] == [0] * 6


# What a statement returns


async def test_insert_without_a_new_row_returns_no_id(db: Database) -> None:
    assert await db.execute(tags.insert().values(name="a", name_folded="a")) == 1
    again = insert(tags).values(name="a", name_folded="a").on_conflict_do_nothing()
    assert await db.execute(again) is None
    assert await db.execute("INSERT INTO tags (name, name_folded) VALUES ('b', 'b')") == 2
    assert await db.fetch_val(tags.insert().values(name="c", name_folded="c").returning(tags.c.name)) == "c"


async def test_each_statement_is_reported(db: Database) -> None:
    statements: list[str] = []
    db.on_query.append(statements.append)
    await db.execute_many(tags.insert(), [{"name": name, "name_folded": name} for name in "xy"])
    for wanted in ((1,), (1, 2), (3,)):
        rows = await db.fetch_all(sa.select(tags.c.name).where(tags.c.id.in_(wanted)).order_by(tags.c.id))
        assert [row["name"] for row in rows] == ["xy"[number - 1] for number in wanted if number < 3]
    assert [text.split()[0] for text in statements] == ["INSERT", "INSERT", "SELECT", "SELECT", "SELECT"]


async def test_one_statement_serves_other_values(db: Database) -> None:
    for name in ("a", "b"):
        await db.execute(fact(name))
        assert unwrap(await db.fetch_one(sa.select(facts).where(facts.c.name == name)))["name"] == name
    assert await db.fetch_one(sa.select(facts).where(facts.c.name == "c")) is None


async def test_iterate_is_refused_with_a_reason(db: Database) -> None:
    with pytest.raises(TypeError, match="keyset"):
        db.iterate(sa.select(facts))


async def test_instants_are_aware_and_in_utc(db: Database) -> None:
    summer = dt.datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))
    user = {"username": "ada", "username_folded": "ada", "name": "Ada", "role": "author"}
    await db.execute(tables.users.insert().values(user | {"created_at": summer, "updated_at": summer}))
    row = unwrap(await db.fetch_one(sa.select(tables.users.c.created_at, tables.users.c.password_set_at)))
    assert (row["created_at"], row["created_at"].tzinfo, row["password_set_at"]) == (summer, dt.UTC, None)
    with pytest.raises(ValueError, match="naive"):
        await db.execute(tables.users.update().values(updated_at=dt.datetime(2026, 7, 1)))  # noqa: DTZ001


async def test_savepoint_is_closed_after_its_rollback(db: Database) -> None:
    async with db.transaction():
        undone = await db.transaction()
        await undone.rollback()
        with pytest.raises(sqlite3.OperationalError, match="no such savepoint"):
            await db.connection().raw_connection.execute_fetchall(f"RELEASE savepoint_{SQLiteTransaction._savepoints}")


# Errors


async def test_full_disk_is_reported_and_rolls_back_the_transaction(small: Database) -> None:
    async with small.transaction():
        ((pages,),) = await small.connection().raw_connection.execute_fetchall("PRAGMA page_count")
        await small.connection().raw_connection.execute_fetchall(f"PRAGMA max_page_count={pages}")
    big = facts.insert().values(name="big", value="x" * 100_000)
    with pytest.raises(Unavailable, match="free some space"):
        async with small.transaction():
            await small.execute(fact("first"))
            await small.execute(big)
    assert await names(small) == set()
    await small.execute(big)  # the connection that met trouble was replaced, and with it the limit
    assert await names(small) == {"big"}
    assert await is_whole(small)


async def test_statements_after_a_rollback_by_the_database_raise(small: Database) -> None:
    with pytest.raises(Unavailable, match="rolled back"):
        async with small.transaction():
            await small.execute(fact("first"))
            await small.connection().raw_connection.execute_fetchall("ROLLBACK")  # as SQLite does when its disk fails
            await small.execute(fact("second"))
    assert await names(small) == set()
    assert await is_whole(small)


async def test_pipelined_statements_after_a_rollback_by_the_database_raise(small: Database) -> None:
    with pytest.raises(Unavailable, match="rolled back"):
        async with small.transaction():
            await small.execute(fact("first"))
            await small.pipeline(fact("second"))
            await small.connection().raw_connection.execute_fetchall("ROLLBACK")
    assert await names(small) == set()
    assert await is_whole(small)


async def test_read_only_file_is_reported(small: Database) -> None:
    writer, *_ = await all_connections(small)
    await writer.execute_fetchall("PRAGMA query_only=ON")  # the same code as for a file without write permission
    with pytest.raises(Unavailable, match="give the server's user write access"):
        await small.execute(fact("a"))


@pytest.mark.parametrize("content", [b"no database " * 1000, None])
async def test_file_of_another_format_is_reported(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "blog.db"
    path.mkdir() if content is None else path.write_bytes(content)
    before = set(threading.enumerate())
    with pytest.raises(Unavailable, match=r"cannot be opened|is not a database"):
        await Database(f"sqlite:///{path}").connect()
    assert threads_end(before)


async def test_statement_error_is_not_an_outage(db: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await db.fetch_all("SELECT * FROM nowhere")


async def test_failed_begin_releases_the_writer(database_url: str) -> None:
    holder = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    async with Database(database_url, readers=READERS, busy_timeout=0.01) as db:
        holder.execute("BEGIN IMMEDIATE")
        for _ in range(5):
            with pytest.raises(Unavailable, match="locked"):
                async with db.transaction():
                    await db.execute(tags.insert().values(name="x", name_folded="x"))
        holder.execute("ROLLBACK")
        assert await is_whole(db)
    holder.close()


def test_other_databases_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="mysql"):
        Database("mysql://localhost/blog")


@pytest.mark.parametrize("options", [{"readers": 0}, {"synchronous": "MAYBE"}])
def test_invalid_options_are_refused(database_url: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        Database(database_url, **options)


@pytest.mark.parametrize("name", ["my%20blog.db", "my blog.db", "a#b.db", "日記.db"])
async def test_application_and_migrations_use_the_same_file(tmp_path: Path, name: str) -> None:
    url = f"sqlite:///{tmp_path / name}"
    migration.upgrade(url)
    async with Database(url) as db:
        assert await db.fetch_val(sa.select(sa.func.count()).select_from(facts)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]  # noqa: ASYNC240 (a folder of this test)


# Cancellation


async def work(db: Database) -> None:
    """Use every kind of step: two savepoints, one of them rolled back, a snapshot, single statements."""
    async with db.snapshot():
        await db.fetch_all(sa.select(facts))
    async with db.transaction():
        await db.execute(fact("outer"))
        async with db.transaction():
            await db.execute(fact("inner"))
        undone = await db.transaction()
        await db.execute(fact("never"))
        await undone.rollback()
        await db.fetch_all(sa.select(facts))
    await db.execute(facts.delete().where(facts.c.name != "event_epoch"))


T = TypeVar("T")


class CancelAt:
    """Cancels the current task at step number `step`; with `again`, also at each later step."""

    def __init__(self, step: int, *, again: bool) -> None:
        self.step, self.again, self.seen = step, again, 0

    async def __call__(self, step: Coroutine[Any, Any, T], on_cancel: Callable[[asyncio.Future[T]], object] | None = None) -> T:
        self.seen += 1
        if self.seen == self.step or (self.again and self.seen > self.step):
            unwrap(asyncio.current_task()).cancel()
        return await run_shielded(step, on_cancel)


def replace_step(monkeypatch: pytest.MonkeyPatch, step: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]) -> None:
    """Replace `run_shielded` in each module of the backend."""
    for module in ("sqlite.pool", "instrumentation", "sqlite.watcher"):
        monkeypatch.setattr(f"blog.db.{module}.run_shielded", step)


@pytest.mark.parametrize("again", [False, True])
async def test_cancellation_at_any_step_loses_nothing(small: Database, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    allowed = [set(), {"outer", "inner"}]
    for step in range(1, 100):
        cancel = CancelAt(step, again=again)
        replace_step(monkeypatch, cancel)
        (result,) = await asyncio.gather(asyncio.create_task(work(small)), return_exceptions=True)
        replace_step(monkeypatch, run_shielded)
        assert await names(small) in allowed, step
        assert await is_whole(small), step
        if cancel.seen < step:
            break
        assert isinstance(result, asyncio.CancelledError), step
        await small.execute(facts.delete().where(facts.c.name != "event_epoch"))
    assert result is None
    assert step > 12, "the steps were counted"


async def test_waiting_for_the_writer_can_be_cancelled(small: Database) -> None:
    async with small.transaction():
        waiting = [asyncio.create_task(work(small)) for _ in range(5)]
        with anyio.move_on_after(0.05):
            await asyncio.wait(waiting)
        for task in waiting:
            task.cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert await is_whole(small)


async def test_opening_and_closing_can_be_cancelled(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    for step in range(1, 6):
        db = Database(database_url)
        replace_step(monkeypatch, CancelAt(step, again=False))

        async def life(db: Database = db) -> None:
            try:
                async with db:
                    await db.fetch_all(sa.select(facts))
                    watcher = db.watcher()
                    await watcher.open()
                    await watcher.close()
            finally:
                await db.disconnect()

        await asyncio.gather(asyncio.create_task(life()), return_exceptions=True)
    assert threads_end(before)


# The watcher


@pytest.fixture
async def watcher(db: Database) -> AsyncIterator[CommitWatcher]:
    watcher = db.watcher()
    await watcher.open()
    yield watcher
    await watcher.close()


async def waits(watcher: CommitWatcher, timeout: float) -> float:
    started = asyncio.get_running_loop().time()
    await watcher.wait(timeout)
    return asyncio.get_running_loop().time() - started


async def test_watcher_waits_until_its_timeout(watcher: CommitWatcher) -> None:
    assert await waits(watcher, 0.1) >= 0.09


async def test_commit_between_two_waits_is_not_missed(db: Database, watcher: CommitWatcher) -> None:
    await db.execute(fact("a"))
    assert await waits(watcher, 30) < 5
    assert await waits(watcher, 0.1) >= 0.09, "reported once"


async def test_watcher_wakes_on_the_commit_of_another_process(database_url: str, watcher: CommitWatcher) -> None:
    program = (
        "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as c: c.execute(\"INSERT INTO app_metadata VALUES ('x', '')\")"
    )
    await anyio.run_process([sys.executable, "-c", program, database_url.removeprefix("sqlite:///")])
    assert await waits(watcher, 30) < 5


async def test_commit_is_not_lost_when_waiting_is_cancelled(db: Database, watcher: CommitWatcher) -> None:
    await db.execute(fact("a"))
    task = asyncio.create_task(watcher.wait(30))
    await asyncio.sleep(0)
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    assert await waits(watcher, 30) < 5


async def test_file_error_does_not_wake_the_watcher(watcher: CommitWatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_args: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(aiosqlite.Connection, "execute_fetchall", fail)
    assert await waits(watcher, 0.1) >= 0.09


# -- statements that take too long

ENDLESS = sa.text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")


async def test_slow_statement_is_interrupted_and_the_next_one_runs(database_url: str) -> None:
    async with Database(database_url, readers=1, statement_timeout=0.1) as db:
        for _ in range(3):
            with pytest.raises(Unavailable, match="took too long"):
                await db.fetch_one(ENDLESS)
            assert await db.fetch_val(sa.select(sa.literal(1))) == 1


async def test_transaction_with_a_statement_timeout_is_rolled_back(database_url: str) -> None:
    endless = sa.text(f"INSERT INTO app_metadata (name, value) SELECT '', * FROM ({ENDLESS})")  # noqa: S608 (no value of a client)
    async with Database(database_url, readers=1, statement_timeout=0.1) as db:
        with pytest.raises(Unavailable, match="took too long"):
            async with db.transaction():
                await db.execute(fact("first"))
                await db.execute(endless)
        assert await names(db) == set()
        async with db.transaction():
            await db.execute(fact("second"))
        assert await names(db) == {"second"}
