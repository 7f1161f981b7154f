"""Headers of every response, and checks of every request."""

import re
from typing import Any

import httpx2
import pytest
from httpx2.websockets import AsyncWebSocketClient, WebSocketDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from blog.app import Application, create_app
from blog.domain.accounts import accounts, sessions
from blog.domain.core.context import Context
from blog.schemas.accounts import Role
from blog.settings import Settings
from tests.conftest import ORIGIN, PASSWORD, Bearer, MakeUser, running

SIGN_IN = {"username": "ada", "password": PASSWORD}
LIVE = "ws://127.0.0.1:8000/live"
PATHS = ["/", "/nowhere", "/api/v1/posts", "/api/v1/nowhere", "/api/v1/posts/99", "/static/nowhere.css"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_response_has_its_headers(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-correlation-id"])
    assert float(answer.headers["x-process-time"]) >= 0
    assert re.fullmatch(r"(\w+;dur=\d+\.\d\d, )*total;dur=\d+\.\d\d", answer.headers["server-timing"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "strict-transport-security" not in answer.headers, "not without TLS"


async def test_images_of_http_sites_are_shown(settings: Settings) -> None:
    for url, upgrades in (("http://blog.example.org", False), ("https://blog.example.org", True)):
        async with running(create_app(settings.model_copy(update={"public_url": url}))) as client:
            policy = (await client.get("/")).headers["content-security-policy"].split("; ")
        assert "img-src 'self' data: http: https:" in policy
        assert ("upgrade-insecure-requests" in policy) is upgrades


@pytest.mark.parametrize(
    ("sent", "kept"), [("order-7/3", True), ("x" * 128, True), ("x" * 129, False), ("two words", False), ("é", False)]
)
async def test_correlation_id_of_the_request_is_used_if_visible_ascii(client: httpx2.AsyncClient, sent: str, kept: bool) -> None:
    answer = await client.get("/api/v1/nowhere", headers={b"X-Correlation-ID": sent.encode()})
    assert (answer.headers["x-correlation-id"] == sent) is kept
    assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"]


async def test_health_and_metrics_accept_any_host_name(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"allowed_hosts": ("blog.example.org",)}))
    async with running(app) as client:
        statuses = {path: (await client.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics", "/", "/healthz/")}
    assert statuses == {"/healthz": 200, "/readyz": 200, "/metrics": 404, "/": 400, "/healthz/": 400}


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_the_body(client: httpx2.AsyncClient, path: str) -> None:
    get, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403), ({"Cookie": "session=x"}, 403), ({"Origin": ORIGIN, "Cookie": "session=x"}, 401), ({}, 401),
        ({"Sec-Fetch-Site": "same-origin", "Cookie": "session=x"}, 401), ({"Sec-Fetch-Site": "none"}, 401),
        ({"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"}, 401),
    ],
)  # fmt: skip
async def test_only_same_and_allowed_origins_can_write(settings: Settings, headers: dict[str, str], status: int) -> None:
    app = create_app(settings.model_copy(update={"cors_origins": ("https://friend.example",)}))
    async with running(app) as client:
        answer = await client.post("/api/v1/tokens", json=SIGN_IN, headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.get("/api/v1/posts", headers=headers)).status_code == 200, "reading is free"


async def test_unknown_hosts_are_refused_when_hosts_are_named(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"allowed_hosts": ("blog.example.org", "::1")}))
    async with running(app) as client:
        for host, status in (
            ("blog.example.org", 200),
            ("BLOG.example.org:8000", 200),
            ("[::1]:8000", 200),
            ("evil.example", 400),
        ):
            assert (await client.get("/api/v1/posts", headers={"Host": host})).status_code == status, host


async def test_tls_sites_send_hsts_and_secure_cookies(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"public_url": "https://blog.example.org"}))
    async with running(app) as client:
        assert "max-age" in (await client.get("/api/v1/posts")).headers["strict-transport-security"]
        form = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
        answer = await client.post("/register", data=form, headers={"Origin": "https://blog.example.org"})
        cookie = answer.headers["set-cookie"].lower()
        assert cookie.startswith("__host-session=")
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= {part.strip() for part in cookie.split(";")}
        same_host = {"Origin": "http://blog.example.org", "Host": "blog.example.org"}
        assert (await client.post("/logout", headers=same_host)).status_code == 403, "the same host without TLS is another site"


