"""Requests of every kind to every route: no content causes a status of 500."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, quote_from_bytes, unquote, urlencode

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as configured
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from blog.app import create_app, routes
from blog.framework.response import pagination
from blog.framework.urls.route_table import walk_routes
from blog.schemas.accounts import Role
from blog.settings import Settings
from tests.conftest import ORIGIN, Bearer, running
from tests.support.pictures import png

patient = configured(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


PATHS = {path for route, path, _ in walk_routes(routes) if isinstance(route, Route)}
TEMPLATES = sorted(PATHS - {"/api/v1/events/stream", "/logout"})  # a stream has no end
# What a parser may stumble over, wherever it stands.
AWKWARD = [
    "", "0", "1", "-1", "99999999999999999999", "9223372036854775808", "1e9", "٣", "null", "true", "\x00", "\x00a", "é", "😀",
    "\x7f", "\r\n", "../..", "%", "%00", "%zz", 'a\'b"c', "<script>", "*", "NOT", '"a', "a:b", "{}", "[]", "W10", "draft",
    "published", "2026-02-30", "2026-05-01T09:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "ada",
    "hello-there", "posts",
]  # fmt: skip
texts = st.sampled_from(AWKWARD) | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
QUERY = [
    "q", "cursor", "page", "tag", "author", "status", "limit", "channel", "after", "next", "sent", "saved", "v", "format",
    "url", "maxwidth", "days", "act", "user", "autosave", "a", "b", "from", "to", "version",
]  # fmt: skip
cursors = st.builds(pagination.encode_cursor, st.tuples(texts | st.datetimes().map(str), st.integers(-(2**63) + 1, 2**63 - 1)))
queries = st.lists(st.tuples(st.sampled_from(QUERY) | texts, texts) | st.tuples(st.just("cursor"), cursors), max_size=4)
HEADERS = [
    "accept", "accept-encoding", "accept-language", "authorization", "cookie", "content-type", "if-match", "if-none-match",
    "if-modified-since", "if-unmodified-since", "if-range", "range", "idempotency-key", "last-event-id", "x-correlation-id",
    "x-forwarded-for", "x-forwarded-proto", "forwarded", "host", "user-agent", "referer", "expect",
]  # fmt: skip
VALUES = [
    "*", "*/*", "text/html;q=0.x", "gzip;q=,br", ",,;=", "Bearer", "Bearer x", "Basic eDp5", "session=;session=a",
    "device=W10.x.y", 'theme="dark', "=", ";;a", "bytes=0-", "bytes=-1", "bytes=5-2", "bytes=0-0,1-1,2-2",
    "bytes=99999999999999999999-", "bytes=a-b", 'W/"1"', '"1.0",', '"', "Thu, 01 Jan 1970 00:00:00 GMT",
    "Thu, 99 Jan 99999 00:00:00 -9999", "application/json; charset=utf-16", "multipart/form-data",
    "multipart/form-data; boundary=b; charset=idna", "100-continue", 'for="[::1";proto=x', "[::1", "a:b:c", "127.0.0.1:x",
]  # fmt: skip
values = st.sampled_from([value.encode() for value in VALUES]) | st.binary(max_size=40).map(
    lambda sent: re.sub(rb"[\0\r\n]", b" ", sent)
)
headers = st.lists(st.tuples(st.sampled_from(HEADERS).map(str.encode), values), max_size=4)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
MEMBERS = [
    "title", "content", "slug", "tags", "status", "publish_at", "username", "email", "password", "name", "scopes",
    "expires_at", "alt", "enabled", "bio", "website", "theme", "content_html", "hidden", "parent_id", "reason", "note",
    "version", "next", "role", "otp", "code", "current", "state", "action",
]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
bodies = st.dictionaries(st.sampled_from(MEMBERS) | texts, json_values, max_size=5)
forms = st.lists(st.tuples(st.sampled_from(MEMBERS) | texts, texts), max_size=6)


@st.composite
def targets(draw: st.DrawFn) -> str:
    """Return a path and a query in ASCII, with any bytes after the percent signs."""
    template = draw(st.sampled_from(TEMPLATES) | st.just("/{any}/{more}"))
    raw = st.binary(max_size=9).map(lambda some: quote_from_bytes(some, safe=""))
    parts = st.sampled_from(["1", "2", "ada", "hello-there"]) | texts.map(lambda text: quote(text, safe="")) | raw
    path = re.sub(r"{\w+(:\w+)?}", lambda _: draw(parts), template)
    query = urlencode(draw(queries)) if draw(st.booleans()) else draw(st.text(alphabet="%&=+;ab\x7f0f", max_size=12))
    return f"{path}?{query}"


class Answer(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Site:
    """The application, called as the server calls it."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._own = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def request(
        self, method: str, target: str, headers: Sequence[tuple[bytes, bytes]] = (), body: bytes = b"", *, known: bool = True
    ) -> Answer:
        path, _, query = target.partition("?")
        sent = [*headers, *(self._own if known else ())]
        if all(name != b"host" for name, _ in sent):
            sent.append((b"host", b"127.0.0.1:8000"))
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": unquote(path), "raw_path": path.encode("ascii"), "query_string": query.encode("ascii"),
            "root_path": "", "headers": sent, "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8000),
        }  # fmt: skip
        parts: list[Message] = [
            {"type": "http.request", "body": body[:7], "more_body": True},
            {"type": "http.request", "body": body[7:]},
        ]
        sent_messages: list[Message] = []

        async def receive() -> Message:
            return parts.pop(0) if parts else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent_messages.append(message)

        await self._app(scope, receive, send)
        start = sent_messages[0]
        return Answer(start["status"], dict(start["headers"]), b"".join(one.get("body", b"") for one in sent_messages[1:]))


