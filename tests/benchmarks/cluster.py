"""Three processes behind nginx, with PostgreSQL and Redis: the delay between processes, and failures that clients see.

    python -m tests.benchmarks.cluster [--processes 3] [--writes 200] [--seconds 3]

First each write of one process is looked for in the kept answers of the others, and in what their live connections hear; then
sign-outs, flags and limits. Then a process, PostgreSQL and Redis are taken away under load, one after the other, and given back.
"""

import argparse
import asyncio
import contextlib
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from httpx2.websockets import AsyncWebSocketClient, AsyncWebSocketSession

from tests.support.cluster import NAME, PASSWORD, Cluster, cluster

POST = {"title": "Before", "content": "Some *words*. " * 60}
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
CLIENTS = 8


def share(values: Sequence[float], part: float) -> float:
    """Return the quantile of the values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


@contextlib.asynccontextmanager
async def clients(running: Cluster) -> AsyncIterator[list[httpx2.AsyncClient]]:
    """Open one client for each process, without nginx."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30))
            for port in running.ports
        ]


@dataclass
class Freshness:
    """Delays in milliseconds from the response to a write until another process shows it, and the events of each subscriber."""

    took: list[float] = field(default_factory=list)
    own: int = 0
    heard: list[list[str]] = field(default_factory=list)


async def freshness(running: Cluster, writes: int, on_write: Callable[[int], None] = lambda _: None) -> Freshness:
    """Change the title of a post through each process in turn, and poll responses that all processes had cached."""
    found, owner = Freshness(), {"Authorization": f"Bearer {running.token}"}
    async with clients(running) as all_, contextlib.AsyncExitStack() as stack:
        made = (await all_[0].post("/api/v1/posts", json=POST, headers=owner)).json()
        path = f"/api/v1/posts/{made['id']}"
        sockets = [await stack.enter_async_context(_following(client)) for client in all_]

        async def until(client: httpx2.AsyncClient, title: str, since: float) -> float:
            while (await client.get(path)).json()["title"] != title:
                pass
            return (time.perf_counter() - since) * 1000

        for number in range(writes):
            for client in all_:
                await client.get(path)
            title, writer = f"Title {number}", all_[number % len(all_)]
            answer = await writer.patch(path, json={"title": title}, headers=owner)
            assert answer.status_code == 200, answer.text
            since = time.perf_counter()
            found.took += await asyncio.gather(*(until(client, title, since) for client in all_ if client is not writer))
            found.own += (await writer.get(path)).json()["title"] == title
            on_write(number + 1)
        for socket in sockets:
            async with asyncio.timeout(10):
                messages = [json.loads(await socket.receive_text()) for _ in range(writes)]
            found.heard.append([message["cursor"] for message in messages])
    return found


@contextlib.asynccontextmanager
async def _following(client: httpx2.AsyncClient) -> AsyncIterator[AsyncWebSocketSession]:
    address = str(client.base_url.join("/live")).replace("http", "ws", 1)
    async with AsyncWebSocketClient(client=client).connect(address, subprotocols=["blog.live.v1"]) as socket:
        await socket.receive_text()
        await socket.send_text(json.dumps({"type": "subscribe", "id": "a", "channel": "posts"}))
        await socket.receive_text()
        yield socket


async def sign_outs(running: Cluster, rounds: int) -> int:
    """Return how many requests to other processes were still signed in after the user had signed out."""
    late = 0
    async with clients(running) as all_:
        for number in range(rounds):
            here, *others = [*all_[number % len(all_) :], *all_[: number % len(all_)]]
            answer = await here.post("/login", data={"username": NAME, "password": PASSWORD})
            cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in answer.cookies.items())}
            here.cookies.clear()
            assert {(await other.get("/account/sessions", headers=cookie)).status_code for other in others} == {200}
            assert (await here.post("/logout", headers=cookie | SAME_SITE)).status_code == 303
            answers = await asyncio.gather(*(other.get("/account/sessions", headers=cookie) for other in others))
            late += sum(answer.status_code != 303 for answer in answers)
    return late


async def flag_changes(running: Cluster, rounds: int) -> list[float]:
    """Return the delays in milliseconds from the response to a flag change until another process applies it."""
    owner, took = {"Authorization": f"Bearer {running.token}"}, []

    async def until(client: httpx2.AsyncClient, status: int, since: float) -> float:
        while (await client.get("/register")).status_code != status:
            pass
        return (time.perf_counter() - since) * 1000

    async with clients(running) as all_:
        on, off = (await all_[0].get("/register")).status_code, 0
        for number in range(rounds * 2):
            enabled, here = number % 2 == 1, all_[number % len(all_)]
            await here.put("/api/v1/flags/registration", json={"enabled": enabled}, headers=owner)
            since = time.perf_counter()
            off = off or (await here.get("/register")).status_code
            others = [client for client in all_ if client is not here]
            took += await asyncio.gather(*(until(client, on if enabled else off, since) for client in others))
    return took


async def limits(running: Cluster, rounds: int) -> list[int]:
    """Return the remaining requests that each process in turn reports to the same client."""
    left = []
    async with clients(running) as all_:
        for number in range(rounds):
            answer = await all_[number % len(all_)].get("/nowhere")
            left.append(int(re.findall(r"r=(\d+)", answer.headers["ratelimit"])[0]))
    return left


