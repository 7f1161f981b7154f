"""One post on every interface: written as JSON, listed as HTML, sent on a socket, shown in an open browser without reload."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import httpx2
import pytest
from httpx2.websockets import WebSocketClient, WebSocketSession, WebSocketUpgradeError
from playwright.sync_api import Browser

from tests.support import matching
from tests.support.serving import blog, free_port, serving, wait_until_up


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the URL of a running blog, and the headers of its owner."""
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    token = blog(tmp_path, "token", "create", "ada").stdout.strip()
    port = free_port()
    with serving(tmp_path, port) as (process, log):
        wait_until_up(port, process)
        yield f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token}"}
    assert "Traceback" not in log.read_text()


@pytest.fixture
def sockets() -> Iterator[WebSocketClient[WebSocketSession]]:
    with httpx2.Client() as client:
        yield WebSocketClient(client)


def test_one_post_through_all_interfaces(
    server: tuple[str, dict[str, str]], browser: Browser, sockets: WebSocketClient[WebSocketSession]
) -> None:
    base, ada = server
    with sockets.connect(base.replace("http", "ws") + "/live", subprotocols=["blog.live.v1"]) as socket:
        assert json.loads(socket.receive_text(timeout=10))["type"] == "welcome"
        socket.send_text(json.dumps({"type": "subscribe", "id": "a", "channel": "posts"}))
        assert json.loads(socket.receive_text(timeout=10))["type"] == "subscribed"

        home = browser.new_page()
        home.goto(base)
        home.evaluate("window.wasNotReloaded = true")
        made = httpx.post(f"{base}/api/v1/posts", json={"title": "Hello, doors", "content": "First *text*."}, headers=ada)
        assert made.status_code == 201

        assert "Hello, doors" in httpx.get(base).text
        received = json.loads(socket.receive_text(timeout=10))
        assert (received["event"], received["data"]["post"]["id"]) == ("post.published", made.json()["id"])
        card = home.locator(f"#post-{made.json()['id']}")
        card.wait_for(timeout=10_000)
        assert "Hello, doors" in card.inner_text()
        assert home.evaluate("window.wasNotReloaded") is True


def test_open_post_shows_an_edit_and_a_comment_without_reload(server: tuple[str, dict[str, str]], browser: Browser) -> None:
    base, ada = server
    made = httpx.post(f"{base}/api/v1/posts", json={"title": "A title", "content": "Old words."}, headers=ada).json()
    page = browser.new_page()
    page.goto(made["url"].replace(matching.search(r"^https?://[^/]+", made["url"])[0], base))
    page.evaluate("window.wasNotReloaded = true")
    path = f"{base}/api/v1/posts/{made['id']}"
    httpx.patch(path, json={"content": "New words."}, headers=ada).raise_for_status()
    page.get_by_text("New words.").wait_for(timeout=10_000)
    assert page.get_by_text("Old words.").count() == 0
    httpx.post(f"{path}/comments", json={"content": "Well said."}, headers=ada).raise_for_status()
    page.get_by_text("Well said.").wait_for(timeout=10_000)
    assert page.evaluate("window.wasNotReloaded") is True


def test_page_of_another_site_cannot_open_a_socket(
    server: tuple[str, dict[str, str]], sockets: WebSocketClient[WebSocketSession]
) -> None:
    base, _ = server
    with (
        pytest.raises(WebSocketUpgradeError) as refused,
        sockets.connect(base.replace("http", "ws") + "/live", headers={"Origin": "https://evil.example"}),
    ):
        pass
    assert refused.value.response.status_code == 403
