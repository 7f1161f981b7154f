"""Guarantees of the database layer: no lost or partial writes, no connection kept."""

import asyncio
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import anyio
import asyncpg
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database, UniqueViolation
from blog.errors import Unavailable

facts = tables.app_metadata
BROKEN_LINK = (sqlite3.IntegrityError, asyncpg.ForeignKeyViolationError)
COUNTER = facts.c.name == "counter"


@pytest.fixture
async def counter(db: Database) -> Database:
    await db.execute(facts.insert().values(name="counter", value="0"))
    return db


async def value(db: Database) -> int:
    return int(await db.fetch_val(sa.select(facts.c.value).where(COUNTER)))


async def increment(db: Database) -> None:
    async with db.transaction():
        seen = await value(db)
        await asyncio.sleep(0)
        await db.execute(facts.update().where(COUNTER).values(value=str(seen + 1)))


async def test_fifty_transactions_that_read_and_then_write_all_succeed(counter: Database) -> None:
    await asyncio.gather(*(increment(counter) for _ in range(50)))
    assert await value(counter) == 50


async def test_two_processes_write_one_database_without_loss(counter: Database, database_url: str) -> None:
    async with Database(database_url) as other:
        await asyncio.gather(*(increment(database) for database in (counter, other) for _ in range(50)))
    assert await value(counter) == 100


async def test_cancelled_transactions_lose_no_connection_and_are_atomic(counter: Database) -> None:
    """Cancel 300 transactions, each after a random number of steps of the event loop."""
    random.seed(20260101)
    committed = 0
    for _ in range(300):
        task = asyncio.create_task(increment(counter))
        for _ in range(random.randrange(40)):  # noqa: S311
            await asyncio.sleep(0)
            if task.done():
                break
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        assert result is None or isinstance(result, asyncio.CancelledError)
        seen = await value(counter)
        assert seen in (committed, committed + 1), "all or nothing"
        if result is None:
            assert seen == committed + 1, "what was answered with success is there"
        committed = seen
    async with asyncio.timeout(5):
        await asyncio.gather(*(increment(counter) for _ in range(20)), *(value(counter) for _ in range(20)))
    assert await value(counter) == committed + 20


async def test_readers_do_not_wait_for_a_writer(counter: Database) -> None:
    async with counter.transaction():
        await counter.execute(facts.update().where(COUNTER).values(value="7"))
        assert await value(counter) == 7, "a transaction reads what it wrote"
        async with asyncio.timeout(5):
            seen = await asyncio.gather(*(asyncio.create_task(value(counter)) for _ in range(8)))
        assert seen == [0] * 8, "others see the state before"
    assert await value(counter) == 7


async def test_snapshot_sees_one_state(counter: Database) -> None:
    async with counter.snapshot():
        before = await value(counter)
        await asyncio.create_task(increment(counter))
        assert await value(counter) == before
    assert await value(counter) == before + 1


async def test_reader_cannot_write(counter: Database) -> None:
    async with counter.snapshot():
        with pytest.raises(TypeError, match="read-only"):
            await counter.execute(facts.update().where(COUNTER).values(value="9"))
    assert await value(counter) == 0


async def test_deferred_transaction_begins_with_its_first_write_transaction(counter: Database) -> None:
    begun = 0

    async def on_begin() -> None:
        nonlocal begun
        begun += 1

    async with counter.deferred_transaction(on_begin):
        async with counter.snapshot():
            assert await value(counter) == 0
        async with asyncio.timeout(5):
            await asyncio.create_task(increment(counter))  # another writer does not wait
        assert begun == 0
        for _ in range(2):
            await increment(counter)
        assert begun == 1
        assert await asyncio.create_task(value(counter)) == 1, "nothing is committed before the end"
    assert await value(counter) == 3


async def test_deferred_transaction_is_rolled_back_as_a_whole(counter: Database) -> None:
    async def forbid() -> None:
        assert await value(counter) == 0
        raise ZeroDivisionError

    async def allow() -> None:
        return None

    with pytest.raises(ZeroDivisionError):
        async with counter.deferred_transaction(allow):
            await increment(counter)
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        async with counter.deferred_transaction(forbid):
            await increment(counter)
    assert await value(counter) == 0
    await increment(counter)
    assert await value(counter) == 1, "later transactions of the task are separate"


async def test_deferred_transaction_is_the_outermost_one(counter: Database) -> None:
    async def on_begin() -> None:
        return None

    async with counter.transaction():
        with pytest.raises(RuntimeError, match="outermost"):
            async with counter.deferred_transaction(on_begin):
                pass
    async with counter.deferred_transaction(on_begin):
        with pytest.raises(RuntimeError, match="outermost"):
            async with counter.deferred_transaction(on_begin):
                pass


