"""A statement without end ends when its client leaves, and when the server is stopped; in a real server."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from blog.app import Application
from blog.domain.core.context import Context
from blog.errors import NotAuthenticated
from blog.server.http import LimitedHttpProtocol
from tests.support.live_server import served
from tests.support.patience import seconds
from tests.support.serving import clean_environment, free_port, wait_for_line, wait_until_up

pytestmark = pytest.mark.sqlite
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
READERS = 4  # connections to the database that read
SEARCH = b"GET /search?q=a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POLL = b"GET /api/v1/events?channel=posts&wait=30 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SERVER = f"""
import sqlalchemy as sa
from blog.cli import main
from blog.domain.posts import search

async def search_posts(ctx, *_):
    ctx.db.on_query.append(lambda sql: print("running", flush=True) if "RECURSIVE" in sql else None)
    await ctx.db.fetch_all(sa.text("SELECT * FROM ({ENDLESS})"))

search.search_posts = search_posts
main()
"""  # noqa: S608 (no value of a client)


class Search:
    """Stands for the search: a statement without end, or a wait without end. Notes what happens."""

    def __init__(self) -> None:
        self.is_running, self.has_ended = asyncio.Event(), asyncio.Event()
        self.error: BaseException | None = None

    async def __call__(self, ctx: Context, *_arguments: Any) -> None:
        ctx.db.on_query.append(lambda sql: self.is_running.set() if "RECURSIVE" in sql else None)
        try:
            await ctx.db.fetch_all(sa.text(f"SELECT * FROM ({ENDLESS})"))  # noqa: S608 (no value of a client)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.has_ended.set()


async def test_read_ends_when_its_client_leaves(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Search()
    monkeypatch.setattr("blog.domain.posts.search.search_posts", search)
    app.settings = app.settings.model_copy(update={"request_timeout": 3600, "database_statement_timeout": 3600})
    async with served(app) as (address, _), asyncio.timeout(seconds(20)):
        _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.write(SEARCH)
        await search.is_running.wait()
        writer.close()
        await search.has_ended.wait()
        assert isinstance(search.error, asyncio.CancelledError)


async def test_long_poll_ends_when_its_client_leaves(app: Application) -> None:
    async with served(app) as (address, hub), asyncio.timeout(seconds(20)):
        _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        with capture_logs() as lines:
            writer.write(POLL)
            await asyncio.sleep(0.2)
            assert hub.subscriber_count == 1
            writer.close()
            assert await logged_statuses(lines) == [499]
            assert hub.subscriber_count == 0


async def logged_statuses(lines: list[Any]) -> list[int]:
    """Wait for the log line of a request, and return the statuses of all of them."""
    while not (statuses := [line["status"] for line in lines if line["event"] == "request"]):  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # polling interval
    return statuses


@pytest.mark.parametrize(
    ("path", "kind"), [(b"/login", b"application/x-www-form-urlencoded"), (b"/api/v1/tokens", b"application/json")]
)
async def test_client_that_leaves_while_it_sends_is_logged_with_499(app: Application, path: bytes, kind: bytes) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %b\r\nContent-Length: 99\r\n\r\n"
    async with served(app) as (address, _), asyncio.timeout(seconds(20)):
        _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        with capture_logs() as lines:
            writer.write(head % (path, kind) + b"the first part")
            await writer.drain()
            await asyncio.sleep(0.1)  # the endpoint waits for the body
            writer.close()
            assert await logged_statuses(lines) == [499]


async def test_write_is_completed_although_its_client_leaves(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    has_begun, has_left, is_completed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    lost = LimitedHttpProtocol.connection_lost

    def connection_lost(self: LimitedHttpProtocol, error: Exception | None) -> None:
        lost(self, error)
        has_left.set()

    async def authenticate(*_arguments: Any) -> None:
        has_begun.set()
        await has_left.wait()
        await asyncio.sleep(0)
        is_completed.set()
        raise NotAuthenticated

    monkeypatch.setattr(LimitedHttpProtocol, "connection_lost", connection_lost)
    monkeypatch.setattr("blog.domain.accounts.sessions.authenticate", authenticate)
    body = b'{"username": "ada", "password": "a long enough one", "name": "laptop"}'
    head = b"POST /api/v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    async with served(app) as (address, _), asyncio.timeout(seconds(20)):
        _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.write(head % len(body) + body)
        await has_begun.wait()
        writer.close()
        await is_completed.wait()


async def test_read_ends_at_the_request_timeout(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Search()
    monkeypatch.setattr("blog.domain.posts.search.search_posts", search)
    app.settings = app.settings.model_copy(update={"request_timeout": 0.2, "database_statement_timeout": 3600})
    async with served(app) as (address, _), asyncio.timeout(seconds(20)):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.write(SEARCH)
        assert b" 503 " in await reader.readline()
        assert search.has_ended.is_set()
        writer.close()


@pytest.mark.parametrize("clients", [1, 6])
def test_server_stops_in_the_middle_of_statements(tmp_path: Path, clients: int) -> None:
    """Six clients: more than there are connections to the database."""
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-c", SERVER, "serve", "--port", str(port)]
    environment = clean_environment() | {"DATABASE_STATEMENT_TIMEOUT": "3600", "REQUEST_TIMEOUT": "3600", "RATE_LIMIT": "off"}
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=output)
    try:
        wait_until_up(port, server)
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(clients)]
            for one in sockets:
                one.sendall(SEARCH)
            wait_for_line(log, server, f"(?s)((?:running.*?){{{min(clients, READERS)}}})")
            begun = time.monotonic()
            server.send_signal(signal.SIGTERM)
            server.wait(seconds(5))
            took = time.monotonic() - begun
            answers = Counter(_first_bytes(one) for one in sockets)
    finally:
        server.kill()
        server.wait()
    assert took < seconds(5)
    assert answers[b"HTTP/1.1 503"] >= min(clients, READERS), "the others may not have been accepted"
    assert "Traceback" not in log.read_text()


def _first_bytes(connection: socket.socket) -> bytes:
    try:
        return connection.recv(100)[:12]
    except ConnectionResetError:
        return b""
