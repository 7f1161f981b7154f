"""Requests that take too long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
import sqlalchemy as sa

from blog.app import Application, create_app
from blog.db import tables
from blog.settings import Settings
from tests.conftest import running


@pytest.fixture
def hurried(settings: Settings) -> Application:
    """An application that gives its endpoints little time."""
    return create_app(settings.model_copy(update={"request_timeout": 0.2}))


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """Lists of posts that are never ready; what each was told at its end."""
    ends = []

    async def page(*_args: Any) -> None:
        try:
            await anyio.sleep_forever()
        except BaseException as end:
            ends.append(type(end))
            raise

    monkeypatch.setattr("blog.domain.posts.post_lists.list_page", page)
    monkeypatch.setattr("blog.domain.posts.post_lists.front_page", page)
    return ends


@pytest.mark.parametrize(("path", "kind"), [("/api/v1/posts", "application/problem+json"), ("/", "text/html; charset=utf-8")])
async def test_what_takes_too_long_is_ended_with_503(hurried: Application, endless: list[Any], path: str, kind: str) -> None:
    async with running(hurried) as client:
        async with asyncio.timeout(10):
            answer = await client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (503, kind)
        assert int(answer.headers["retry-after"]) > 0
        assert "too long" in answer.text
        assert answer.headers["x-correlation-id"]
        assert endless == [asyncio.CancelledError]
        assert (await client.get("/healthz")).status_code == 200


async def test_transaction_that_is_cut_leaves_nothing_and_frees_the_database(
    hurried: Application, bearer: Callable[..., Awaitable[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, found, new = await bearer("ada"), [], {"title": "A title", "content": "text"}

    async def index(db: Any, *_args: Any, **_options: Any) -> None:
        found.append(await db.fetch_val(sa.select(sa.func.count()).select_from(tables.posts)))
        await anyio.sleep_forever()

    async with running(hurried) as client:
        with monkeypatch.context() as patch:
            patch.setattr("blog.db.fulltext.add", index)
            assert (await client.post("/api/v1/posts", json=new, headers=headers)).status_code == 503
        assert found == [1], "it was there, within its transaction"
        assert (await client.get("/api/v1/posts")).json()["items"] == []
        assert (await client.post("/api/v1/posts", json=new, headers=headers)).status_code == 201


async def test_time_of_the_body_is_the_clients(hurried: Application, bearer: Callable[..., Awaitable[dict[str, str]]]) -> None:
    headers = await bearer("ada") | {"Content-Type": "application/json"}

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"title": "A title", '
        await asyncio.sleep(0.4)
        yield b'"content": "text"}'

    async with running(hurried) as client:
        assert (await client.post("/api/v1/posts", content=slowly(), headers=headers)).status_code == 201


async def test_poll_waits_as_long_as_it_was_asked_to(hurried: Application) -> None:
    async with running(hurried) as client:
        answer = await client.get("/api/v1/events", params={"channel": "posts", "wait": "0.5"})
        assert (answer.status_code, answer.json()["events"]) == (200, [])
