"""Servers restart under load without a failed request. `BLOG_TEST_RESTARTS` sets the number of restarts."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.support.patience import seconds
from tests.support.proxies import proxy
from tests.support.serving import blog, free_port, run_sql, serving, wait_until_up
from tests.support.tools import tool

CLIENTS = 8
RESTARTS = int(os.environ.get("BLOG_TEST_RESTARTS", "1"))


@dataclass
class Load:
    """The number of responses, and the requests that failed."""

    responses: int = 0
    written: int = 0
    longest: float = 0
    failed: list[str] = field(default_factory=list)

    def note(self, response: httpx2.Response, expected: int) -> None:
        """Record a response and its expected status."""
        self.responses += 1
        self.longest = max(self.longest, response.elapsed.total_seconds())
        if response.status_code != expected:
            self.failed.append(
                f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text[:100]}"
            )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return 50 responses after the condition has become true."""
        while not condition():
            await self._wait()
        target = self.responses + 50
        while self.responses < target:
            await self._wait()

    async def _wait(self) -> None:
        await asyncio.sleep(0.01)  # polling interval
        assert self.failed == []


@contextlib.asynccontextmanager
async def clients(port: int, token: str) -> AsyncIterator[Load]:
    """Run clients until the end of the block. Each reads pages and the API over one connection; every fourth also writes."""
    load, is_over = Load(), asyncio.Event()

    async def one(number: int) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=seconds(60)) as client:
            while not is_over.is_set():
                for path in ("/", "/api/v1/posts", f"/tags?client={number}"):
                    load.note(await client.get(path), 200)
                if number % 4 == 0:
                    new = {"title": f"Of client {number}", "content": "x", "status": "published"}
                    load.note(await client.post("/api/v1/posts", json=new, headers=headers), 201)
                    load.written += 1

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(one(number))
        yield load
        is_over.set()


def prepared(folder: Path) -> tuple[dict[str, str], str]:
    """Return settings for several servers of one blog, and the token of an author."""
    folder.mkdir()
    created = blog(folder, "user", "create", "ada", "ada@example.org", "--role", "author")
    assert created.returncode == 0, created.stderr
    token = blog(folder, "token", "create", "ada").stdout.strip()
    secret = (folder / ".blog-secret").read_text()
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'blog.db'}", "MEDIA_DIR": str(folder / "media"), "SECRET_KEY": secret,
        "RATE_LIMIT": "off", "TRUSTED_PROXIES": "127.0.0.1",
    }, token  # fmt: skip


@pytest.mark.timeout(240)
async def test_two_servers_restart_one_after_the_other(tmp_path: Path) -> None:
    tool("nginx")
    settings, token = prepared(tmp_path / "blog")
    servers = {port: serving(tmp_path / str(port), port, **settings) for port in (free_port(), free_port())}

    async def start(port: int) -> None:
        process, _ = servers[port].__enter__()
        await asyncio.to_thread(wait_until_up, port, process)

    with contextlib.ExitStack() as stack:
        for port, server in servers.items():
            (tmp_path / str(port)).mkdir()
            await start(port)
            stack.push(server)
        front = stack.enter_context(proxy("nginx", tmp_path / "proxy", list(servers)))
        async with clients(front, token) as load:
            for port in [*servers] * RESTARTS:
                await load.until(lambda: True)
                stopping = asyncio.create_task(asyncio.to_thread(servers[port].__exit__))
                await load.until(stopping.done)
                await start(port)
            await load.until(lambda: True)
    report(load, tmp_path)


@pytest.mark.timeout(240)
async def test_workers_restart_on_reload(tmp_path: Path) -> None:
    tool("nginx")
    settings, token = prepared(tmp_path / "blog")
    port = free_port()
    with (
        serving(tmp_path, port, "--workers", "2", **settings) as (server, log),
        proxy("nginx", tmp_path / "proxy", [port]) as front,
    ):
        await asyncio.to_thread(wait_until_up, port, server)
        async with clients(front, token) as load:
            for number in range(1, RESTARTS + 1):
                await load.until(lambda: True)
                server.send_signal(signal.SIGHUP)
                await load.until(partial(has_ended, log, 2 * number))
    report(load, tmp_path)


def has_ended(log: Path, processes: int) -> bool:
    """Return whether the log reports the end of this number of processes."""
    return log.read_text().count("Finished server process") == processes


def report(load: Load, folder: Path) -> None:
    """Print the figures (`pytest -s` shows them) and check that no request failed or was repeated."""
    print(f"{load.responses} responses, {load.written} writes, {len(load.failed)} failed, the longest {load.longest:.2f} s")
    assert load.failed == []
    assert run_sql(folder / "blog", "SELECT count(*) FROM posts") == [(load.written,)], "each was written once"
