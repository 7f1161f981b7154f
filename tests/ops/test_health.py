"""Health checks: the process responds; it can serve, or which part cannot."""

import sqlite3

import anyio
import httpx2
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from blog.app import create_app
from blog.db.database import Database
from blog.ops import health
from blog.settings import Settings
from tests.conftest import running
from tests.support.valkey import Valkey


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "RESULT_MAX_AGE", 0)


async def ready(client):
    answer = await client.get("/readyz")
    return answer.status_code, {name: check["ok"] for name, check in answer.json()["checks"].items()}


async def test_ready_names_each_part_and_its_time(client: httpx2.AsyncClient, db: Database) -> None:
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"], answer.headers["cache-control"]) == (200, "ok", "no-store")
    assert set(answer.json()["checks"]) == {"database", "migrations", "disk"}
    assert all(check["ok"] and check["ms"] >= 0 for check in answer.json()["checks"].values())
    facts = [row["name"] for row in await db.fetch_all("SELECT name FROM app_metadata")]
    assert facts == ["event_epoch"], "the probe leaves nothing"
    assert (await client.head("/readyz")).status_code == 200
    assert (await client.post("/readyz")).status_code == 405


@pytest.mark.sqlite
async def test_process_lives_whatever_becomes_of_its_parts_and_says_once_which(settings: Settings) -> None:
    with capture_logs() as logs:
        async with running(create_app(settings)) as client:
            away = settings.database_path.with_name("away")
            settings.database_path.rename(away)
            for _ in range(3):
                assert await ready(client) == (503, {"database": False, "migrations": False, "disk": True})
                healthy = await client.get("/healthz", headers={"Cookie": "session=x"})
                assert (healthy.status_code, healthy.json()) == (200, {"status": "ok"})
            answer = await client.get("/readyz")
            assert int(answer.headers["retry-after"]) > 0
            assert "away" not in answer.text
            assert str(settings.database_path) not in answer.text, "strangers learn no paths"
            away.rename(settings.database_path)
            assert (await ready(client))[0] == 200
    said = [(line["log_level"], line["event"]) for line in logs if line["event"] in ("not ready", "ready again")]
    assert said == [("warning", "not ready"), ("info", "ready again")]


@pytest.mark.sqlite
async def test_database_that_only_reads_is_not_ready(settings: Settings) -> None:
    holder = sqlite3.connect(settings.database_path, isolation_level=None)
    async with running(create_app(settings.model_copy(update={"database_timeout": 0.05}))) as client:
        holder.execute("BEGIN IMMEDIATE")
        assert await ready(client) == (503, {"database": False, "migrations": True, "disk": True})
        holder.execute("ROLLBACK")
        assert (await ready(client))[0] == 200
    holder.close()


async def test_those_who_ask_all_the_time_write_little(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "RESULT_MAX_AGE", 60)
    asked = [await ready(client) for _ in range(2)]
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 10**18)
    assert asked == [await ready(client)] * 2
    monkeypatch.setattr(health, "RESULT_MAX_AGE", 0)
    assert (await ready(client))[0] == 503


async def test_database_without_the_newest_migration_is_not_ready(client: httpx2.AsyncClient, db: Database) -> None:
    await db.execute("DELETE FROM alembic_version")
    assert await ready(client) == (503, {"database": True, "migrations": False, "disk": True})


async def test_old_version_serves_until_the_new_one_that_migrated_takes_over(client: httpx2.AsyncClient, db: Database) -> None:
    await db.execute("UPDATE alembic_version SET version_num = '9999'")
    assert await ready(client) == (200, {"database": True, "migrations": True, "disk": True})


async def test_disk_that_is_nearly_full_is_not_ready(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 10**18)
    assert await ready(client) == (503, {"database": True, "migrations": True, "disk": False})


async def test_part_that_does_not_answer_holds_nobody_up(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT", 0.05)
    monkeypatch.setattr(health.database_probe, "check_read_write", lambda _db: anyio.sleep_forever())
    assert await ready(client) == (503, {"database": False, "migrations": True, "disk": True})


async def test_redis_of_the_settings_is_asked(settings: Settings) -> None:
    with Valkey() as server:
        async with running(create_app(settings.model_copy(update={"redis_url": SecretStr(server.url)}))) as client:
            assert await ready(client) == (200, {"database": True, "migrations": True, "disk": True, "redis": True})
            server.stop()
            assert await ready(client) == (503, {"database": True, "migrations": True, "disk": True, "redis": False})
            server.start()
            assert (await ready(client))[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_no_page_of_a_blog(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).headers["content-type"] == "application/json"