async def test_inner_transaction_is_rolled_back_alone(counter: Database) -> None:
    async with counter.transaction():
        await counter.execute(facts.update().where(COUNTER).values(value="1"))
        with pytest.raises(ZeroDivisionError):
            async with counter.transaction():
                await counter.execute(facts.update().where(COUNTER).values(value="2"))
                raise ZeroDivisionError
        assert await value(counter) == 1
    assert await value(counter) == 1


async def test_failed_transaction_is_rolled_back_and_releases_its_connection(counter: Database) -> None:
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            async with counter.transaction():
                await counter.execute(facts.update().where(COUNTER).values(value="5"))
                raise ZeroDivisionError
    assert await value(counter) == 0
    await increment(counter)


@pytest.mark.sqlite
async def test_failed_commit_releases_the_connection(counter: Database) -> None:
    """COMMIT checks deferred foreign keys, and fails."""
    for _ in range(5):
        with pytest.raises(sqlite3.IntegrityError):
            async with counter.transaction():
                await counter.execute(sa.text("PRAGMA defer_foreign_keys=ON"))
                await counter.execute(tables.post_slugs.insert().values(slug="lost", post_id=99))
    assert await counter.fetch_all(sa.select(tables.post_slugs)) == []
    await increment(counter)


@pytest.mark.sqlite
async def test_busy_writer_is_awaited_and_then_reported(database_url: str) -> None:
    holder = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    async with Database(database_url, busy_timeout=0.05) as db:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await db.execute(facts.insert().values(name="x", value=""))
        holder.execute("ROLLBACK")
        await db.execute(facts.insert().values(name="x", value=""))
    holder.close()


async def test_acquire_timeout_raises(database: str, database_url: str) -> None:
    one = {"readers": 1} if database == "sqlite" else {"pool_max": 1}
    async with Database(database_url, **one, acquire_timeout=0.05) as db, db.snapshot():
        await db.fetch_all(sa.select(facts))
        with pytest.raises(Unavailable, match="busy"):
            await asyncio.create_task(db.fetch_all(sa.select(facts)))


async def test_foreign_keys_hold_in_and_out_of_transactions(db: Database) -> None:
    row = tables.post_slugs.insert().values(slug="orphan", post_id=1)
    with pytest.raises(BROKEN_LINK):
        await db.execute(row)
    with pytest.raises(BROKEN_LINK):
        async with db.transaction():
            await db.execute(row)


async def test_unique_violation_names_table_and_column(db: Database) -> None:
    await db.execute(facts.insert().values(name="one", value=""))
    with pytest.raises(UniqueViolation) as violation:
        await db.execute(facts.insert().values(name="one", value=""))
    assert (violation.value.table, violation.value.column) == ("app_metadata", "name")


async def test_update_returns_the_row_count_and_insert_the_new_id(db: Database) -> None:
    tag = tables.tags.insert()
    assert await db.execute(tag.values(name="a", name_folded="a")) == 1
    assert await db.execute(tag.values(name="b", name_folded="b")) == 2
    assert await db.execute(tables.tags.update().values(name="c")) == 2
    assert await db.execute(tables.tags.update().where(tables.tags.c.id == 99).values(name="c")) == 0
    assert await db.execute(tables.tags.delete()) == 2


async def test_child_tasks_of_a_transaction_are_not_part_of_it(counter: Database) -> None:
    async with counter.transaction():
        await counter.execute(facts.update().where(COUNTER).values(value="3"))
        async with asyncio.timeout(5):
            assert list(await asyncio.gather(value(counter), value(counter))) == [0, 0]


@pytest.mark.sqlite
async def test_watcher_wakes_on_the_commits_of_others(database_url: str, db: Database) -> None:
    watcher = db.watcher()
    await watcher.open()
    try:
        other = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        with other:
            other.execute("INSERT INTO app_metadata VALUES ('x', '')")
        other.close()
        with anyio.fail_after(5):
            await watcher.wait(60)
    finally:
        await watcher.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///x.db?timeout=30"])
def test_ambiguous_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="path of a file"):
        Database(url)


async def test_unreadable_file_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open"):
        await Database(f"sqlite:///{tmp_path}/no/such/folder/blog.db").connect()


def test_process_ends_after_disconnect(database_url: str) -> None:
    program = (
        "import asyncio, sys\nfrom blog.db.database import Database\n"
        "async def main():\n    async with Database(sys.argv[1]) as db:\n        await db.fetch_all('SELECT 1')\n"
        "asyncio.run(main())"
    )
    subprocess.run([sys.executable, "-c", program, database_url], check=True, timeout=30)
