"""Random writers, subscribers that disconnect and return, servers killed at any moment: every event arrives exactly once.

`BLOG_TEST_KILL_SECONDS` makes it run longer, `BLOG_TEST_KILL_SEED` repeats a run.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from httpx2.websockets import AsyncWebSocketClient, HTTPXWSException

from tests.support.live_server import Events
from tests.support.serving import ask, blog, clean_environment, free_port

SECONDS = float(os.environ.get("BLOG_TEST_KILL_SECONDS", "8"))
SEED = int(os.environ.get("BLOG_TEST_KILL_SEED", "20261123"))
WORKERS, WRITERS, FOLLOWERS = 3, 2, 6
LOST = (httpx2.HTTPError, HTTPXWSException, OSError, EOFError, TimeoutError)


@contextlib.contextmanager
def ignoring_connection_errors() -> Iterator[None]:
    """Ignore connection errors, alone or in an exception group, but not a failed assertion."""
    try:
        yield
    except LOST:
        pass
    except BaseExceptionGroup as group:
        _, rest = group.split(LOST)
        if rest is not None:
            raise rest from None


class Worker:
    """One server on the shared database."""

    def __init__(self, folder: Path, number: int) -> None:
        self.port, self._folder, self._log = free_port(), folder, folder / f"log-{number}"
        self.kills = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "blog", "serve", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=clean_environment() | {"RATE_LIMIT": "off"}, stdout=log, stderr=log
            )

    async def until_up(self) -> None:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)  # between two looks, not instead of one

    async def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)
        self.kills += 1

    async def stop(self) -> None:
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, 30)


class Scene:
    """One run, with all random choices from one seed."""

    def __init__(self, folder: Path, token: str) -> None:
        self.chance = random.Random(SEED)  # noqa: S311
        self.workers = [Worker(folder, number) for number in range(WORKERS)]
        self.client = httpx2.AsyncClient(timeout=10, headers={"Authorization": f"Bearer {token}"})
        self.is_over, self.end = asyncio.Event(), 0
        self.posts: list[int] = []
        self.written = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.chance.choice(self.workers).port}"

    async def pause(self, most: float) -> None:
        """Wait for a random time of at most `most` seconds."""
        await asyncio.sleep(self.chance.uniform(0, most))

    async def write(self) -> None:
        while not self.is_over.is_set():
            with ignoring_connection_errors():
                await self._write()
            await self.pause(0.03)

    async def _write(self) -> None:
        kind, api = self.chance.random(), f"{self.url}/api/v1/posts"
        if kind < 0.5 or not self.posts:
            answer = await self.client.post(api, json={"title": "A post", "content": "text"})
            if answer.status_code == 201:
                self.posts.append(answer.json()["id"])
                self.written += 1
        elif kind < 0.9:
            await self.client.patch(f"{api}/{self.chance.choice(self.posts)}", json={"content": str(self.chance.random())})
        else:
            await self.client.delete(f"{api}/{self.posts.pop(self.chance.randrange(len(self.posts)))}")

    async def kill(self) -> None:
        while not self.is_over.is_set():
            await self.pause(1.5)
            worker = self.chance.choice(self.workers)
            await worker.until_up()
            await self.pause(0.5)
            await worker.kill()
            await self.pause(0.3)
            worker.start()

    async def follow(self, door: Any) -> list[dict[str, Any]]:
        """Record the events of one subscriber, by connection, until the end of the log."""
        heard: list[dict[str, Any]] = []
        cursor, visits = "earliest", 0

        def hear(event: dict[str, Any] | None, at: str) -> bool:
            """Record an event; return whether to disconnect now and return later."""
            nonlocal cursor
            cursor = at
            if event is not None:
                heard.append(event | {"visit": f"{door.__name__} {visits} after {started}"})
            return self.is_known(at) or self.chance.random() < 0.1

        while not self.is_known(cursor):
            visits, started = visits + 1, cursor
            with ignoring_connection_errors():
                await door(self, cursor, hear)
            await self.pause(0.2)
        return heard

    def is_known(self, cursor: str) -> bool:
        return bool(self.end) and _id(cursor) >= self.end


def _id(cursor: str) -> int:
    return 0 if cursor == "earliest" else int(cursor.rpartition(".")[2])


def _out_of_order(heard: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return the events around the first one that does not follow its predecessor; an empty list if there is none."""
    ids = [_id(event["cursor"]) for event in heard]
    for place, (one, next_) in enumerate(itertools.pairwise(ids)):
        if next_ <= one:
            return [(_id(event["cursor"]), event["visit"]) for event in heard[max(place - 8, 0) : place + 9]]
    return []