COMPANIONS: list[dict[str, str]] = [
    {"Origin": "null"}, {"Origin": "tauri://localhost"}, {"Origin": "chrome-extension://abcdef"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Cookie": "session=unknown"}, {"Cookie": "session={session}"}, {"Cookie": "theme=dark; session={session}", "Origin": "null"},
]  # fmt: skip


@pytest.mark.parametrize("companion", COMPANIONS)
async def test_bearer_token_alone_decides(
    client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser, bearer: Bearer, companion: dict[str, str]
) -> None:
    session = await sessions.start(ctx, accounts.as_actor(await make_user("bob", Role.OWNER)), "a browser")
    others = {name: value.format(session=session) for name, value in companion.items()}
    ada = others | await bearer("ada", Role.AUTHOR)
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=ada)
    assert (made.status_code, made.json()["author"]) == (201, "ada")
    assert (await client.put("/api/v1/posts/1", json={"title": "B", "content": "x"}, headers=ada)).status_code == 200
    assert (await client.get("/api/v1/users/me", headers=ada)).json()["username"] == "ada"
    assert (await client.get("/api/v1/flags", headers=ada)).status_code == 403, "the session of the owner does not count"
    assert (await client.get("/api/v1/events?channel=me", headers=ada)).status_code == 200
    async with client.stream("HEAD", "/api/v1/events/stream?channel=moderation", headers=ada) as stream:
        assert stream.status_code == 403
    socket: Any
    async with AsyncWebSocketClient(client=client).connect(LIVE, subprotocols=["blog.live.v1"], headers=ada) as socket:
        assert '"user":"ada"' in (await socket.receive_text()).replace(" ", "")


@pytest.mark.parametrize("companion", COMPANIONS)
async def test_invalid_token_is_refused_whatever_comes_with_it(
    client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser, companion: dict[str, str]
) -> None:
    session = await sessions.start(ctx, accounts.as_actor(await make_user("bob", Role.OWNER)), "a browser")
    headers = {name: value.format(session=session) for name, value in companion.items()} | {"Authorization": "Bearer none"}
    new = {"title": "A", "content": "x"}
    answers = [await client.get(path, headers=headers) for path in ("/api/v1/posts", "/api/v1/users/me", "/", "/dashboard")]
    answers += [await client.get(f"/api/v1/events{path}?channel=posts", headers=headers) for path in ("", "/stream")]
    answers.append(await client.post("/api/v1/posts", json=new, headers=headers))
    answers.append(await client.post("/api/v1/tokens", json={"username": "bob", "password": PASSWORD}, headers=headers))
    answers.append(await client.post("/write", data=new, headers=headers))
    assert [answer.status_code for answer in answers] == [401] * 9
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)
    socket: Any
    async with AsyncWebSocketClient(client=client).connect(LIVE, subprotocols=["blog.live.v1"], headers=headers) as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive_text()
    assert closed.value.code == 4401


@pytest.mark.parametrize("origin", ["https://foe.example", "null", "tauri://localhost", "chrome-extension://abcdef"])
async def test_other_origins_call_the_api_with_tokens_but_never_with_cookies(
    client: httpx2.AsyncClient, bearer: Bearer, origin: str
) -> None:
    ada, other = await bearer("ada"), {"Origin": origin}
    asks = other | {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, if-match"}
    for path in ("/api/v1/posts/1", "/api/v1/events/stream", "/api/v1/nowhere"):
        allowed = await client.options(path, headers=asks)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "*"
        assert "PATCH" in allowed.headers["access-control-allow-methods"]
        assert "authorization" in allowed.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in allowed.headers
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=ada | other)
    wrong = await client.post("/api/v1/posts", json={}, headers=ada | other)
    assert (made.status_code, wrong.status_code) == (201, 422)
    paths = ["/api/v1/posts", "/api/v1/nowhere", "/api/openapi.json", "/feed.atom", f"/oembed?url={ORIGIN}/posts/a"]
    for answer in [made, wrong, *[await client.get(path, headers=other) for path in paths]]:
        assert answer.headers["access-control-allow-origin"] == "*", answer.url
        assert "access-control-allow-credentials" not in answer.headers
    assert (await client.post("/api/v1/tokens", json=SIGN_IN, headers=other)).status_code == 403, "not without a token"
    assert "access-control-allow-origin" not in (await client.get("/", headers=other)).headers


