"""Many concurrent writers, through two workers on one database: no request is refused, no write is lost.

`BLOG_TEST_WRITERS_SECONDS` makes it run longer.
"""

import asyncio
import os
import statistics
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.serving import blog, free_port, run_sql, serving, wait_until_up

SECONDS = float(os.environ.get("BLOG_TEST_WRITERS_SECONDS", "4"))
WRITERS, WORKERS = 32, 2
PATIENCE = 10


class Writer:
    """Writes posts, changes its last one and comments on it; remembers the responses."""

    def __init__(self, client: httpx2.AsyncClient, number: int) -> None:
        self._client, self._number = client, number
        self.taken: list[float] = []
        self.versions: dict[int, int] = {}
        self.comments: list[int] = []

    async def write_until(self, end: float) -> None:
        while time.monotonic() < end:
            made = await self._send("POST", "/posts", {"title": f"By {self._number}", "content": "Text", "tags": ["busy"]}, 201)
            post = made["id"]
            changed = await self._send("PATCH", f"/posts/{post}", {"content": f"Changed by {self._number}"}, 200)
            self.versions[post] = changed["version"]
            self.comments.append((await self._send("POST", f"/posts/{post}/comments", {"content": "Seen"}, 201))["id"])

    async def _send(self, method: str, path: str, body: dict[str, Any], expected: int) -> Any:
        started = time.perf_counter()
        answer = await self._client.request(method, f"/api/v1{path}", json=body)
        self.taken.append(time.perf_counter() - started)
        assert answer.status_code == expected, answer.text
        return answer.json()


@pytest.mark.timeout(120 + 3 * SECONDS)
async def test_many_writers_through_two_workers_lose_nothing(home: Path) -> None:
    blog(home, "user", "create", "ada", "ada@example.org", "--role", "owner")
    token = blog(home, "token", "create", "ada").stdout.strip()
    port = free_port()
    with serving(home, port, "--workers", str(WORKERS), RATE_LIMIT="off") as (server, log):
        wait_until_up(port, server)
        # A connection for each request: those that are kept may all be of the worker that was first to accept.
        limits = httpx2.Limits(max_connections=WRITERS, max_keepalive_connections=0)
        headers = {"Authorization": f"Bearer {token}"}
        address = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=30, limits=limits) as client:
            writers = [Writer(client, number) for number in range(WRITERS)]
            end = time.monotonic() + SECONDS
            await asyncio.gather(*(writer.write_until(end) for writer in writers))
    taken = sorted(seconds * 1000 for writer in writers for seconds in writer.taken)
    p99 = taken[int(len(taken) * 0.99)]
    shares = sorted(len(writer.taken) for writer in writers)
    print(
        f"{len(taken)} writes of {WRITERS} writers in {SECONDS:.0f} s, {len(taken) / SECONDS:.0f} a second: "
        f"median {statistics.median(taken):.0f} ms, p99 {p99:.0f} ms, longest {taken[-1]:.0f} ms; "
        f"{shares[0]} to {shares[-1]} a writer"
    )
    words = log.read_text()
    assert "Traceback" not in words
    assert "locked" not in words
    versions = dict(run_sql(home, "SELECT id, version FROM posts"))
    comments = {row[0] for row in run_sql(home, "SELECT id FROM comments")}
    ((events,),) = run_sql(home, "SELECT count(*) FROM events")
    assert {post: version for writer in writers for post, version in writer.versions.items()} == versions
    assert {comment for writer in writers for comment in writer.comments} == comments
    assert events == len(taken), "each write has one event"
    assert taken[-1] < PATIENCE * 1000
    checked = blog(home, "check")
    assert (checked.returncode, checked.stdout, checked.stderr[-300:]) == (0, "No problems found.\n", checked.stderr[-300:])
