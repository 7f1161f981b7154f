"""The Python client of the live guide, exactly as printed there."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blog.app import Application
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.realtime import Hub
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost
from tests.support.lines import ROOT
from tests.support.live_server import served
from tests.support.relay import Relay
from tests.support.serving import clean_environment

pytestmark = pytest.mark.sqlite  # it is about the protocol; test_joining and test_kill cover PostgreSQL


@pytest.fixture
def example(tmp_path: Path) -> Path:
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / ".docs" / "live.md").read_text(), re.DOTALL | re.MULTILINE)
    path = tmp_path / "follow.py"
    path.write_text(code)
    return path


@contextlib.asynccontextmanager
async def running(path: Path, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    """Run the example as a process, and yield its output."""
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


async def publish(author: Context, title: str) -> None:
    await posts.create(author, NewPost(title=title, content="text"))


async def comment(author: Context) -> None:
    await comments.create(author, 1, NewComment(content="Well said."))


@contextlib.asynccontextmanager
async def followed(app: Application, author: Context, example: Path) -> AsyncIterator[tuple[Relay, Hub, asyncio.StreamReader]]:
    """Run the example against a blog with one post, through a relay that can cut the connection."""
    await publish(author, "Old")
    async with served(app) as (address, hub):
        host, _, port = address.partition(":")
        relay = Relay(host, int(port))
        async with relay.listening() as broken, running(example, f"http://{broken}") as printed:
            assert await line(printed) == "post old"
            yield relay, hub, printed


async def test_example_prints_each_event_once_and_in_order_across_a_broken_connection(
    app: Application, author: Context, example: Path
) -> None:
    async with followed(app, author, example) as (relay, _, printed):
        await publish(author, "Before")
        assert await line(printed) == "post.published before"
        relay.cut()
        await publish(author, "Meanwhile")
        await comment(author)
        await publish(author, "Also meanwhile")
        assert [await line(printed) for _ in range(3)] == [
            "post.published meanwhile", "comment.created old", "post.published also-meanwhile"
        ]  # fmt: skip
        await publish(author, "After")
        assert await line(printed) == "post.published after"


async def test_example_starts_again_after_a_change_of_epoch(app: Application, author: Context, example: Path) -> None:
    async with followed(app, author, example) as (_, hub, printed):
        await publish(author, "Before")
        assert await line(printed) == "post.published before"
        await events.renew_epoch(author.db)  # as after a backup was brought back
        await hub.catch_up()
        assert [await line(printed) for _ in range(2)] == ["post before", "post old"]
        await publish(author, "After")
        assert await line(printed) == "post.published after"
