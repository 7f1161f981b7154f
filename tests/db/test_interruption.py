"""Statements end at their timeout, with their task, and at the shutdown of the server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.errors import Unavailable
from tests.support.patience import seconds

facts = tables.app_metadata
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM n)"
ENDLESS = sa.text(f"SELECT count(*) FROM ({NUMBERS} SELECT i FROM n) AS numbers")  # noqa: S608 (no value of a client)
ENDLESS_WRITE = sa.text(f"INSERT INTO app_metadata (name, value) {NUMBERS} SELECT CAST(i AS text), '' FROM n")  # noqa: S608
AN_HOUR = 3600


@pytest.fixture
async def patient(database_url: str) -> AsyncIterator[Database]:
    """A database with timeouts that are longer than any test."""
    async with Database(database_url, acquire_timeout=AN_HOUR, statement_timeout=AN_HOUR) as db:
        yield db


async def read(db: Database) -> None:
    await db.fetch_all(ENDLESS)


async def read_in_snapshot(db: Database) -> None:
    async with db.snapshot():
        await db.fetch_all(sa.select(facts))
        await db.fetch_all(ENDLESS)


async def write(db: Database) -> None:
    async with db.transaction():
        await db.execute(facts.insert().values(name="first", value=""))
        await db.fetch_all(ENDLESS)


async def write_endlessly(db: Database) -> None:
    async with db.transaction():
        await db.execute(facts.insert().values(name="first", value=""))
        await db.execute(ENDLESS_WRITE)


WORK = [read, read_in_snapshot, write, write_endlessly]


async def started(db: Database, work: Callable[[Database], Awaitable[None]]) -> asyncio.Task[None]:
    """Start the work, and return when its endless statement is sent to the driver."""
    is_running = asyncio.Event()
    db.on_query.append(lambda sql: is_running.set() if "RECURSIVE" in sql else None)
    task = asyncio.ensure_future(work(db))
    async with asyncio.timeout(seconds(10)):
        await is_running.wait()
    return task


async def names(db: Database) -> set[str]:
    async with asyncio.timeout(seconds(10)):
        return {row["name"] for row in await db.fetch_all(sa.select(facts.c.name))} & {"first", "second", "1"}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("pause", [0, 0.05])
async def test_statement_ends_with_its_task(patient: Database, work: Callable[[Database], Awaitable[None]], pause: float) -> None:
    for _ in range(3):
        task = await started(patient, work)
        await asyncio.sleep(pause)  # without it, the statement waits for its thread
        task.cancel()
        async with asyncio.timeout(seconds(10)):
            (result,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError)
        assert await names(patient) == set()
    async with patient.transaction():
        await patient.execute(facts.insert().values(name="second", value=""))
    assert await names(patient) == {"second"}


@pytest.mark.parametrize("work", WORK)
async def test_statement_ends_at_its_timeout(database_url: str, work: Callable[[Database], Awaitable[None]]) -> None:
    async with Database(database_url, statement_timeout=0.1) as db, asyncio.timeout(seconds(10)):
        with pytest.raises(Unavailable, match="took too long"):
            await work(db)
        assert await names(db) == set()


@pytest.mark.sqlite
async def test_timeout_is_that_of_all_statements_of_a_batch(database_url: str) -> None:
    """An interrupt between two statements of one call to the thread would be lost."""
    async with Database(database_url, statement_timeout=0.1) as db, asyncio.timeout(seconds(10)):
        queries = [sa.text(f"SELECT count(*) FROM ({NUMBERS} SELECT i FROM n LIMIT 30000)")] * 500  # noqa: S608
        with pytest.raises(Unavailable, match="took too long"):
            await db.fetch_many(*queries)


@pytest.mark.parametrize("work", WORK)
async def test_statement_ends_at_the_shutdown(patient: Database, work: Callable[[Database], Awaitable[None]]) -> None:
    task = await started(patient, work)
    patient.limit_statements(0.5)
    async with asyncio.timeout(seconds(10)):
        with pytest.raises(Unavailable, match=r"took too long|shutting down"):
            await task
        with pytest.raises(Unavailable, match=r"took too long|shutting down"):
            await work(patient)
        await patient.execute(sa.insert(facts).values(name="second", value=""))
        assert await names(patient) == {"second"}, "short statements of the shutdown still run"


@pytest.mark.sqlite
@pytest.mark.parametrize("work", WORK)
async def test_database_that_closes_ends_its_statements(database_url: str, work: Callable[[Database], Awaitable[None]]) -> None:
    db = Database(database_url, statement_timeout=AN_HOUR)
    await db.connect()
    task = await started(db, work)
    async with asyncio.timeout(seconds(10)):
        await db.disconnect()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.sqlite
async def test_wait_for_the_lock_of_another_process_ends_with_its_task(database_url: str, patient: Database) -> None:
    """SQLite's own wait cannot be interrupted."""
    async with Database(database_url, busy_timeout=AN_HOUR) as waiting, patient.transaction():
        await patient.execute(facts.insert().values(name="first", value=""))
        task = asyncio.create_task(waiting.execute(facts.insert().values(name="second", value="")))
        is_sent = asyncio.Event()
        waiting.on_query.append(lambda _sql: is_sent.set())
        await is_sent.wait()
        task.cancel()
        async with asyncio.timeout(seconds(10)):
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
    assert await names(patient) == {"first"}