Hear = Callable[[dict[str, Any] | None, str], bool]


async def by_websocket(scene: Scene, after: str, hear: Hear) -> None:
    connect = AsyncWebSocketClient(client=scene.client).connect
    async with asyncio.timeout(10), connect(f"{scene.url.replace('http', 'ws')}/live", subprotocols=["blog.live.v1"]) as socket:
        await socket.send_text(json.dumps({"type": "subscribe", "id": "a", "channel": "posts", "after": after}))
        while True:
            message = json.loads(await socket.receive_text())
            assert message["type"] in ("welcome", "subscribed", "event", "ping", "bye"), message
            if message["type"] == "event" and hear(message, message["cursor"]):
                return
            if message["type"] == "subscribed" and not message["replayed"] and scene.is_known(message["cursor"]):
                return


async def by_stream(scene: Scene, after: str, hear: Hear) -> None:
    query = {"channel": "posts", "after": after}
    async with asyncio.timeout(10), scene.client.stream("GET", f"{scene.url}/api/v1/events/stream", params=query) as answer:
        stream = Events(answer)
        while True:
            event = await stream.next()
            assert event.get("event") != "gap"
            if "id" in event and hear(json.loads(event["data"]) if "data" in event else None, event["id"]):
                return


async def by_poll(scene: Scene, after: str, hear: Hear) -> None:
    query: dict[str, Any] = {"channel": "posts", "after": after, "wait": 1, "limit": 7}
    answer = (await scene.client.get(f"{scene.url}/api/v1/events", params=query)).json()
    assert answer["reset"] is False
    if not any(hear(event, event["cursor"]) for event in answer["events"]) and not answer["events"]:
        hear(None, answer["cursor"])


@pytest.mark.timeout(120 + 3 * SECONDS)
async def test_every_client_gets_every_event_once(home: Path) -> None:
    blog(home, "user", "create", "ada", "ada@example.org", "--role", "author")
    scene = Scene(home, blog(home, "token", "create", "ada", "--scope", "posts:write").stdout.strip())
    for worker in scene.workers:
        worker.start()
    await asyncio.gather(*(worker.until_up() for worker in scene.workers))
    doors = [by_websocket, by_stream, by_poll] * (FOLLOWERS // 3)
    followers = [asyncio.create_task(scene.follow(door)) for door in doors]
    troubles = [asyncio.create_task(scene.write()) for _ in range(WRITERS)] + [asyncio.create_task(scene.kill())]
    await asyncio.sleep(SECONDS)  # the length of the run, not a wait for something
    while scene.written <= SECONDS:  # but on a machine that is busy with other things
        await scene.pause(0.1)
    scene.is_over.set()
    await asyncio.gather(*troubles)
    table = ask(home, "SELECT id, type, post_id FROM events ORDER BY id")
    scene.end = table[-1][0]
    found = await asyncio.gather(*followers)
    for worker in scene.workers:
        await worker.stop()
    await scene.client.aclose()
    kills = sum(worker.kills for worker in scene.workers)
    print(f"seed {SEED}: {len(table)} events, {kills} kills, {len(found)} followers in {SECONDS:.0f} s")
    assert len(table) > SECONDS
    assert kills > 0
    names = {id_: name for id_, name, _ in table}
    # A replay has only the deletion of posts that have been deleted.
    gone = {post_id for _, name, post_id in table if name == "post.deleted"}
    certain = {id_ for id_, name, post_id in table if post_id not in gone or name == "post.deleted"}
    for heard in found:
        ids = [_id(event["cursor"]) for event in heard]
        wrong = _out_of_order(heard)
        assert not wrong, f"once, and in order (seed {SEED}): {wrong}"
        assert certain <= set(ids) <= set(names), f"all of them (seed {SEED})"
        assert [event["event"] for event in heard] == [names[id_] for id_ in ids]
