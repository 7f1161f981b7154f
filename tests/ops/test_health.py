"""Health checks: liveness, and readiness with the name of the failed part."""

import sqlite3

import anyio
import httpx2
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from blog.app import create_app
from blog.db.database import Database
from blog.domain.site import database_probe
from blog.ops import health
from blog.settings import Settings
from tests.conftest import running
from tests.support.valkey import Valkey


@pytest.fixture(autouse=True)
def without_result_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "RESULT_MAX_AGE", 0)


async def ready(client: httpx2.AsyncClient) -> tuple[int, dict[str, bool]]:
    answer = await client.get("/readyz")
    return answer.status_code, {name: check["ok"] for name, check in answer.json()["checks"].items()}


async def test_readiness_lists_each_part_and_its_duration(client: httpx2.AsyncClient, db: Database) -> None:
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"], answer.headers["cache-control"]) == (200, "ok", "no-store")
    assert set(answer.json()["checks"]) == {"database", "migrations", "disk"}
    assert all(check["ok"] and check["ms"] >= 0 for check in answer.json()["checks"].values())
    facts = [row["name"] for row in await db.fetch_all("SELECT name FROM app_metadata")]
    assert facts == ["event_epoch"], "the probe leaves nothing"
    assert (await client.head("/readyz")).status_code == 200
    assert (await client.post("/readyz")).status_code == 405


@pytest.mark.sqlite
async def test_liveness_ignores_failed_parts_and_logs_them_once(settings: Settings) -> None:
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
async def test_read_only_database_is_not_ready(settings: Settings) -> None:
    holder = sqlite3.connect(settings.database_path, isolation_level=None)
    async with running(create_app(settings.model_copy(update={"database_timeout": 0.05}))) as client:
        holder.execute("BEGIN IMMEDIATE")
        assert await ready(client) == (503, {"database": False, "migrations": True, "disk": True})
        holder.execute("ROLLBACK")
        assert (await ready(client))[0] == 200
    holder.close()


async def test_frequent_checks_write_rarely(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "RESULT_MAX_AGE", 60)
    asked = [await ready(client) for _ in range(2)]
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 10**18)
    assert asked == [await ready(client)] * 2
    monkeypatch.setattr(health, "RESULT_MAX_AGE", 0)
    assert (await ready(client))[0] == 503


async def test_database_without_the_newest_migration_is_not_ready(client: httpx2.AsyncClient, db: Database) -> None:
    await db.execute("DELETE FROM alembic_version")
    assert await ready(client) == (503, {"database": True, "migrations": False, "disk": True})


async def test_old_version_stays_ready_after_a_newer_migration(client: httpx2.AsyncClient, db: Database) -> None:
    await db.execute("UPDATE alembic_version SET version_num = '9999'")
    assert await ready(client) == (200, {"database": True, "migrations": True, "disk": True})


async def test_nearly_full_disk_is_not_ready(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 10**18)
    assert await ready(client) == (503, {"database": True, "migrations": True, "disk": False})


async def test_hanging_check_does_not_delay_the_response(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT", 0.05)
    monkeypatch.setattr(database_probe, "check_read_write", lambda _db: anyio.sleep_forever())
    assert await ready(client) == (503, {"database": False, "migrations": True, "disk": True})


async def test_configured_redis_is_checked(settings: Settings) -> None:
    with Valkey() as server:
        async with running(create_app(settings.model_copy(update={"redis_url": SecretStr(server.url)}))) as client:
            assert await ready(client) == (200, {"database": True, "migrations": True, "disk": True, "redis": True})
            server.stop()
            assert await ready(client) == (503, {"database": True, "migrations": True, "disk": True, "redis": False})
            server.start()
            assert (await ready(client))[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_checks_are_not_pages(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).headers["content-type"] == "application/json"