@dataclass
class Seen:
    """The responses through nginx: time (`perf_counter`), whether it was a write, status (0: none), and duration in seconds."""

    answers: list[tuple[float, bool, int, float]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return after the first response that meets the condition."""
        while not is_so():
            await self.news.wait()

    async def more(self, seconds: float) -> None:
        """Return after some seconds and at least 50 more responses, one of them to a write."""
        known = len(self.answers)
        await asyncio.sleep(seconds)
        await self.until(lambda: len(self.answers) >= known + 50 and any(one[1] for one in self.answers[known:]))

    def note(self, is_write: bool, status: int, took: float) -> None:
        """Record a response."""
        self.answers.append((time.perf_counter(), is_write, status, took))
        self.news.set()
        self.news = asyncio.Event()

    def statuses(self, begin: float, end: float) -> dict[int, int]:
        """Return the number of responses by status in this period."""
        return dict(sorted(Counter(status for at, _, status, _ in self.answers if begin <= at < end).items()))

    def longest(self, begin: float, end: float) -> float:
        """Return the longest duration in seconds."""
        return max((took for at, _, _, took in self.answers if begin <= at < end), default=0)

    def last_failure(self, since: float) -> float:
        """Return the seconds until the last failure; 0 if there was none."""
        return max((at - since for at, _, status, _ in self.answers if at >= since and not 200 <= status < 300), default=0)

    def first_write(self, since: float) -> float | None:
        """Return the seconds until a write succeeded."""
        return next((at - since for at, is_write, status, _ in self.answers if at >= since and is_write and status == 201), None)


@contextlib.asynccontextmanager
async def load(running: Cluster) -> AsyncIterator[Seen]:
    """Run clients that read pages and the API without a pause until the end of the block. Every fourth also writes."""
    seen, is_over = Seen(), asyncio.Event()
    owner = {"Authorization": f"Bearer {running.token}"}

    async def send(client: httpx2.AsyncClient, method: str, path: str, **options: Any) -> None:
        begun = time.perf_counter()
        try:
            status = (await client.request(method, path, **options)).status_code
        except httpx2.HTTPError:
            status = 0
        seen.note(method == "POST", status, time.perf_counter() - begun)
        await asyncio.sleep(0 if 200 <= status < 300 else 0.02)  # as a client that does not hammer

    async def one(number: int) -> None:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{running.front}", timeout=30) as client:
            while not is_over.is_set():
                for path in ("/", "/api/v1/posts", "/tags", "/archive"):
                    await send(client, "GET", path)
                if number % 4 == 0:
                    await send(client, "POST", "/api/v1/posts", json=POST | {"status": "published"}, headers=owner)

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(one(number))
        yield seen
        is_over.set()


@dataclass(frozen=True)
class Loss:
    """The responses during an outage, and the seconds until recovery."""

    name: str
    before: dict[int, int]
    during: dict[int, int]
    longest: float
    failing: float
    writing_again: float | None
    after: dict[int, int]


async def lose(running: Cluster, name: str, down: Callable[[], None], up: Callable[[], None], seconds: float) -> Loss:
    """Stop one part under load for some seconds, and start it again."""
    async with load(running) as seen:
        begun = time.perf_counter()
        await seen.more(seconds)
        lost = time.perf_counter()
        await asyncio.to_thread(down)
        await seen.more(seconds)
        back = time.perf_counter()
        await asyncio.to_thread(up)
        there = time.perf_counter()
        async with asyncio.timeout(60):
            await seen.until(lambda: seen.first_write(there) is not None)
        await seen.more(seconds)
        end = time.perf_counter()
    return Loss(
        name, seen.statuses(begun, lost), seen.statuses(lost, back), seen.longest(lost, end),
        seen.last_failure(there if name == "PostgreSQL" else lost), seen.first_write(there), seen.statuses(there, end),
    )  # fmt: skip


def losses(running: Cluster, seconds: float) -> list[Callable[[], Awaitable[Loss]]]:
    """Stop each part in turn."""
    process, server, redis = running.processes[-1], running.postgresql, running.redis
    return [
        lambda: lose(running, "a process (killed)", process.kill, process.start, seconds),
        lambda: lose(running, "PostgreSQL", server.stop, server.start, seconds),
        lambda: lose(running, "Redis", redis.stop, redis.start, seconds),
    ]


async def main(processes: int, writes: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder), processes) as running:
        print(f"{processes} processes behind nginx, PostgreSQL, Redis", flush=True)
        found = await freshness(running, writes, lambda done: print(f"\r  writes: {done}/{writes}", end="", flush=True))
        print(
            f"\n  seen through the others after p50 {share(found.took, 0.5):.1f} ms, p99 {share(found.took, 0.99):.1f} ms, "
            f"at most {max(found.took):.1f} ms; by the writer at once in {found.own} of {writes}"
        )
        print(f"  live: {len(found.heard)} followers heard {len(found.heard[0])} events each, "
              f"{'all in one order' if all(one == found.heard[0] for one in found.heard) else 'NOT IN ONE ORDER'}")  # fmt: skip
        print(f"  signed out, and served as signed in by another process: {await sign_outs(running, 20)} of 20", flush=True)
        took = await flag_changes(running, 20)
        print(f"  flags followed after p50 {share(took, 0.5):.1f} ms, at most {max(took):.1f} ms", flush=True)
        left = await limits(running, 30)
        print(f"  requests left, as reported in turn: {left[0]} … {left[-1]}, "
              f"{'each one less' if left == list(range(left[0], left[0] - 30, -1)) else 'NOT SHARED'}", flush=True)  # fmt: skip
        for step in losses(running, seconds):
            loss = await step()
            print(
                f"  without {loss.name} for {seconds:g} s: before {loss.before}, during {loss.during}, then {loss.after}; "
                f"longest answer {loss.longest:.2f} s, failures ended after {loss.failing:.2f} s, "
                f"a write succeeded {loss.writing_again or 0:.2f} s after it was back",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--writes", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3)
    chosen = parser.parse_args()
    asyncio.run(main(chosen.processes, chosen.writes, chosen.seconds))
