"""Followers of one to five channels, over all transports, while their connections drop and servers are killed.

    python -m tests.benchmarks.followers [--seconds 600] [--followers 20] [--workers 3] [--seed SEED]

Writers change posts and comments through all servers. Each follower reconnects to any server with the cursor that it stored. At
the end everything that a follower has received is compared with the event log. The exit code is 1 if an event was lost, arrived
twice, or arrived out of order.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from httpx2.websockets import AsyncWebSocketClient, HTTPXWSException

from tests.support.live_server import Events
from tests.support.processes import BlogProcess
from tests.support.serving import blog, clean_environment, free_port, run_sql

LOST = (httpx2.HTTPError, HTTPXWSException, OSError, EOFError, TimeoutError)
TAGS = ("maths", "looms", "music")
LASTING_POSTS = (1, 2, 3)
CHANNELS = ("posts", "comments", "author:ada", *(f"tag:{tag}" for tag in TAGS), *(f"post:{id}" for id in LASTING_POSTS))
WRITERS = 2


@contextlib.contextmanager
def tolerating_losses() -> Iterator[None]:
    """Ignore connections that break, alone or in a group of errors; a false assertion is raised."""
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
        """Start the process."""
        self._log.touch()
        environment = clean_environment() | {"RATE_LIMIT": "off"}
        arguments = ("serve", "--port", str(self.port))
        self._process = BlogProcess(self._folder, arguments, environment, Path(os.devnull), self._log, self._log)

    async def wait_until_up(self) -> None:
        """Wait until the server accepts connections."""
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)  # polling interval

    async def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        self.kills += 1

    async def stop(self) -> None:
        """Stop the process with SIGTERM."""
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, 30)


class Scene:
    """The servers, the writers and the killer of one run, with one source of chance."""

    def __init__(self, folder: Path, token: str, workers: int, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311
        self.workers = [Worker(folder, number) for number in range(workers)]
        self.client = httpx2.AsyncClient(timeout=10, headers={"Authorization": f"Bearer {token}"})
        self.is_over, self.end, self.written = asyncio.Event(), 0, 0
        self._posts: list[int] = []
        self._comments: list[int] = []

    @property
    def url(self) -> str:
        """The address of any server."""
        return f"http://127.0.0.1:{self.chance.choice(self.workers).port}"

    async def pause(self, most: float) -> None:
        """Wait for a random time: chance decides when something happens."""
        await asyncio.sleep(self.chance.uniform(0, most))

    async def start(self) -> None:
        """Start the servers, and create the posts that are never deleted."""
        for worker in self.workers:
            worker.start()
        await asyncio.gather(*(worker.wait_until_up() for worker in self.workers))
        for id_ in LASTING_POSTS:
            assert (await self._request("POST", "/posts", title="Lasting", content="text"))["id"] == id_

    async def write(self) -> None:
        """Change posts and comments until the end of the run."""
        while not self.is_over.is_set():
            with tolerating_losses():
                await self._write()
                self.written += 1
            await self.pause(0.03)

    async def _write(self) -> None:
        kind, any_post = self.chance.random(), self.chance.choice([*LASTING_POSTS, *self._posts])
        tags = self.chance.sample(TAGS, self.chance.randrange(3))
        if kind < 0.3:
            made = await self._request("POST", "/posts", title="A post", content="text", tags=tags)
            self._posts += [made["id"]] if made else []
        elif kind < 0.5:
            await self._request("PATCH", f"/posts/{any_post}", content=str(self.chance.random()), tags=tags)
        elif kind < 0.85:
            made = await self._request("POST", f"/posts/{any_post}/comments", content="Well said.")
            self._comments += [made["id"]] if made else []
        elif kind < 0.95 and self._comments:
            await self._request("DELETE", f"/comments/{self._comments.pop(self.chance.randrange(len(self._comments)))}")
        elif self._posts:
            await self._request("DELETE", f"/posts/{self._posts.pop(self.chance.randrange(len(self._posts)))}")

    async def _request(self, method: str, path: str, **members: Any) -> Any:
        answer = await self.client.request(method, f"{self.url}/api/v1{path}", json=members or None)
        return answer.json() if answer.status_code == 201 else None

    async def kill(self) -> None:
        """Kill one server after the other, and start it again."""
        while not self.is_over.is_set():
            await self.pause(1.5)
            for worker in self.workers:  # one is down at a time: otherwise a slow machine spends the run with starts
                await worker.wait_until_up()
            worker = self.chance.choice(self.workers)
            await self.pause(0.5)
            await worker.kill()
            await self.pause(0.3)
            worker.start()


class Follower:
    """A client of some channels. A stream has one cursor and one order: all channels together, or each one with Centrifugo."""

    def __init__(self, scene: Scene, transport: "Transport", channels: Sequence[str]) -> None:
        self.scene, self.transport, self.channels = scene, transport, channels
        self.streams = {name: [name] for name in channels} if transport is by_centrifugo else {"": list(channels)}
        self.ids: dict[str, list[int]] = {name: [] for name in self.streams}
        self.names: dict[int, str] = {}
        self.visits = 0
        self._cursors = dict.fromkeys(self.streams, "earliest")

    def cursor(self, stream: str = "") -> str:
        """The last cursor of a stream."""
        return self._cursors[stream]

    def receive(self, cursor: str, event: dict[str, Any] | None = None, stream: str = "") -> bool:
        """Store a cursor, and the event that came with it. Return whether to leave, and come back later."""
        self._cursors[stream] = cursor
        if event is not None:
            assert event["cursor"] == cursor
            self.ids[stream].append(_id(cursor))
            self.names[_id(cursor)] = event["event"]
        return self._is_done() or self.scene.chance.random() < 0.1

    def _is_done(self) -> bool:
        return bool(self.scene.end) and all(_id(cursor) >= self.scene.end for cursor in self._cursors.values())

    async def run(self) -> None:
        """Follow until the end of the log is known."""
        while not self._is_done():
            self.visits += 1
            with tolerating_losses():
                async with asyncio.timeout(self.scene.chance.uniform(0.5, 8)):
                    await self.transport(self)
            await self.scene.pause(0.2)


Transport = Callable[[Follower], Awaitable[None]]


def _id(cursor: str) -> int:
    return 0 if cursor == "earliest" else int(cursor.rpartition(".")[2])


async def by_websocket(follower: Follower) -> None:
    """Follow all channels in one subscription."""
    url, connect = follower.scene.url.replace("http", "ws"), AsyncWebSocketClient(client=follower.scene.client).connect
    async with connect(f"{url}/live", subprotocols=["blog.live.v1"]) as socket:
        subscribe = {"type": "subscribe", "id": "a", "channels": follower.channels, "after": follower.cursor()}
        await socket.send_text(json.dumps(subscribe))
        while True:
            message = json.loads(await socket.receive_text())
            assert message["type"] in ("welcome", "subscribed", "event", "ping", "bye"), message
            event = message if message["type"] == "event" else None
            if message["type"] in ("event", "subscribed") and follower.receive(message["cursor"], event):
                return


async def by_stream(follower: Follower) -> None:
    """Follow all channels by Server-Sent Events."""
    query: dict[str, Any] = {"channel": follower.channels, "after": follower.cursor()}
    async with follower.scene.client.stream("GET", f"{follower.scene.url}/api/v1/events/stream", params=query) as answer:
        stream = Events(answer)
        while True:
            event = await stream.next()
            assert event.get("event") != "gap"
            if "id" in event and follower.receive(event["id"], json.loads(event["data"]) if "data" in event else None):
                return


async def by_poll(follower: Follower) -> None:
    """Follow all channels by long poll."""
    query: dict[str, Any] = {"channel": follower.channels, "after": follower.cursor(), "wait": 1, "limit": 7}
    response = await follower.scene.client.get(f"{follower.scene.url}/api/v1/events", params=query)
    if response.status_code == 503:  # a server that starts or stops
        return
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["reset"] is False
    if not any(follower.receive(event["cursor"], event) for event in answer["events"]):
        follower.receive(answer["cursor"])


async def by_centrifugo(follower: Follower) -> None:
    """Follow each channel with its own position."""
    url, connect = follower.scene.url.replace("http", "ws"), AsyncWebSocketClient(client=follower.scene.client).connect
    async with connect(f"{url}/connection/websocket") as socket:
        commands: list[dict[str, Any]] = [{"connect": {}}]
        for channel in follower.streams:
            epoch, _, offset = follower.cursor(channel).rpartition(".")
            position = {"epoch": epoch, "offset": int(offset)} if epoch else {}
            commands.append({"subscribe": {"channel": channel, "recover": True, **position}})
        await socket.send_text("\n".join(json.dumps({"id": id, **command}) for id, command in enumerate(commands, 1)))
        while True:
            for message in map(json.loads, (await socket.receive_text()).split("\n")):
                assert "error" not in message, message
                if reply := message.get("subscribe"):
                    assert reply["recovered"]
                    channel = commands[message["id"] - 1]["subscribe"]["channel"]
                    is_enough = follower.receive(f"{reply['epoch']}.{reply['offset']}", stream=channel)
                elif push := message.get("push"):
                    event = push["pub"]["data"]
                    assert event["cursor"].endswith(f".{push['pub']['offset']}")
                    is_enough = follower.receive(event["cursor"], event, push["channel"])
                else:
                    is_enough = False
                if is_enough:
                    return


TRANSPORTS: Sequence[Transport] = (by_websocket, by_stream, by_poll, by_centrifugo)


@dataclass
class Result:
    """The events that the followers of a transport received, compared with the log."""

    followers: int = 0
    visits: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    misordered: int = 0
    wrong: int = 0

    @property
    def faults(self) -> int:
        """Number of events that are lost, doubled, out of order, or not of the channels."""
        return self.lost + self.doubled + self.misordered + self.wrong


Log = Sequence[tuple[int, str, int, int | None, frozenset[str]]]


def read_log(folder: Path) -> Log:
    """Return id, type, post, comment and channels of each event."""
    rows = run_sql(folder, "SELECT id, type, post_id, comment_id, channels FROM events ORDER BY id")
    return [(*row[:4], frozenset(json.loads(row[4]) if isinstance(row[4], str) else row[4])) for row in rows]


def compare(followers: Sequence[Follower], log: Log) -> dict[str, Result]:
    """Return the results by transport. An event of a post or comment that is gone now may be missing, except its removal."""
    gone = {post for _, name, post, _, _ in log if name == "post.deleted"}
    removed = {comment for _, name, _, comment, _ in log if name == "comment.removed"}
    hidden = {
        id_
        for id_, name, post, comment, _ in log
        if (post in gone and name != "post.deleted") or (comment in removed and name != "comment.removed")
    }
    names = {id_: name for id_, name, *_ in log}
    results = {transport.__name__: Result() for transport in TRANSPORTS}
    for follower in followers:
        result = results[follower.transport.__name__]
        result.followers += 1
        result.visits += follower.visits
        for stream, channels in follower.streams.items():
            ids = follower.ids[stream]
            possible = {id_ for id_, *_, of in log if of & set(channels)}
            result.received += len(ids)
            result.lost += len(possible - hidden - set(ids))
            result.doubled += len(ids) - len(set(ids))
            result.misordered += sum(later < earlier for earlier, later in itertools.pairwise(ids))
            result.wrong += sum(id_ not in possible or names[id_] != follower.names[id_] for id_ in ids)
    return results


async def run(folder: Path, seconds: float, seed: int, *, followers: int = 20, workers: int = 3) -> dict[str, Result]:
    """Run servers, writers and followers in a folder with a new blog, and return the results by transport."""
    blog(folder, "user", "create", "ada", "ada@example.org", "--role", "author")
    scopes = ("--scope", "posts:write", "--scope", "comments:write")
    scene = Scene(folder, blog(folder, "token", "create", "ada", *scopes).stdout.strip(), workers, seed)
    await scene.start()
    crowd = [
        Follower(scene, TRANSPORTS[number % 4], scene.chance.sample(CHANNELS, number // 4 % 5 + 1)) for number in range(followers)
    ]
    following = [asyncio.create_task(follower.run()) for follower in crowd]
    troubles = [asyncio.create_task(scene.write()) for _ in range(WRITERS)] + [asyncio.create_task(scene.kill())]
    await asyncio.sleep(seconds)  # the length of the run, not a wait for something
    while scene.written <= seconds:  # on a machine that is busy with other things
        await scene.pause(0.1)
    scene.is_over.set()
    await asyncio.gather(*troubles)
    log = read_log(folder)
    scene.end = log[-1][0]
    await asyncio.gather(*following)
    for worker in scene.workers:
        await worker.stop()
    await scene.client.aclose()
    results = compare(crowd, log)
    kills = sum(worker.kills for worker in scene.workers)
    print(f"seed {seed}: {len(log)} events, {kills} kills, {len(crowd)} followers in {seconds:.0f} s")
    for name, result in results.items():
        print(
            f"{name:14} {result.followers} followers, {result.visits} connections, {result.received} events received: "
            f"{result.lost} lost, {result.doubled} doubled, {result.misordered} out of order, {result.wrong} wrong"
        )
    assert kills > 0
    assert len(log) > seconds
    return results


def main() -> None:
    """Run the check with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--followers", type=int, default=20)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = asyncio.run(
            run(Path(folder), options.seconds, options.seed, followers=options.followers, workers=options.workers)
        )
    sys.exit(any(result.faults or not result.received for result in results.values()))


if __name__ == "__main__":
    main()