@pytest.mark.parametrize(
    ("path", "status", "to"),
    [
        ("/archive/", 307, "/archive"), ("/posts/a/", 307, "/posts/a"), ("/account/", 307, "/account"),
        ("/archive/?utm_source=x", 307, "/archive?utm_source=x"), ("/archive/?", 307, "/archive"),
        ("/archive//?a=1", 307, "/archive?a=1"), ("/archive/?tag=a&tag=b%2F&next=/", 307, "/archive?tag=a&tag=b%2F&next=/"),
        ("/tags/", 307, "/tags"), ("/tags/?utm_source=x", 307, "/tags?utm_source=x"), ("/tags/none/?a", 307, "/tags/none?a"),
        ("/posts/a%2Fb/?a", 307, "/posts/a%2Fb?a"), ("/posts/%C3%A9/", 307, "/posts/%C3%A9"),
        ("/archive?next=/", 200, None), ("/?utm_source=x/", 200, None), ("/archive%2F", 404, None),
        ("/api/v1/posts/?a", 404, None),
        ("//", 404, None), ("///?a=/", 404, None), ("//evil.example/", 404, None), ("//evil.example/?a=b", 404, None),
        ("/%2Fevil.example/", 404, None), ("/%5Cevil.example/?a", 404, None), ("/%2F%2Fevil.example//", 404, None),
    ],
)  # fmt: skip
async def test_trailing_slash_is_removed_by_a_relative_redirect(
    client: httpx2.AsyncClient, path: str, status: int, to: str | None
) -> None:
    answer = await client.get(ORIGIN + path, headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers.get("location")) == (status, to)


async def test_link_with_a_slash_and_a_query_leads_to_the_post(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    await client.post("/api/v1/posts", json={"title": "Hello", "content": "Words."}, headers=await bearer("ada", Role.AUTHOR))
    for method in ("GET", "HEAD"):
        answer = await client.request(method, "/posts/hello/?utm_source=x", follow_redirects=True)
        assert (answer.status_code, str(answer.url)) == (200, f"{ORIGIN}/posts/hello?utm_source=x")
        assert len(answer.history) == 1


async def test_crash_reveals_nothing_and_has_its_headers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_args: Any) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("blog.domain.posts.post_lists.list_page", crash)
    monkeypatch.setattr("blog.domain.posts.post_lists.front_page", crash)
    app = create_app(settings)
    async with running(app) as client:
        transport: Any = client._transport
        transport.app = quiet(transport.app)
        for path, kind in (("/api/v1/posts", "application/problem+json"), ("/", "text/html; charset=utf-8")):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (500, kind)
            assert "secret" not in answer.text
            assert answer.headers["x-correlation-id"] in answer.text
            assert "content-security-policy" in answer.headers


def quiet(app: ASGIApp) -> ASGIApp:
    """Ignore the exception that Starlette raises again after its 500 response, for the server's log."""

    async def caught(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except RuntimeError:
            assert scope["type"] == "http"

    return caught


@pytest.mark.parametrize("path", ["/", "/api/v1/posts", "/static/css/blog.css"])
async def test_too_long_url_is_refused(settings: Settings, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.middleware.security.MAX_URL_BYTES", 2_000)
    async with running(create_app(settings)) as client:
        assert (await client.get(f"{path}?q={'x' * (1_998 - len(path))}")).status_code in (200, 422)
        refused = await client.get(f"{path}?q={'x' * (1_999 - len(path))}")
    assert refused.status_code == 414
    assert "2000 bytes" in refused.json()["detail"]
    assert refused.headers["x-content-type-options"] == "nosniff"


async def test_too_long_headers_are_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.middleware.security.MAX_HEADER_BYTES", 4_096)
    async with running(create_app(settings)) as client:
        assert (await client.get("/", headers={"X": "x" * 3_800})).status_code == 200
        for headers in ([("X", "x" * 4_096)], [("X", "x" * 100)] * 50):
            refused = await client.get("/", headers=headers)
            assert refused.status_code == 431
            assert "4096 bytes" in refused.json()["detail"]


NAME = (b"host", b"127.0.0.1:8000")
HOSTS = [
    ([NAME], "1.1", 200), ([], "1.1", 400), ([], "1.0", 200), ([NAME, NAME], "1.1", 400), ([NAME, NAME], "1.0", 400),
    ([(b"host", b"[::1]:8000")], "1.1", 200), ([(b"host", "müller.example".encode())], "1.1", 400),
    *(([(b"host", value)], "1.1", 400) for value in (b"", b"a b", b"a/b", b"a@b", b"a,b", b"[::1", b"a:x", b"a:1:2")),
]  # fmt: skip


@pytest.mark.parametrize(("hosts", "version", "status"), HOSTS)
@pytest.mark.parametrize("path", ["/", "/api/v1/posts", "/healthz"])
async def test_request_names_one_valid_host(app: Application, path: str, hosts: Any, version: str, status: int) -> None:
    async with running(app) as client:
        transport: Any = client._transport
        inner = transport.app

        async def with_hosts(scope: Scope, receive: Receive, send: Send) -> None:
            rest = [pair for pair in scope["headers"] if pair[0] != b"host"]
            await inner({**scope, "http_version": version, "headers": [*hosts, *rest]}, receive, send)

        transport.app = with_hosts
        answer = await client.get(path)
    assert answer.status_code == status
    if status == 400:
        assert "Host" in answer.json()["detail"]
