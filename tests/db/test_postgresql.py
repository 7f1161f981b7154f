"""The PostgreSQL backend: connections, errors, cancellation, and the order of events."""

import asyncio
import contextlib
import datetime as dt
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import anyio
import asyncpg
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from blog.app import create_app
from blog.db import migration, tables
from blog.db.cancellation import run_shielded
from blog.db.database import CommitWatcher, Database, UniqueViolation
from blog.db.postgresql.errors import explain
from blog.domain.core import events
from blog.errors import Unavailable
from tests.conftest import running
from tests.support.configuration import make_settings
from tests.support.optional import unwrap
from tests.support.postgres import Databases, Server

facts, tags = tables.app_metadata, tables.tags
SIZE = 3


@pytest.fixture
def url(databases: Databases) -> str:
    return databases.migrated()


@pytest.fixture
async def small(url: str) -> AsyncIterator[Database]:
    async with Database(url, pool_max=SIZE, acquire_timeout=5, statement_timeout=20) as db:
        yield db


async def names(db: Database) -> set[str]:
    return {row["name"] for row in await db.fetch_all(sa.select(facts.c.name))} - {"event_epoch"}


def fact(name: str) -> sa.Insert:
    return facts.insert().values(name=name, value="")


async def is_whole(db: Database) -> bool:
    """Return whether every connection and the write lock are available, and no transaction is open."""
    pool = db._backend._pool
    async with asyncio.timeout(5):
        taken = [await pool.acquire_reader() for _ in range(SIZE)]
        is_clean = not any(connection.is_in_transaction() for connection in taken)
        for connection in taken:
            await pool.release_reader(connection)
        await pool.release_writer(await pool.acquire_writer())
    return is_clean and await db.fetch_val(sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) == 0


async def end_others(db: Database) -> None:
    """Terminate all other connections of the blog to this database."""
    ours = "datname = current_database() AND application_name LIKE 'blog%' AND pid <> pg_backend_pid()"
    await db.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")  # noqa: S608


# Connections


async def test_sessions_have_the_settings(url: str) -> None:
    async with Database(url, acquire_timeout=2, statement_timeout=7) as db:
        for name, expected in (
            ("statement_timeout", "7s"), ("lock_timeout", "2s"), ("timezone", "UTC"), ("application_name", "blog"),
            ("idle_in_transaction_session_timeout", "1min"),
        ):  # fmt: skip
            assert await db.fetch_val(f"SELECT current_setting('{name}')") == expected


async def test_more_tasks_than_connections_take_turns(small: Database) -> None:
    seen = await asyncio.gather(*(small.fetch_val(sa.select(sa.func.count()).select_from(facts)) for _ in range(40)))
    assert seen == [1] * 40
    assert await small.fetch_val("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blog'") <= SIZE


async def test_many_writers_leave_connections_for_readers(small: Database) -> None:
    async with small.transaction():
        crowd = [asyncio.create_task(write(small, str(number))) for number in range(20)]
        await asyncio.sleep(0)
        async with asyncio.timeout(4):
            assert await asyncio.create_task(names(small)) == set()
    await asyncio.gather(*crowd)
    assert len(await names(small)) == 20


async def write(db: Database, name: str) -> None:
    async with db.transaction():
        await db.execute(fact(name))


async def test_acquire_timeout_raises(url: str) -> None:
    async with Database(url, pool_max=1, acquire_timeout=0.05) as db, db.snapshot():
        await db.fetch_all(sa.select(facts))
        with pytest.raises(Unavailable, match="busy"):
            await asyncio.create_task(db.fetch_all(sa.select(facts)))


async def test_lock_of_another_process_is_awaited_and_then_reported(url: str) -> None:
    async with Database(url, acquire_timeout=0.1) as db, Database(url) as other:
        async with other.transaction():
            with pytest.raises(Unavailable, match="write to the database for too long"):
                await asyncio.create_task(write(db, "a"))
        await write(db, "b")
        assert await names(db) == {"b"}


async def test_slow_statement_is_interrupted(url: str) -> None:
    async with Database(url, pool_max=1, statement_timeout=0.1) as db:
        for _ in range(3):
            with pytest.raises(Unavailable, match="took too long"):
                await db.fetch_all("SELECT pg_sleep(60)")
        assert await db.fetch_val("SELECT 1") == 1


