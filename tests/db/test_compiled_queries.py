"""Cached compiled queries, several statements in one step, and equal rows from each database."""

import contextlib
import datetime as dt

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery, Query
from blog.db.database import Database, UniqueViolation
from blog.db.sqlite.driver import Connection, SqlAndParams, StatementResult
from tests.support.optional import unwrap

facts, events = tables.app_metadata, tables.events
FACT = PreparedQuery(sa.select(facts.c.name, facts.c.value).where(facts.c.name == sa.bindparam("name")))
NOTE = PreparedQuery(facts.insert(), columns=("name", "value"))
AT = dt.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=dt.UTC)


async def names(db: Database) -> list[str]:
    rows = await db.fetch_all(sa.select(facts.c.name).where(facts.c.name.in_(["a", "b"])).order_by(facts.c.name))
    return [row["name"] for row in rows]


async def test_prepared_query_uses_the_values_of_each_call(db: Database) -> None:
    for name in ("a", "b"):
        await db.execute(NOTE(name=name, value=name.upper()))
    assert [unwrap(await db.fetch_one(FACT(name=name)))["value"] for name in ("a", "b", "a")] == ["A", "B", "A"]
    assert await db.fetch_one(FACT(name="c")) is None
    assert await db.fetch_all(FACT(name="c' OR '1'='1")) == []


async def test_prepared_query_returns_the_types_of_its_columns(db: Database) -> None:
    insert = PreparedQuery(events.insert(), columns=("type", "occurred_at", "correlation_id", "channels", "post_id", "data"))
    written = {
        "type": "n",
        "occurred_at": AT,
        "correlation_id": "c",
        "channels": ["x", "y"],
        "post_id": 7,
        "data": {"a": [1, None]},
    }
    row_id = await db.execute(insert(**written))
    at = sa.bindparam("at", type_=events.c.occurred_at.type)
    row = unwrap(await db.fetch_one(PreparedQuery(sa.select(events).where(events.c.occurred_at == at))(at=AT)))
    assert {name: row[name] for name in written} == written
    assert (row["id"], row["comment_id"], len(row)) == (row_id, None, len(events.c))


async def test_rows_have_values_by_name_and_by_index(db: Database) -> None:
    await db.execute(NOTE(name="a", value="A"))
    row = unwrap(await db.fetch_one(FACT(name="a")))
    assert (row["name"], row[0], row[1], list(row._mapping.keys())) == ("a", "a", "A", ["name", "value"])
    assert dict(row._mapping) == {"name": "a", "value": "A"}
    with pytest.raises(KeyError):
        row["nothing"]
    assert await db.fetch_val("SELECT 1 + 1 AS two") == 2


async def test_combined_queries_see_one_snapshot(db: Database) -> None:
    await db.execute(NOTE(name="a", value="1"))
    async with db.snapshot():
        first = await db.fetch_many(FACT(name="a"), FACT(name="b"))
        await _elsewhere(db, NOTE(name="b", value="2"))
        second = await db.fetch_many(FACT(name="a"), FACT(name="b"))
    assert [[row["value"] for row in rows] for rows in first] == [["1"], []]
    assert [[row["value"] for row in rows] for rows in second] == [["1"], []]
    assert await names(db) == ["a", "b"]


async def test_consistent_queries_see_one_snapshot_and_close_it(db: Database) -> None:
    statements: list[str] = []
    db.on_query.append(statements.append)
    assert await db.fetch_many_consistent(FACT(name="a"), FACT(name="b")) == [[], []]
    assert [text.split()[0] for text in statements] == ["BEGIN", "SELECT", "SELECT", "COMMIT"]
    async with db.transaction():
        await db.execute(NOTE(name="a", value="1"))
        ((row,), none) = await db.fetch_many_consistent(FACT(name="a"), FACT(name="b"))
        assert (row["value"], none) == ("1", [])
    for _ in range(20):
        with pytest.raises(Exception, match="no_such"):
            await db.fetch_many_consistent(FACT(name="a"), sa.text("SELECT no_such FROM app_metadata"))
    assert await names(db) == ["a"]


