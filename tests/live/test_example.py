"""The Python client in the README, as it stands there."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator

import pytest

from blog.domain import events, posts
from blog.schemas.posts import NewPost
from tests.lines import ROOT
from tests.live.relay import Relay
from tests.live.server import served
from tests.serving import clean_environment


@pytest.fixture
def example(tmp_path):
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    path = tmp_path / "follow.py"
    path.write_text(code)
    return path


@contextlib.asynccontextmanager
async def running(path, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    """The example as a process; what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(path), *arguments, stdout=asyncio.subprocess.PIPE, env=clean_environment()
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def line(printed: asyncio.StreamReader) -> str:
    async with asyncio.timeout(20):
        return (await printed.readline()).decode().strip()


async def publish(author, title: str) -> None:
    await posts.create(author, NewPost(title=title, content="text"))


@contextlib.asynccontextmanager
async def followed(app, example):
    """The example follows posts by way of a network that can break."""
    async with served(app) as (address, hub):
        host, _, port = address.partition(":")
        relay = Relay(host, int(port))
        async with relay.listening() as broken, running(example, f"http://{broken}", "posts") as printed:
            await connected(relay)
            yield relay, hub, printed


async def connected(relay: Relay) -> None:
    """It has asked for the cursor and opened the socket, or the other way round."""
    async with asyncio.timeout(20):
        await relay.taken.get()
        await relay.taken.get()


async def test_example_sees_each_post_once_across_a_broken_connection(app, author, example):
    async with followed(app, example) as (relay, _, printed):
        await publish(author, "Before")
        assert await line(printed) == "post.published before"
        relay.cut()
        await publish(author, "Meanwhile")
        assert await line(printed) == "post.published meanwhile"
        await publish(author, "After")
        assert await line(printed) == "post.published after"


async def test_example_goes_on_when_the_log_is_another_one(app, author, example):
    async with followed(app, example) as (relay, hub, printed):
        await publish(author, "Before")
        assert await line(printed) == "post.published before"
        await events.renew_epoch(author.db)
        await hub.catch_up()
        await connected(relay)  # after `bye`, and for `gap`
        reading, number = asyncio.create_task(line(printed)), 0
        while not reading.done():
            number += 1
            await publish(author, f"Later {number}")
            await asyncio.wait([reading], timeout=0.2)  # what is written before its new cursor is not for it
        assert re.fullmatch(r"post\.published later-\d+", await reading)
