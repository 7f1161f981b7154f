"""The blog connects to the servers in its settings only, whatever users enter."""

import ast
import contextlib
import datetime as dt
import socket
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from blog.app import create_app, routes
from blog.domain.accounts import accounts, sessions
from blog.domain.core.context import Context
from blog.domain.core.site import open_site
from blog.framework.urls.urls import UrlBuilder
from blog.import_export.markdown.importer import import_markdown
from blog.mail.delivery import send_due
from blog.schemas.accounts import Role
from blog.settings import Settings
from tests.conftest import ORIGIN, PASSWORD, MakeUser, running
from tests.support.lines import ROOT
from tests.support.pictures import png
from tests.support.serving import free_port

# What can reach other machines, and the modules that use it: each for a server of the settings, never for an address of a text.
CLIENTS = {
    "aiosmtplib": {"blog/mail/delivery.py"},  # SMTP_URL
    "asyncpg": {f"blog/db/postgresql/{name}.py" for name in ("errors", "pool", "watcher")},  # DATABASE_URL
    "psycopg": {f"blog/db/postgresql/{name}.py" for name in ("database_copy", "dumps")},  # likewise
    "redis": {
        f"blog/{name}.py" for name in ("realtime/redis_notifier", "framework/limits/rate_limits", "framework/limits/redis_pool")
    },  # REDIS_URL
    "obstore": {"blog/domain/core/s3_storage.py"},  # MEDIA_BUCKET
    "opentelemetry": {
        "blog/observability/tracing/__init__.py",
        "blog/observability/tracing/export.py",
    },  # OTEL_EXPORTER_OTLP_ENDPOINT
    "httpx": {f"blog/delivery/{name}.py" for name in ("body", "http_client", "transport")},  # checks each address
    "httpcore": {"blog/delivery/transport.py"},  # likewise
    "ssl": {"blog/delivery/transport.py"},
    "socket": {"blog/delivery/http_client.py"},  # a constant
    "sentry_sdk": {"blog/observability/sentry.py"},  # SENTRY_DSN
}
FORBIDDEN = {
    "aiohttp", "ftplib", "http.client", "httpx2", "imaplib", "poplib", "requests", "smtplib",
    "socketserver", "telnetlib", "urllib.request", "urllib3", "webbrowser", "websockets.client",
    "websockets.asyncio.client", "websockets.legacy.client", "websockets.sync.client", "xmlrpc",
}  # fmt: skip
CALLS = {"open_connection", "create_connection", "create_datagram_endpoint", "sock_connect", "open_unix_connection", "urlopen"}
# Where an attacker would like the server to look: its own machine, the network around it, the cloud that it runs in.
INSIDE = (
    "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:6379/", "http://[::1]:5432/", "http://10.0.0.1/a.png",
    "http://localhost/x.png", "https://intranet.example/secret.png", "ftp://10.0.0.2/x", "gopher://127.0.0.1:25/_HELO",
    "file:///etc/passwd", "//192.168.1.1/router.png", "http://2130706433/", "http://user:pass@10.0.0.3/",
)  # fmt: skip