async def test_cancelled_statement_ends_on_the_server(url: str) -> None:
    """The next statement uses its connection only afterwards."""
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    async with Database(url) as database, Database(url) as other:
        for number in range(3):
            task = asyncio.create_task(database.fetch_all(f"SELECT pg_sleep(60), {number}"))
            while not await other.fetch_val(running):
                pass
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await other.fetch_val(running) == 0
            assert await database.fetch_val("SELECT 7") == 7
        assert database.pool_stats.in_use == 0


async def test_terminated_connections_are_reopened(small: Database) -> None:
    await asyncio.gather(*(small.fetch_all("SELECT pg_sleep(0.01)") for _ in range(SIZE)))
    await end_others(small)
    for _ in range(20):
        try:
            await write(small, "a")
            break
        except Unavailable:
            await asyncio.sleep(0.01)
    assert await names(small) == {"a"}
    assert await is_whole(small)


async def test_terminated_connection_rolls_back_its_transaction(small: Database, url: str) -> None:
    async with Database(url) as other:
        with pytest.raises(Unavailable):
            async with small.transaction():
                await small.execute(fact("lost"))
                await asyncio.create_task(end_others(other))
                await small.execute(fact("lost too"))
    await write(small, "kept")
    assert await names(small) == {"kept"}
    assert await is_whole(small)


async def test_database_can_be_connected_again(url: str) -> None:
    db = Database(url)
    for name in ("a", "b"):
        async with db:
            await db.execute(fact(name))
    async with db:
        assert await names(db) == {"a", "b"}


@pytest.mark.parametrize("options", [{"pool_max": 0}, {"pool_min": 3, "pool_max": 2}, {"pool_min": -1}])
def test_invalid_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        Database("postgresql://localhost/blog", **options)


# What a statement returns


async def test_one_statement_serves_other_values_and_is_compiled_once(small: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    query = sa.select(facts).where(facts.c.name == "event_epoch")
    await small.fetch_one(query)
    monkeypatch.setattr(type(query), "compile", None)
    assert unwrap(await small.fetch_one(query))["name"] == "event_epoch"
    assert await small.fetch_one(sa.select(facts).where(facts.c.name == "c")) is None


async def test_values_are_returned_unchanged(small: Database) -> None:
    now = dt.datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))
    user = {"username": "ada", "username_folded": "ada", "name": "Ada", "role": "author", "created_at": now, "updated_at": now}
    user_id = await small.execute(tables.users.insert().values(user))
    token = {"user_id": user_id, "name": "t", "secret_hash": "x", "scopes": ["a", "ü"], "created_at": now, "expires_at": now}
    await small.execute(tables.api_tokens.insert().values(token))
    row = unwrap(await small.fetch_one(sa.select(tables.api_tokens, tables.users.c.email).join(tables.users)))
    assert (row["scopes"], row["created_at"], row["created_at"].tzinfo, row["email"]) == (["a", "ü"], now, dt.UTC, None)
    assert dict(row)["scopes"] == ["a", "ü"]
    await small.execute(tables.feature_flags.insert().values(name="f", enabled=True, updated_at=now))
    assert await small.fetch_val(sa.select(tables.feature_flags.c.enabled)) is True


async def test_savepoint_is_closed_after_its_rollback(small: Database) -> None:
    async with small.transaction():
        with pytest.raises(UniqueViolation):
            async with small.transaction():
                await small.execute(fact("event_epoch"))
        await small.execute(fact("a"))
    assert await names(small) == {"a"}


async def test_commit_after_a_swallowed_error_raises(small: Database) -> None:
    with pytest.raises(Unavailable, match="rolled back"):
        async with small.transaction():
            await small.execute(fact("a"))
            with pytest.raises(UniqueViolation):
                await small.execute(fact("a"))
    assert await names(small) == set()
    assert await is_whole(small)


# Errors


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("57P01", "down or restarting"), ("08006", "down or restarting"), ("53100", "disk of the database is full"),
        ("53300", "no free connections"), ("55P03", "write to the data"), ("40P01", "busy"), ("40001", "busy"), ("58030", "disk"),
        ("28P01", "check name, password"), ("3D000", "createdb"), ("25006", "standby"), ("42501", "privilege"),
    ],
)  # fmt: skip
def test_each_outage_is_reported_with_a_remedy(state: str, expected: str) -> None:
    assert expected in unwrap(explain(asyncpg.PostgresError.new({"C": state, "M": "m"})))


def test_statement_error_is_not_an_outage() -> None:
    assert explain(asyncpg.UndefinedTableError("m")) is None


