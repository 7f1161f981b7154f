"""Behaviour of a server while its disk is full, or its database locked, read-only, gone or replaced: 503, one line, recovery."""

import asyncio
import contextlib
import inspect
import os
import resource
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from blog.app import create_app
from blog.settings import Settings
from tests.conftest import Bearer, running
from tests.support.serving import blog, free_port, serving, wait_until_up

pytestmark = pytest.mark.sqlite
POSTS = "/api/v1/posts"
POST = {"title": "A post", "content": "Text"}
CANNOT, CAN = "the database cannot be written", "the database can be written again"
NO_READING, READING = "the database cannot be read", "the database can be read again"


@pytest.fixture
def short_timeout(settings: Settings) -> Settings:
    return settings.model_copy(update={"database_timeout": 0.1})


@pytest.fixture
async def headers(bearer: Bearer) -> dict[str, str]:
    return await bearer("ada")


async def write(client: httpx2.AsyncClient, headers: dict[str, str]) -> httpx2.Response:
    return await client.post(POSTS, json=POST, headers=headers)


def require_refusal(answer: httpx2.Response, words: str) -> None:
    """Check that the response is a problem with a reason and a Retry-After header."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def logged_states(logs: list[EventDict]) -> list[tuple[str, str]]:
    return [(line["log_level"], line["event"]) for line in logs if line["event"] in (CANNOT, CAN, NO_READING, READING)]


async def until_over(logs: list[EventDict], *steps: Callable[[], Awaitable[object]]) -> None:
    """Repeat the steps until the log reports the recovery, one second after the last failure."""
    async with asyncio.timeout(30):
        while logged_states(logs)[-1][0] != "info":
            for step in steps:
                await step()


async def test_database_locked_by_another_process(short_timeout: Settings, headers: dict[str, str]) -> None:
    holder = sqlite3.connect(short_timeout.database_path, isolation_level=None)
    with capture_logs() as logs:
        async with running(create_app(short_timeout)) as client:
            holder.execute("BEGIN EXCLUSIVE")
            refused = await asyncio.gather(*(write(client, headers) for _ in range(5)))
            for answer in refused:
                assert answer.status_code == 503
            require_refusal(await write(client, headers), "locked")
            assert (await client.get(POSTS)).status_code == 200, "reading goes on"
            page = await client.post("/login", data={"username": "ada", "password": "a long enough one"})
            assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
            assert "<h1>Temporarily unavailable</h1>" in page.text
            assert "The database is locked" in page.text
            assert 'name="password"' not in page.text, "the usual page, not the form again"
            holder.execute("ROLLBACK")
            assert (await write(client, headers)).status_code == 201
            assert len((await client.get(POSTS)).json()["items"]) == 1
            await until_over(logs, lambda: write(client, headers))
    holder.close()
    assert logged_states(logs) == [("warning", CANNOT), ("info", CAN)]


@pytest.mark.parametrize(
    ("pragma", "words"),
    [("PRAGMA query_only=ON", "cannot be written"), ("PRAGMA max_page_count=1", "free some space")],
    ids=["read-only", "full"],
)
async def test_read_only_database(settings: Settings, headers: dict[str, str], pragma: str, words: str) -> None:
    """Every new connection fails as on a full or read-only disk, until the fault is over."""
    app = create_app(settings)
    with capture_logs() as logs:
        async with running(app) as client:
            pool = client_pool(client)
            usual = pool._pragmas
            pool._pragmas = (*usual, pragma)
            writer = await pool.acquire_writer()  # not while somebody uses it
            pool.mark_broken(writer)
            pool.release_writer(writer)
            for _ in range(3):
                require_refusal(await client.post(POSTS, json=POST | {"content": "x" * 50_000}, headers=headers), words)
            assert (await client.get("/")).status_code == 200, "reading goes on"
            pool._pragmas = usual
            statuses = [(await write(client, headers)).status_code for _ in range(2)]
            assert statuses[-1] == 201
            await until_over(logs, lambda: write(client, headers))
    assert logged_states(logs) == [("warning", CANNOT), ("info", CAN)]


def client_pool(client: httpx2.AsyncClient) -> Any:
    """Return the connection pool of the application behind a client."""
    transport: Any = client._transport
    cells = inspect.getclosurevars(transport.app).nonlocals
    return cells["state"]["app_state"].site.db._backend._pool


async def test_database_outage_and_recovery(settings: Settings, headers: dict[str, str]) -> None:
    path, away = settings.database_path, settings.database_path.with_name("away")
    with capture_logs() as logs:
        async with running(create_app(settings)) as client:
            assert (await write(client, headers)).status_code == 201
            path.rename(away)
            for _ in range(3):
                require_refusal(await client.get(POSTS), "cannot be opened")
                assert (await write(client, headers)).status_code == 503
                assert (await client.get("/")).status_code == 503
            assert not path.exists(), "no empty one is made in its place"
            away.rename(path)
            assert (await client.get(POSTS)).json()["items"][0]["title"] == "A post"
            assert (await write(client, headers)).status_code == 201
            begun = [line["event"] for line in logs if line["event"] in (CANNOT, NO_READING)]
            async with asyncio.timeout(30):
                while len(logged_states(logs)) < 2 * len(begun):
                    await asyncio.gather(client.get(POSTS), write(client, headers))
    assert begun != []
    assert len(logged_states(logs)) == 2 * len(set(begun)), "one line when each begins, one when each ends"


async def test_replaced_database_is_served(settings: Settings, headers: dict[str, str], tmp_path: Path) -> None:
    path, other = settings.database_path, tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(other),))
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("INSERT INTO site_preferences VALUES ('title', '\"Another blog\"', NULL, '2026-01-01')")
        connection.execute("UPDATE app_metadata SET value = 'other' WHERE name = 'event_epoch'")
        connection.commit()
    async with running(create_app(settings)) as client:
        assert (await write(client, headers)).status_code == 201
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink()
        other.rename(path)
        assert (await client.get(POSTS)).json()["items"] == []
        made = await write(client, headers)
        assert made.status_code == 201, "the same people may write there"
        cursor = (await client.get("/api/v1/events", params={"channel": "posts"})).json()["cursor"]
        assert cursor.startswith("other."), "the log of the other one is followed"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM posts").fetchone() == (1,), "nothing was written to a file that is gone"


def test_server_on_a_full_disk(tmp_path: Path) -> None:
    """The kernel refuses to let files grow above 64 KiB while the server runs; then it allows it again."""
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    token = blog(tmp_path, "token", "create", "ada").stdout.strip()
    port = free_port()
    with serving(tmp_path, port, RATE_LIMIT="off") as (server, log):
        wait_until_up(port, server)
        url, large = f"http://127.0.0.1:{port}", POST | {"content": "word " * 20_000}
        with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
            assert client.post(POSTS, json=large).status_code == 201
            _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (65_536, hard))
            for _ in range(4):
                require_refusal(client.post(POSTS, json=large), "disk")
            assert client.get(POSTS).status_code == 200, "reading goes on"
            assert client.get("/").status_code == 200
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
            assert client.post(POSTS, json=large).status_code == 201
            assert len(client.get(POSTS).json()["items"]) == 2, "what was refused is not there"
            deadline = time.monotonic() + 30
            while CAN not in log.read_text() and time.monotonic() < deadline:
                assert client.post(POSTS, json=POST).status_code == 201
    words = log.read_text()
    assert (words.count(CANNOT), words.count(CAN)) == (1, 1)
    assert "Traceback" not in words
    assert blog(tmp_path, "check").stdout == "No problems found.\n"
    assert os.path.getsize(log) < 65_536, "or its lines were lost too"