def used() -> Iterator[tuple[str, str]]:
    """Yield the path of each module with each name that it imports or calls."""
    for path in sorted((ROOT / "blog").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((name, each) for each in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
            elif isinstance(node, ast.Call):
                yield name, ast.unparse(node.func).rpartition(".")[2]


def test_only_these_modules_open_connections() -> None:
    found = set(used())
    for client, modules in CLIENTS.items():
        assert {name for name, what in found if what == client or what.startswith(f"{client}.")} == modules, client
    others = {(name, what) for name, what in found for one in FORBIDDEN if what == one or what.startswith(f"{one}.")}
    assert not others
    assert not {(name, what) for name, what in found if what in CALLS}


@pytest.fixture
def recorded_addresses(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Record the addresses of connections and the names of lookups from now on."""
    found: list[Any] = []

    def watched(name: str) -> Any:
        usual = getattr(socket.socket, name)

        def connecting(self: Any, address: Any, *rest: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                found.append(address[:2])
            return usual(self, address, *rest)

        return connecting

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, watched(name))
    look_up = socket.getaddrinfo

    def noted_look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        found.append((host, port))
        return look_up(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", noted_look_up)
    return found


@contextlib.contextmanager
def mail_server() -> Iterator[Any]:
    class Mailbox:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
            letters.append(message_from_bytes(envelope.content))
            return "250 OK"

    letters: list[Any] = []
    controller = Controller(Mailbox(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield controller.port, letters
    finally:
        controller.stop()


@pytest.mark.sqlite
async def test_blog_connects_to_its_mail_server_only(
    settings: Settings, ctx: Context, make_user: MakeUser, recorded_addresses: list[Any], tmp_path: Path
) -> None:
    text = "\n\n".join(f"![a]({url}) [b]({url}) <img src='{url}'> {url}" for url in INSIDE)
    owner = await make_user("ora", Role.OWNER)
    with mail_server() as (port, letters):
        mailing = {"smtp_url": SecretStr(f"smtp://127.0.0.1:{port}"), "mail_from": "blog@example.org"}
        posting = settings.model_copy(update=mailing)
        recorded_addresses.clear()
        async with running(create_app(posting)) as client:
            session_id = await sessions.start(ctx, accounts.as_actor(owner), "a browser")
            headers = {"Cookie": f"session={session_id}", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
            await live(client, headers, text)
        async with open_site(posting) as site:
            later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)  # also what the application began to send is due again
            everybody = Context(site, None, later, "test")
            (tmp_path / "old").mkdir()
            front = "".join(f"{name}: {INSIDE[0]}\n" for name in ("image", "cover", "canonical", "redirect_from", "thumbnail"))
            (tmp_path / "old" / "post.md").write_text(f"---\ntitle: Old\ndate: 2020-01-01\n{front}---\n{text}\n")
            report = await import_markdown(everybody.acting_as(accounts.as_actor(owner)), tmp_path / "old")
            assert report.totals.posts == 1
            await send_due(everybody, UrlBuilder(routes, ORIGIN))
    assert letters, "the watch sees what it should"
    assert set(recorded_addresses) == {("127.0.0.1", port)}


async def live(client: httpx2.AsyncClient, headers: dict[str, str], text: str) -> None:
    """Write these URLs into every text and URL field, and read all responses."""

    async def send(path: str, expected: int, **form: str) -> httpx2.Response:
        answer = await client.post(path, data=form, headers=headers)
        assert answer.status_code == expected, (path, answer.text)
        return answer

    made = await client.post("/api/v1/posts", json={"title": "A post", "content": text, "tags": ["a"]}, headers=headers)
    assert made.status_code == 201
    slug = made.json()["slug"]
    await send("/account", 303, name="Ora", age="", bio=text[:900])
    await send(f"/posts/{slug}/comments", 303, content=text[:1500])
    await send("/write/preview", 200, content=text)
    await send(f"/posts/{slug}/autosave", 200, title="A post", content=text, tags="a", version="1", key="k" * 22)
    picture = await client.post("/api/v1/media", files={"file": ("a.png", png(30, 20), "image/png")}, headers=headers)
    assert picture.status_code == 201
    await send("/reset-password", 303, name="ora")
    await send("/account/password", 303, current=PASSWORD, password="quite another one")
    for url in INSIDE:
        for path in ("/oembed", "/search", "/login"):
            answer = await client.get(path, params={"url": url, "q": url, "next": url})
            assert answer.status_code < 500
            location = answer.headers.get("location", "")
            assert not urlsplit(location).netloc, "no redirect leads there either"
    for path in (
        "/",
        f"/posts/{slug}",
        f"/posts/{slug}/card.png",
        "/feed.atom",
        "/feed.json",
        "/authors/ora",
        "/api/v1/posts",
        "/sitemap.xml",
    ):
        assert (await client.get(path)).status_code == 200, path