async def _elsewhere(db: Database, call: Query | str) -> None:
    async with Database(str(db.url)) as other:
        await other.execute(call)


async def test_snapshot_without_queries_uses_no_connection(db: Database) -> None:
    for _ in range(20):
        async with db.snapshot():
            pass
    async with db.snapshot(), db.snapshot():
        assert await names(db) == []


async def test_pipelined_statements_are_atomic(db: Database) -> None:
    async with db.transaction():
        await db.pipeline(NOTE(name="a", value="1"), NOTE(name="b", value="2"))
        await db.pipeline()
    assert await names(db) == ["a", "b"]
    await db.execute(facts.delete().where(facts.c.name == "a"))
    with pytest.raises(UniqueViolation):
        async with db.transaction():
            await db.pipeline(NOTE(name="a", value="1"), NOTE(name="b", value="twice"))
    assert await names(db) == ["b"]


async def test_pipelined_statements_run_before_later_statements(db: Database) -> None:
    async with db.transaction():
        await db.pipeline(NOTE(name="a", value="1"))
        assert await names(db) == ["a"]
        await db.pipeline(facts.delete().where(facts.c.name == "a"))
        await db.execute(NOTE(name="a", value="2"))
        await db.pipeline(NOTE(name="b", value="3"))
    assert await names(db) == ["a", "b"]


async def test_savepoint_rolls_back_only_its_pipelined_statements(db: Database) -> None:
    async with db.transaction():
        await db.pipeline(NOTE(name="a", value="before"))
        with contextlib.suppress(ZeroDivisionError):
            async with db.transaction():
                await db.pipeline(NOTE(name="b", value="undone"))
                raise ZeroDivisionError
        assert await names(db) == ["a"]
        async with db.transaction():
            await db.pipeline(NOTE(name="b", value="kept"))
    assert [unwrap(await db.fetch_one(FACT(name=name)))["value"] for name in ("a", "b")] == ["before", "kept"]


async def test_pipelined_statements_are_dropped_by_a_rollback(db: Database) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with db.transaction():
            await db.pipeline(NOTE(name="a", value="1"))
            raise ZeroDivisionError
    async with db.transaction():
        await db.execute(NOTE(name="b", value="2"))
    assert await names(db) == ["b"]


async def test_pipelined_statements_need_a_write_transaction(db: Database) -> None:
    with pytest.raises(RuntimeError, match="open a transaction"):
        await db.pipeline(NOTE(name="a", value="1"))
    with pytest.raises(TypeError, match="open a transaction to write"):
        async with db.snapshot():
            await db.pipeline(NOTE(name="a", value="1"))
    assert await names(db) == []


@pytest.mark.sqlite
async def test_transaction_needs_one_call_to_begin_and_one_to_end(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call into the thread of a connection costs about 0.1 ms."""
    trips: list[list[str]] = []
    run = Connection.run

    async def noted(self: Connection, *texts: SqlAndParams, deadline: float) -> list[StatementResult]:
        trips.append([sql.split()[0] for sql, _ in texts])
        return await run(self, *texts, deadline=deadline)

    monkeypatch.setattr(Connection, "run", noted)
    async with db.transaction():
        pass
    async with db.transaction():
        await db.execute(NOTE(name="a", value="1"))
        await db.pipeline(NOTE(name="b", value="2"))
    assert trips == [["BEGIN", "INSERT"], ["INSERT", "COMMIT"]]


@pytest.mark.sqlite
async def test_lists_of_equal_length_are_compiled_once(db: Database) -> None:
    """An IN list is expanded again at each call, unless each of its values has a separate placeholder."""
    ids: list[sa.BindParameter[str]] = [sa.bindparam(f"name_{place}") for place in range(2)]
    query = PreparedQuery(sa.select(facts.c.name).where(facts.c.name.in_(ids)))
    await db.execute(NOTE(name="b", value="2"))
    assert [row["name"] for row in await db.fetch_all(query(name_0="a", name_1="b"))] == ["b"]
    statements = db._backend._statements
    assert statements.compile(query(name_0="a", name_1="b"))[0] is statements.compile(query(name_0="c", name_1="d"))[0]
