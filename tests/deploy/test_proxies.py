"""nginx and Caddy with the files of `.deploy`: forwarded and refused requests."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from httpx2.websockets import AsyncWebSocketClient

from blog.settings import Settings
from tests.live.test_endpoints import receive
from tests.support import matching
from tests.support.live_server import Events
from tests.support.proxies import KINDS, nginx_files, proxy
from tests.support.serving import blog, free_port, run_sql, serving, wait_until_up
from tests.support.tools import DEPLOY, checked, tool

HOST = "blog.example.org"
PASSWORD = "a long enough one"


@pytest.fixture(scope="module", params=KINDS)
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Return the folder of a blog and the port of a proxy in front of it."""
    tool(request.param)
    place, behind = tmp_path_factory.mktemp(request.param), free_port()
    folder = place / "blog"
    folder.mkdir()
    given = blog(folder, "user", "create", "ada", "ada@example.org", "--role", "author", "--password-stdin", stdin=PASSWORD)
    assert given.returncode == 0, given.stderr
    settings = {"TRUSTED_PROXIES": "127.0.0.1", "ALLOWED_HOSTS": HOST, "METRICS_TOKEN": "scrape-scrape-scrape"}
    with serving(folder, behind, **settings) as (process, _log):
        wait_until_up(behind, process)
        with proxy(request.param, place / "proxy", [behind]) as port:
            yield folder, port


async def test_host_and_client_address_are_forwarded_and_metrics_are_private(proxied: tuple[Path, int]) -> None:
    folder, port = proxied
    lies = {
        "Host": f"{HOST}:{port}",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "gopher",
        "Forwarded": "for=203.0.113.9",
    }
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=lies) as client:
        assert (await client.get("/")).status_code == 200
        signed_in = await client.post("/api/v1/tokens", json={"username": "ada", "password": PASSWORD})
        assert signed_in.status_code == 201
        scrape = {"Authorization": "Bearer scrape-scrape-scrape"}
        assert (await client.get("/metrics", headers=scrape)).status_code == 404
    assert {row[0] for row in run_sql(folder, "SELECT address FROM audit_log WHERE address != ''")} == {"127.0.0.1"}


async def test_live_events_arrive_without_buffering(proxied: tuple[Path, int]) -> None:
    folder, port = proxied
    token = blog(folder, "token", "create", "ada").stdout.strip()
    headers = {"Host": f"{HOST}:{port}"}
    async with (
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client,
        AsyncWebSocketClient(client=client).connect(f"ws://127.0.0.1:{port}/live", subprotocols=["blog.live.v1"]) as socket,
        client.stream("GET", "/api/v1/events/stream?channel=posts") as answer,
    ):
        assert (await receive(socket))["type"] == "welcome"
        stream = Events(answer)
        await stream.next()
        await socket.send_text('{"type": "subscribe", "id": "a", "channel": "posts"}')
        assert (await receive(socket))["type"] == "subscribed"
        new = {"title": "News", "content": "x", "status": "published"}
        made = await client.post("/api/v1/posts", json=new, headers={"Authorization": f"Bearer {token}"})
        assert made.status_code == 201, made.text
        assert (await receive(socket))["event"] == (await stream.next())["event"] == "post.published"


@pytest.mark.parametrize("proxied", ["nginx"], indirect=True)  # Caddy sends a body on as it comes, and the blog may answer first
async def test_too_large_body_is_refused_by_the_proxy(proxied: tuple[Path, int]) -> None:
    _, port = proxied
    most = Settings.model_fields["max_upload_bytes"].default
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Host": f"{HOST}:{port}"}) as client:
        passed = await client.post("/uploads", files={"image": b"x" * int(most * 0.9)})
        assert "x-correlation-id" in passed.headers, "the blog answers"
        refused = await client.post("/uploads", files={"image": b"x" * int(most * 1.2)})
        assert (refused.status_code, "x-correlation-id" in refused.headers) == (413, False), "the proxy does"


@pytest.mark.parametrize("proxied", ["nginx"], indirect=True)
async def test_nginx_caches_only_immutable_files(proxied: tuple[Path, int]) -> None:
    _, port = proxied
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Host": f"{HOST}:{port}"}) as client:
        page = (await client.get("/")).text
        path = matching.search(r'href="(/static/[^"]+\.css[^"]*)"', page)[1]
        asked = [
            await client.get(path, headers={"Accept-Encoding": coding}) for coding in ("gzip", "gzip", "identity", "identity")
        ]
        assert [answer.headers["x-cache-status"] for answer in asked] == ["MISS", "HIT", "MISS", "HIT"]
        assert [answer.headers.get("content-encoding") for answer in asked] == ["gzip", "gzip", None, None]
        assert len({answer.text for answer in asked}) == 1
        assert "x-cache-status" not in (await client.get("/")).headers


def test_nginx_configuration_is_valid(tmp_path: Path) -> None:
    assert "test is successful" in checked(tool("nginx"), "-t", "-e", "stderr", "-c", nginx_files(tmp_path, [8000], 8080))


def test_nginx_configuration_with_tls_is_valid(tmp_path: Path) -> None:
    main = nginx_files(tmp_path, [8000], 8080)
    text = (DEPLOY / "nginx" / "tls.conf.example").read_text()
    (tmp_path / "tls.conf").write_text(text.replace("listen 443", "listen 127.0.0.1:8443"))
    subject = ["-subj", f"/CN={HOST}", "-days", "2", "-nodes", "-newkey", "rsa:2048"]
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"]
    checked(tool("openssl"), "req", "-x509", *subject, *map(str, files))
    assert "test is successful" in checked(tool("nginx"), "-t", "-e", "stderr", "-c", main)


def test_tls_versions_are_current() -> None:
    nginx = (DEPLOY / "nginx" / "tls.conf.example").read_text()
    assert re.findall(r"ssl_protocols (.*);", nginx) == ["TLSv1.2 TLSv1.3"]
    caddy = (DEPLOY / "caddy" / "Caddyfile").read_text()
    assert not re.search(r"\bprotocols\b|\btls\b", caddy), "its own choice, which is 1.2 and 1.3, is left alone"


def test_invalid_nginx_configuration_is_detected(tmp_path: Path) -> None:
    main = nginx_files(tmp_path, [8000], 8080)
    main.write_text(main.read_text().replace("least_conn;", "least_con;"))
    done = subprocess.run([tool("nginx"), "-t", "-c", main], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "unknown directive" in done.stderr) == (1, True)


def test_caddy_configuration_is_valid_and_formatted() -> None:
    said = checked(tool("caddy"), "validate", "--adapter", "caddyfile", "--config", "caddy/Caddyfile", HOME=os.environ["HOME"])
    assert "Valid configuration" in said
    assert '"level":"warn"' not in said
    formatted = subprocess.run(
        [tool("caddy"), "fmt", DEPLOY / "caddy" / "Caddyfile"], capture_output=True, text=True, timeout=60, check=True
    )
    assert formatted.stdout == (DEPLOY / "caddy" / "Caddyfile").read_text()


def test_proxies_have_the_body_limit_of_the_blog() -> None:
    most = Settings.model_fields["max_upload_bytes"].default
    (nginx,) = re.findall(r"client_max_body_size (\d+)m;", (DEPLOY / "nginx" / "nginx.conf").read_text())
    (caddy,) = re.findall(r"max_size (\d+)MB", (DEPLOY / "caddy" / "Caddyfile").read_text())
    assert most <= int(nginx) * 2**20 < most * 1.1
    assert most <= int(caddy) * 10**6 < most * 1.1