async def test_unknown_table_and_invalid_value_are_errors(small: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await small.fetch_all("SELECT * FROM nowhere")
    with pytest.raises(asyncpg.DataError):
        await small.fetch_all(sa.select(facts).where(facts.c.name == sa.literal(5, sa.String)))


@pytest.mark.parametrize("address", ["postgresql://postgres@127.0.0.1:1/blog", "postgresql:///blog?host=/nowhere"])
async def test_missing_server_is_reported(address: str) -> None:
    for ask in (migration.upgrade, migration.pending):
        with pytest.raises(Unavailable, match="start it"):
            ask(address)
    with pytest.raises(Unavailable, match="start it"):
        await Database(address).connect()


async def test_missing_database_is_reported(url: str) -> None:
    address = sa.make_url(url).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(Unavailable, match="createdb"):
        await Database(address).connect()


def words(logs: list[Any]) -> list[str]:
    return [line["event"] for line in logs if str(line["event"]).startswith("the database can")]


async def test_application_recovers_with_its_database_server(tmp_path: Path) -> None:
    """The blog answers 503 at once while the server is down; then 200, with live updates."""
    with Server() as server:
        migration.upgrade(server.url)
        settings = make_settings(secret_key="0123456789abcdefghijklmnopqrstuvwxyz", rate_limit="off",
                            max_cache_bytes=0,
                            database_url=server.url, media_dir=tmp_path / "media", database_timeout=5)  # fmt: skip
        with capture_logs() as logs:
            async with running(create_app(settings)) as client:
                assert (await client.get("/api/v1/posts")).status_code == 200
                server.stop()
                for _ in range(3):
                    gone = await client.get("/api/v1/posts")
                assert (gone.status_code, gone.headers["Retry-After"]) == (503, "5")
                assert "database" in gone.json()["detail"]
                server.start()
                assert (await client.get("/api/v1/posts")).status_code == 200
                made = await client.post("/api/v1/users", json={"username": "ada", "email": "ada@example.org"})
                assert made.status_code == 201
                async with asyncio.timeout(30):  # it is over when nothing failed for a second
                    while len(words(logs)) < 2:
                        assert (await client.get("/api/v1/posts")).status_code == 200
    assert words(logs) == ["the database cannot be used", "the database can be used again"], "each once"


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
    for module in ("postgresql.pool", "instrumentation", "postgresql.watcher"):
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


async def test_cancelled_work_loses_no_connection(small: Database) -> None:
    """Cancel 300 tasks, each after a random number of steps of the event loop."""
    random.seed(20260101)
    for _ in range(300):
        task = asyncio.create_task(work(small))
        for _ in range(random.randrange(60)):  # noqa: S311
            await asyncio.sleep(0)
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert result is None or isinstance(result, asyncio.CancelledError | UniqueViolation)
    assert await is_whole(small)


async def test_waiting_for_the_turn_to_write_can_be_cancelled(small: Database) -> None:
    async with small.transaction():
        waiting = [asyncio.create_task(write(small, str(number))) for number in range(5)]
        with anyio.move_on_after(0.05):
            await asyncio.wait(waiting)
        for task in waiting:
            task.cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert await is_whole(small)


# The order of events


def event(post_id: int) -> sa.Insert:
    values = {"type": "post.published", "occurred_at": dt.datetime.now(dt.UTC), "correlation_id": "test"}
    return tables.events.insert().values(**values, channels=["posts"], post_id=post_id, data={})


async def seen(db: Database) -> list[int]:
    return [event.post_id for event in await events.after(db, 0)]


async def test_transactions_commit_events_in_the_order_of_their_ids(url: str) -> None:
    """The second worker gets its id after the first has committed, so that no reader skips an id that is committed later."""
    first_has_written, first_may_commit = asyncio.Event(), asyncio.Event()
    async with Database(url) as one, Database(url) as two, Database(url) as reader:

        async def hold() -> None:
            async with one.transaction():
                await one.execute(event(1))
                first_has_written.set()
                await first_may_commit.wait()

        async def follow() -> None:
            async with two.transaction():
                await two.execute(event(2))

        holding = asyncio.create_task(hold())
        await first_has_written.wait()
        following = asyncio.create_task(follow())
        async with asyncio.timeout(5):
            while not await reader.fetch_val("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                pass  # each look takes its time
        assert await seen(reader) == []
        assert not following.done()
        first_may_commit.set()
        await asyncio.gather(holding, following)
        assert await seen(reader) == [1, 2]


async def test_writers_outside_the_application_wait_for_each_other(url: str) -> None:
    """The trigger keeps the order of transactions that took no lock at their beginning, such as in psql."""
    columns = "type, occurred_at, correlation_id, channels, post_id, data"
    insert = f"INSERT INTO events ({columns}) VALUES ('post.published', now(), '', '[]', $1, '{{}}')"  # noqa: S608
    async with contextlib.AsyncExitStack() as stack:
        one, two = await asyncpg.connect(url), await asyncpg.connect(url)
        stack.push_async_callback(one.close)
        stack.push_async_callback(two.close)
        first, second = one.transaction(), two.transaction()
        await first.start()
        await second.start()
        await two.execute("SELECT 1")
        await one.execute(insert, 1)
        waiting = asyncio.create_task(two.execute(insert, 2))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        await first.rollback()
        await waiting
        await second.commit()
        assert [row["post_id"] for row in await one.fetch("SELECT post_id FROM events ORDER BY id")] == [2]


async def test_reader_of_the_event_log_misses_no_event_of_many_writers(url: str) -> None:
    """Four workers write as fast as they can. A reader that continues after its last id gets each event once."""
    writers = [Database(url, pool_max=4) for _ in range(4)]
    async with Database(url) as reader, writers[0], writers[1], writers[2], writers[3]:

        async def write_events(db: Database, first: int) -> None:
            for number in range(first, first + 15):
                async with db.transaction():
                    await db.execute(event(number))

        writing = asyncio.gather(
            *(write_events(db, 100 * place + 15 * task) for place, db in enumerate(writers) for task in (0, 1))
        )
        heard: list[int | None] = []
        last = 0
        while len(heard) < 120:
            for found in await events.after(reader, last, limit=7):
                heard.append(found.post_id)
                last = found.id
            if writing.done() and len(heard) < 120 and not await events.after(reader, last, limit=1):
                break
        await writing
        assert len(heard) == len(set(heard)) == 120


async def test_rollback_leaves_no_gap_in_the_log(small: Database) -> None:
    for number in range(4):
        with contextlib.suppress(ZeroDivisionError):
            async with small.transaction():
                await small.execute(event(number))
                if number % 2 == 0:
                    raise ZeroDivisionError
    assert [found.id for found in await events.after(small, 0)] == [1, 2]
    await small.execute(tables.events.delete())
    async with small.transaction():
        await small.execute(event(5))
    assert [found.id for found in await events.after(small, 0)] == [3], "an id is not given twice"


# The watcher


@pytest.fixture
async def watcher(small: Database) -> AsyncIterator[CommitWatcher]:
    watcher = small.watcher()
    await watcher.open()
    yield watcher
    await watcher.close()


async def waits(watcher: CommitWatcher, timeout: float) -> float:
    started = asyncio.get_running_loop().time()
    await watcher.wait(timeout)
    return asyncio.get_running_loop().time() - started


async def test_watcher_waits_until_its_timeout(watcher: CommitWatcher) -> None:
    assert await waits(watcher, 0.1) >= 0.09


async def test_watcher_wakes_once_on_the_events_of_others(url: str, watcher: CommitWatcher) -> None:
    async with Database(url) as other, other.transaction():
        await other.execute(event(1))
    assert await waits(watcher, 30) < 5
    assert await waits(watcher, 0.1) >= 0.09


async def test_watcher_wakes_on_the_commits_of_the_same_process(small: Database, watcher: CommitWatcher) -> None:
    await write(small, "a")
    assert await waits(watcher, 30) < 5


async def test_terminated_watcher_wakes_and_listens_again(url: str, small: Database, watcher: CommitWatcher) -> None:
    async with Database(url) as other:
        await end_others(other)
        assert await waits(watcher, 30) < 5, "something may have been said meanwhile"
        await waits(watcher, 0.2)
        await waits(watcher, 0.2)
        async with other.transaction():
            await other.execute(event(1))
    assert await waits(watcher, 30) < 5


async def test_watcher_closed_while_opening_leaves_no_connection(small: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in range(1, 4):
        replace_step(monkeypatch, CancelAt(step, again=False))
        watcher = small.watcher()

        async def life(watcher: CommitWatcher = watcher) -> None:
            try:
                await watcher.open()
                await watcher.wait(0.01)
            finally:
                await watcher.close()

        await asyncio.gather(asyncio.create_task(life()), return_exceptions=True)
    replace_step(monkeypatch, run_shielded)
    left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'blog listener'"
    async with asyncio.timeout(5):
        while await small.fetch_val(left):
            pass  # the server takes a moment to notice