@pytest.fixture
async def site(settings: Settings, bearer: Bearer) -> AsyncIterator[Site]:
    """Return a blog with content, and its owner."""
    owner = await bearer("ada", Role.OWNER)
    async with running(create_app(settings.model_copy(update={"max_cache_bytes": 1_000_000}))) as client:
        made = await client.post(
            "/api/v1/posts", json={"title": "Hello there", "content": "*Text*", "tags": ["a"]}, headers=owner
        )
        assert made.status_code == 201
        transport: Any = client._transport
        yield Site(transport.app, owner)


def check_answer(answer: Answer) -> None:
    """Check that the status is no server error, and that a problem document has the same status."""
    assert 200 <= answer.status < 500, answer
    kind = answer.headers.get(b"content-type", b"")
    if answer.status >= 400 and kind == b"application/problem+json" and answer.body:
        assert json.loads(answer.body)["status"] == answer.status


@patient
@given(methods, targets(), headers, st.booleans())
@example("GET", "/%ff%fe?%ff=%00", [], True)
@example("GET", "/posts/%00?page=%00", [], False)
@example("GET", "/?cursor=%ED%A0%80", [(b"cookie", b"\xff")], False)
async def test_any_address_with_any_fields(
    site: Site, method: str, target: str, headers: list[tuple[bytes, bytes]], known: bool
) -> None:
    check_answer(await site.request(method, target, headers, known=known))


@patient
@given(
    st.sampled_from(["POST", "PUT", "PATCH"]), targets(), bodies.map(json.dumps).map(str.encode) | st.binary(max_size=60), headers
)
async def test_any_json(site: Site, method: str, target: str, body: Any, headers: list[tuple[bytes, bytes]]) -> None:
    check_answer(await site.request(method, target, [(b"content-type", b"application/json"), *headers], body))


@patient
@given(targets(), forms.map(urlencode).map(str.encode) | st.binary(max_size=60))
async def test_any_form(site: Site, target: str, body: Any) -> None:
    own = [(b"content-type", b"application/x-www-form-urlencoded"), (b"origin", ORIGIN.encode())]
    check_answer(await site.request("POST", target, own, body))


TYPES = [
    "multipart/form-data; boundary=b", "multipart/form-data; boundary=", "multipart/form-data; boundary=b; charset={}",
]  # fmt: skip
CHARSETS = [
    "utf-8", "utf-16", "utf-7", "idna", "undefined", "hex", "rot13", "punycode", "unicode_escape", "raw_unicode_escape",
    "no-such",
]  # fmt: skip
BLOCKS = [
    b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n',
    b'--b\r\nContent-Disposition: form-data; name="content"\r\n\r\n',
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n',
    b"--b\r\nContent-Disposition: form-data; name*=utf-8''%ff\r\n\r\n", b"--b\r\n", b"--b--\r\n", b"\r\n", b"Text",
    b"\\ud800", b"+2AA-", b"\xff\xfe\x00", b"xn--\xc3", b"\x89PNG\r\n\x1a\n", b"Content-Disposition: form-data\r\n\r\n",
    b"Content-Length: 9\r\n\r\n",
]  # fmt: skip
kinds = st.builds(str.format, st.sampled_from(TYPES), st.sampled_from(CHARSETS))


