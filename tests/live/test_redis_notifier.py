"""Notifications through Redis: a real Valkey that stops and starts, and workers with and without it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
import httpx2
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from blog.app import create_app
from blog.db.sqlite.watcher import CommitPoller
from blog.settings import Settings
from tests.conftest import Bearer, running
from tests.live.test_endpoints import following, receive, subscribed, write
from tests.support.valkey import Valkey

pytestmark = pytest.mark.sqlite
MESSAGES = ("Redis is unavailable: workers poll", "Redis is available again")


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@contextlib.asynccontextmanager
async def two_workers(
    settings: Settings, valkey: Valkey
) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient, Callable[[], list[str]]]]:
    """Yield clients of two applications on one database, and a function that returns their logged messages."""
    settings = settings.model_copy(update={"redis_url": SecretStr(valkey.url)})
    with capture_logs() as logs:
        async with running(create_app(settings)) as one, running(create_app(settings)) as other:
            yield (
                one,
                other,
                lambda: [line["event"][: len(message)] for line in logs for message in MESSAGES if message in line["event"]],
            )


async def test_worker_is_notified_by_redis_at_once(
    settings: Settings, bearer: Bearer, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait_deaf(self: CommitPoller, _timeout: float) -> None:
        await self._wakeup.wait()
        self._wakeup.clear()

    headers = await bearer("ada")
    monkeypatch.setattr(CommitPoller, "wait", wait_deaf)
    async with two_workers(settings, valkey) as (one, other, logged):
        async with following(other) as socket:
            await subscribed(socket, "posts")
            for number in range(3):
                await write(one, headers, title=f"Post {number}")
                assert (await receive(socket))["data"]["post"]["title"] == f"Post {number}"
        assert logged() == []


async def test_without_redis_workers_poll_the_database_and_log_it_once(
    settings: Settings, bearer: Bearer, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blog.realtime.redis_notifier._RETRY_DELAY", 0.01)
    headers = await bearer("ada")
    async with two_workers(settings, valkey) as (one, other, logged):
        async with following(other) as socket:
            await subscribed(socket, "posts")
            for step in (valkey.stop, lambda: None, valkey.start):
                step()
                await write(one, headers)
                assert (await receive(socket))["event"] == "post.published"
            with anyio.fail_after(10):
                while len(logged()) < 4:
                    await write(one, headers)
        assert sorted(logged()) == sorted([*MESSAGES, *MESSAGES]), "each once for each worker"
