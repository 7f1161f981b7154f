"""Request timeouts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import sqlalchemy as sa

from blog.app import Application, create_app
from blog.db import tables
from blog.settings import Settings
from tests.conftest import Bearer, running


@pytest.fixture
def app_with_short_timeout(settings: Settings) -> Application:
    """Return an application with a short request timeout."""
    return create_app(settings.model_copy(update={"request_timeout": 0.2}))


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """Make lists of posts that never finish; return the exceptions that ended them."""
    ends: list[type[BaseException]] = []

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
async def test_slow_request_is_answered_with_503(
    app_with_short_timeout: Application, endless: list[Any], path: str, kind: str
) -> None:
    async with running(app_with_short_timeout) as client:
        async with asyncio.timeout(10):
            answer = await client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (503, kind)
        assert int(answer.headers["retry-after"]) > 0
        assert "too long" in answer.text
        assert answer.headers["x-correlation-id"]
        assert endless == [asyncio.CancelledError]
        assert (await client.get("/healthz")).status_code == 200


async def test_timed_out_transaction_is_rolled_back_and_released(
    app_with_short_timeout: Application, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, new = await bearer("ada"), {"title": "A title", "content": "text"}
    found: list[Any] = []

    async def index(db: Any, *_args: Any, **_options: Any) -> None:
        found.append(await db.fetch_val(sa.select(sa.func.count()).select_from(tables.posts)))
        await anyio.sleep_forever()

    async with running(app_with_short_timeout) as client:
        with monkeypatch.context() as patch:
            patch.setattr("blog.db.fulltext.add", index)
            assert (await client.post("/api/v1/posts", json=new, headers=headers)).status_code == 503
        assert found == [1], "it was there, within its transaction"
        assert (await client.get("/api/v1/posts")).json()["items"] == []
        assert (await client.post("/api/v1/posts", json=new, headers=headers)).status_code == 201


async def test_receiving_the_body_does_not_count_towards_the_timeout(app_with_short_timeout: Application, bearer: Bearer) -> None:
    headers = await bearer("ada") | {"Content-Type": "application/json"}

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"title": "A title", '
        await asyncio.sleep(0.4)
        yield b'"content": "text"}'

    async with running(app_with_short_timeout) as client:
        assert (await client.post("/api/v1/posts", content=slowly(), headers=headers)).status_code == 201


async def test_poll_timeout_is_the_requested_one(app_with_short_timeout: Application) -> None:
    async with running(app_with_short_timeout) as client:
        answer = await client.get("/api/v1/events", params={"channel": "posts", "wait": "0.5"})
        assert (answer.status_code, answer.json()["events"]) == (200, [])