FORMS = [
    "/write", "/login", "/register", "/theme", "/account/avatar", "/write/images", "/api/v1/media",
    "/posts/hello-there/comments",
]  # fmt: skip
blocks = st.lists(st.sampled_from(BLOCKS) | st.binary(max_size=9), max_size=9)


@patient
@given(st.sampled_from(FORMS), kinds, blocks.map(b"".join))
async def test_any_multipart(site: Site, path: str, kind: Any, body: Any) -> None:
    own = [(b"content-type", kind.encode()), (b"origin", ORIGIN.encode())]
    check_answer(await site.request("POST", path, own, body))


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("text", [b"xn--\xc3", b"\\ud800", b"+2AA-", b"\xff\xfe\x00\xd8"])
async def test_any_charset_of_a_form_is_handled(site: Site, charset: str, text: bytes) -> None:
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name, text)
        for name in (b"title", b"content", b"tags", b"username", b"password")
    )
    own = [(b"content-type", f"multipart/form-data; boundary=b; charset={charset}".encode()), (b"origin", ORIGIN.encode())]
    file = b'--b\r\nContent-Disposition: form-data; name="alt"\r\n\r\n%s\r\n' % text + BLOCKS[2] + png(2, 2) + b"\r\n"
    for path in FORMS:
        takes_file = path in ("/write/images", "/api/v1/media", "/account/avatar")
        check_answer(await site.request("POST", path, own, (file if takes_file else body) + b"--b--\r\n"))


@pytest.mark.parametrize("target", ["/%00", "/posts/%00", "/posts/a%00b", "/tags/%00", "/api/v1/posts/%00"])
async def test_null_byte_in_a_path_is_not_found(site: Site, target: str) -> None:
    assert (await site.request("GET", target, known=False)).status == 400


@pytest.mark.parametrize("target", ["/api/v1/posts?tag=%00", "/api/v1/posts?author=a%00", "/api/v1/posts?q=a%00"])
async def test_null_byte_in_a_query_is_refused_by_its_name(site: Site, target: str) -> None:
    assert (await site.request("GET", target, known=False)).status == 422


@pytest.mark.parametrize("target", ["/?page=%00", "/search?q=a%00", "/login?next=%00", "/write?title=%00"])
async def test_null_byte_in_the_query_of_a_page_breaks_nothing(site: Site, target: str) -> None:
    check_answer(await site.request("GET", target, known=False))


@pytest.mark.parametrize(
    "instant", ["", "x", "\0", "2026-02-30", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "infinity"]
)
async def test_cursor_of_any_instant_is_a_page_or_refused(site: Site, instant: str) -> None:
    for path in ("/api/v1/posts", "/api/v1/posts/1/comments", "/", "/tags/a", "/authors/ada", "/api/v1/users", "/api/v1/media"):
        answer = await site.request("GET", f"{path}?{urlencode({'cursor': pagination.encode_cursor((instant, 5))})}")
        check_answer(answer)


@pytest.mark.parametrize("text", ["\0", "a\0b", "😀\0"])
async def test_null_byte_in_a_body_is_refused_or_kept_out(site: Site, text: str) -> None:
    new = {"title": "A", "content": "x", "username": "bob", "email": "bob@example.org", "password": "a long enough one"}
    form = [(b"content-type", b"application/x-www-form-urlencoded"), (b"origin", ORIGIN.encode())]
    for name in MEMBERS:
        for path, members in (
            ("/api/v1/posts", ["title", "content"]), ("/api/v1/users", ["username", "email", "password"]),
            ("/api/v1/tokens", ["username", "password"]), ("/api/v1/posts/1/comments", ["content"]),
        ):  # fmt: skip
            body = {member: new[member] for member in members} | {name: [text] if name in ("tags", "scopes") else text}
            check_answer(await site.request("POST", path, [(b"content-type", b"application/json")], json.dumps(body).encode()))
        for path in ("/write", "/login", "/posts/hello-there/comments"):
            check_answer(await site.request("POST", path, form, urlencode(new | {name: text}).encode()))
