"""The application as a whole: no work at import, several in one process, and clients that disconnect."""

import asyncio
import inspect
import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import httpx2
from starlette.routing import Route

from blog.app import create_app, routes
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.templating.assets import list_names, load_asset, resolve
from blog.framework.urls.route_table import walk_routes
from blog.settings import Settings
from tests.conftest import Bearer, running
from tests.support.lines import ROOT
from tests.support.serving import blog, free_port, serving, wait_until_up


def test_import_opens_nothing(tmp_path: Path) -> None:
    program = (
        "import socket, sqlite3, threading\n"
        "def refuse(*_a, **_k): raise AssertionError('opened at import')\n"
        "sqlite3.connect = socket.socket.connect = refuse\n"
        "import blog.app, blog.cli\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


async def test_two_applications_run_in_one_process(
    settings: Settings, tmp_path: Path, migrated_file: Path, bearer: Bearer
) -> None:
    headers = await bearer("ada")
    shutil.copy(migrated_file, tmp_path / "other.db")
    other = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'other.db'}", "project_name": "Another one"})
    async with running(create_app(settings)) as one, running(create_app(other)) as two:
        made = await one.post("/api/v1/posts", json={"title": "Here", "content": "x"}, headers=headers)
        assert made.status_code == 201
        assert len((await one.get("/api/v1/posts")).json()["items"]) == 1
        assert (await two.get("/api/v1/posts")).json()["items"] == []
        assert (await two.post("/api/v1/posts", json={"title": "x", "content": "x"}, headers=headers)).status_code == 401
        assert "Field Notes" in (await one.get("/")).text
        assert "Another one" in (await two.get("/")).text


async def test_one_application_can_be_started_twice(settings: Settings) -> None:
    app = create_app(settings)
    for _ in range(2):
        async with running(app) as client:
            assert (await client.get("/")).status_code == 200


def test_disconnects_free_everything(tmp_path: Path) -> None:
    """Send 200 requests and close the connection before, during or after the body."""
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    token = blog(tmp_path, "token", "create", "ada").stdout.strip()
    port = free_port()
    body = json.dumps({"title": "Left", "content": "word " * 2000, "tags": ["a", "b"]}).encode()
    head = (
        f"POST /api/v1/posts HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    request = head + body
    with serving(tmp_path, port) as (process, log):
        wait_until_up(port, process)
        for number in range(200):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(request[: len(request) * (number % 5 + 1) // 5])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}) as client:
            for _ in range(20):
                client.post("/api/v1/posts", json={"title": "Stayed", "content": "x"}).raise_for_status()
            stayed = [item["title"] for item in client.get("/api/v1/posts?limit=20&q=stayed").json()["items"]]
            assert stayed == ["Stayed"] * 20
            assert client.get("/").status_code == 200
    assert "Traceback" not in log.read_text()
    checked = blog(tmp_path, "check")
    assert (checked.returncode, checked.stdout) == (0, "No problems found.\n")


async def test_timed_out_request_leaves_the_application_usable(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    body = {"title": "Cut", "content": "x" * 1000}
    for number in range(60):
        task = asyncio.create_task(client.post("/api/v1/posts", json=body, headers=headers))
        for _ in range(number * 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*(client.post("/api/v1/posts", json=body, headers=headers) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}


async def test_static_files_are_compressed_and_immutable(client: httpx2.AsyncClient) -> None:
    plain = await client.get(address := load_asset("css/blog.css").url, headers={"Accept-Encoding": "identity"})
    assert plain.headers["content-type"].startswith("text/css")
    assert "immutable" in plain.headers["cache-control"]
    for coding in ("gzip", "br"):
        packed = await client.get(address, headers={"Accept-Encoding": coding})
        assert (packed.headers["content-encoding"], packed.text) == (coding, plain.text)
        assert len(load_asset("css/blog.css").encoded_variants[coding.encode()]) < len(plain.content) / 3
        again = await client.get(address, headers={"If-None-Match": packed.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


async def test_plain_names_of_static_files_serve_the_current_content(client: httpx2.AsyncClient) -> None:
    current = load_asset("css/blog.css")
    for path in ("/static/css/blog.css", "/static/css/blog.0123456789ab.css"):  # of no version, of another version
        answer = await client.get(path, headers={"Accept-Encoding": "identity"})
        assert (answer.status_code, answer.content) == (200, current.content)
        assert answer.headers["cache-control"] == "no-cache"
    for path in ("/static/css/none.css", "/static/../pyproject.toml", "/static/%2e%2e/pyproject.toml", "/static/css"):
        assert (await client.get(path)).status_code == 404


async def test_modules_import_each_other_by_digest(client: httpx2.AsyncClient) -> None:
    asset = load_asset("js/editor/main.js")
    imported = re.findall(r'from "(/static/js/editor/[^"]+)";', (await client.get(asset.url)).text)
    written = (ROOT / "static/js/editor/main.js").read_text().count(' from "./')
    assert len(imported) == written > 0
    for address in imported:
        answer = await client.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert "immutable" in answer.headers["cache-control"]


def test_every_static_file_can_be_served() -> None:
    for name in list_names():
        assert resolve(load_asset(name).url.removeprefix("/static/")) == (load_asset(name), True)


def test_no_route_has_an_abstract_endpoint() -> None:
    """A class that lacks an abstract method fails only when its first request comes."""
    endpoints = {route.endpoint for route, _, _ in walk_routes(routes) if isinstance(route, Route)}
    assert sum(inspect.isclass(endpoint) and issubclass(endpoint, Endpoint) for endpoint in endpoints) > 100
    assert not [endpoint for endpoint in endpoints if inspect.isabstract(endpoint)]
