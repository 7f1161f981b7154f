"""The peers of the comparison answer as the blog does; otherwise their figures would mean nothing."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from httpx2.websockets import ASGIWebSocketTransport

from blog.settings import Settings
from tests.benchmarks.peers import create_peer
from tests.conftest import ORIGIN, Bearer

NEW_POST = {"title": "Ada's note", "content": "Some *words*.", "tags": ["maths"], "status": "published"}
FASTAPI = ("articles", "plain", "articles-stock", "articles-own", "twin")


@pytest.fixture
async def stored(
    client: httpx2.AsyncClient, bearer: Bearer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A published post and the credentials of its author; the peers read the same database."""
    headers = await bearer("ada")
    created = await client.post("/api/v1/posts", json=NEW_POST, headers=headers)
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key.get_secret_value())
    monkeypatch.setenv("RATE_LIMIT", "off")
    return {"headers": headers, "post": created.json()}


async def request_peer(name: str, folder: Path, method: str, path: str, **options: Any) -> httpx2.Response:
    app = create_peer(name, folder)
    async with app.router.lifespan_context(app) as state:  # type: ignore[attr-defined]

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            scope["state"] = dict(state or {})
            await app(scope, receive, send)

        async with httpx2.AsyncClient(transport=ASGIWebSocketTransport(with_state), base_url=ORIGIN) as client:
            return await client.request(method, path, **options)


@pytest.mark.parametrize("name", FASTAPI)
async def test_peer_reads_the_same_post(name: str, stored: dict[str, Any], tmp_path: Path) -> None:
    response = await request_peer(name, tmp_path, "GET", f"/api/v1/posts/{stored['post']['id']}")
    assert response.status_code == 200, response.text
    body = response.json()
    for field in ("id", "slug", "title", "content", "html", "excerpt", "author", "tags", "version", "status", "comments"):
        assert body[field] == stored["post"][field], field


@pytest.mark.parametrize("name", ["articles-own", "twin"])
async def test_peer_creates_the_same_post(name: str, stored: dict[str, Any], tmp_path: Path, client: httpx2.AsyncClient) -> None:
    new = NEW_POST | {"title": "Second note"}
    response = await request_peer(name, tmp_path, "POST", "/api/v1/posts", json=new, headers=stored["headers"])
    assert response.status_code == 201, response.text
    read = (await client.get(f"/api/v1/posts/{response.json()['id']}")).json()
    assert (read["title"], read["slug"], read["html"], read["author"]) == (
        "Second note",
        "second-note",
        stored["post"]["html"],
        "ada",
    )


async def test_naive_page_shows_the_same_post(stored: dict[str, Any], tmp_path: Path) -> None:
    response = await request_peer("naive", tmp_path, "GET", "/")
    assert "Ada&#39;s note" in response.text
