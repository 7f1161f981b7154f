"""Cached responses that are sent without a task equal those of the application; on real sockets."""

import asyncio
import gzip
import re

import pytest
from structlog.testing import capture_logs
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from blog.app import Application, create_app
from blog.framework.caching.fast_path import encode_headers
from blog.observability import metrics
from blog.server.http import LimitedHttpProtocol
from blog.settings import Settings
from tests.server.test_http import connected, rest
from tests.support.live_server import served

RATE_LIMIT_FIELDS = {"ratelimit", "ratelimit-policy"}
VARYING_FIELDS = {"x-correlation-id", "x-process-time", "server-timing", "date", "cache-status", "x-cache", *RATE_LIMIT_FIELDS}


def request_bytes(method: str = "GET", path: str = "/feed.atom", *fields: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *fields, "\r\n")).encode()


async def read_response(reader: asyncio.StreamReader, *, has_body: bool = True) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:-2])
    assert len(fields) == len(head) - 3, "no field is there twice"
    body = await reader.readexactly(int(fields["content-length"])) if has_body else b""
    return head[0], fields, body


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_cache_bytes": 1_000_000})


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return for each response whether it was sent without a task."""
    seen: list[bool] = []
    send_cached = LimitedHttpProtocol._send_cached

    def recorded(self: LimitedHttpProtocol, cycle: RequestResponseCycle) -> bool:
        seen.append(send_cached(self, cycle))
        return seen[-1]

    monkeypatch.setattr(LimitedHttpProtocol, "_send_cached", recorded)
    return seen


async def test_cached_response_is_unchanged(app: Application, fast: list[bool]) -> None:
    async with served(app) as (address, _), connected(address) as (reader, writer):
        writer.write(request_bytes())
        line, first, body = await read_response(reader)
        assert "fwd=miss" in first["cache-status"]
        writer.write(request_bytes("GET", "/feed.atom", "X-Correlation-ID: mine"))
        hit_line, hit, hit_body = await read_response(reader)
        assert (hit_line, hit_body) == (line, body) == ("HTTP/1.1 200 OK", body)
        assert hit.keys() == first.keys() - RATE_LIMIT_FIELDS
        assert {name: value for name, value in hit.items() if name not in VARYING_FIELDS} == {
            name: value for name, value in first.items() if name not in VARYING_FIELDS
        }
        assert hit["cache-status"] == "blog; hit"
        assert hit["x-correlation-id"] == "mine"
        assert "total;dur=" in hit["server-timing"]
        writer.write(request_bytes("HEAD"))
        _, head, _ = await read_response(reader, has_body=False)
        assert head["content-length"] == str(len(body))
        writer.write(request_bytes("GET", "/feed.atom", f"If-None-Match: {first['etag']}"))
        line, not_modified, _ = await read_response(reader, has_body=False)
        assert line == "HTTP/1.1 304 Not Modified"
        assert not_modified["etag"] == first["etag"]
        assert not_modified["content-security-policy"] == first["content-security-policy"]
    assert fast == [False, True, True, True]


@pytest.mark.parametrize("count", [9, 40])
async def test_pipelined_requests_are_answered_in_order(app: Application, fast: list[bool], count: int) -> None:
    """At most 16 of them in one turn of the event loop; the next ones go to the application."""
    async with served(app) as (address, _), connected(address) as (reader, writer):
        writer.write(request_bytes())
        await read_response(reader)
        writer.write(b"".join(request_bytes("GET", "/feed.atom", f"X-Correlation-ID: {number}") for number in range(count)))
        for number in range(count):
            line, fields, _ = await read_response(reader)
            assert line == "HTTP/1.1 200 OK"
            assert (fields["x-correlation-id"], fields["cache-status"]) == (str(number), "blog; hit")
    assert fast[:18] == [False, *[True] * min(count, 16), *[False] * (count > 16)]


async def test_connection_close_header_is_obeyed(app: Application, fast: list[bool]) -> None:
    async with served(app) as (address, _):
        async with connected(address) as (reader, writer):
            writer.write(request_bytes())
            await read_response(reader)
        async with connected(address) as (reader, writer):
            writer.write(request_bytes("GET", "/feed.atom", "Connection: close"))
            received = await rest(reader)
    assert "\r\nconnection: close\r\n" in received
    assert "\r\ncache-status: blog; hit\r\n" in received
    assert fast == [False, False]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (("Content-Length: 3",), "200 OK"),
        (("Authorization: Bearer x",), "200 OK"),
        (("Host: 127.0.0.1",), "400 Bad Request"),
        (("If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT",), "200 OK"),
    ],
)
async def test_other_requests_are_answered_by_the_application(
    app: Application, fast: list[bool], fields: tuple[str, ...], status: str
) -> None:
    async with served(app) as (address, _), connected(address) as (reader, writer):
        writer.write(request_bytes())
        await read_response(reader)
        writer.write(request_bytes("GET", "/feed.atom", *fields) + (b"abc" if "Length" in fields[0] else b""))
        line, _, _ = await read_response(reader)
        assert line == f"HTTP/1.1 {status}"
        writer.write(request_bytes())
        line, _, _ = await read_response(reader)
        assert line == "HTTP/1.1 200 OK"
    assert fast == [False, False, True]


async def test_first_request_of_an_encoding_compresses_and_the_next_is_fast(app: Application, fast: list[bool]) -> None:
    bodies = []
    async with served(app) as (address, _), connected(address) as (reader, writer):
        for encoding in ("identity", "gzip", "gzip"):
            writer.write(request_bytes("GET", "/", f"Accept-Encoding: {encoding}"))
            _, fields, body = await read_response(reader)
            bodies.append((fields.get("content-encoding"), body))
    assert bodies[1] == bodies[2]
    assert [encoding for encoding, _ in bodies] == [None, "gzip", "gzip"]
    assert gzip.decompress(bodies[1][1]) == bodies[0][1]
    assert fast == [False, False, True]


async def test_usage_is_that_of_the_client_behind_the_proxy(settings: Settings, fast: list[bool]) -> None:
    """Another client has used its quota; the connection is the same."""
    limited = settings.model_copy(update={"rate_limit": "10/minute", "trusted_proxies": ("127.0.0.1",)})
    async with served(create_app(limited)) as (address, _), connected(address) as (reader, writer):
        remaining = []
        for path, client in (("/feed.atom", "192.0.2.1"), ("/feed.atom", "192.0.2.1"), ("/feed.atom", "192.0.2.2")):
            writer.write(request_bytes("GET", path, f"X-Forwarded-For: {client}"))
            _, fields, _ = await read_response(reader)
            remaining.append(re.findall(r"r=(\d+)", fields["ratelimit"]))
    assert remaining == [["9"], ["9"], ["10"]]
    assert fast == [False, True, True]


async def test_hit_is_logged_and_counted(app: Application, fast: list[bool]) -> None:
    async with served(app) as (address, _), connected(address) as (reader, writer):
        writer.write(request_bytes())
        await read_response(reader)
        metrics.cache_lookups.drain()
        metrics.requests.drain()
        with capture_logs() as entries:
            writer.write(request_bytes("GET", "/feed.atom", "X-Correlation-ID: mine"))
            await read_response(reader)
    assert fast == [False, True]
    (entry,) = entries
    assert (entry["method"], entry["route"], entry["status"], entry["user"]) == ("GET", "/feed.{format:feed}", 200, None)
    assert entry["correlation_id"] == "mine"
    assert metrics.cache_lookups.drain() == {("hit",): 1}
    assert metrics.requests.drain() == {("GET", "/feed.{format:feed}", "200"): 1}


async def test_request_behind_a_cached_response_may_take_longer_than_the_keep_alive_timeout(
    app: Application, fast: list[bool]
) -> None:
    """Both requests arrive in one read: the timeout for the next request must not run during the second."""
    async with served(app, timeout_keep_alive=0.2) as (address, _), connected(address) as (reader, writer):
        writer.write(request_bytes())
        await read_response(reader)
        writer.write(request_bytes() + request_bytes("GET", "/api/v1/events?channel=posts&wait=0.6"))
        await read_response(reader)
        line, _, _ = await read_response(reader)
    assert line == "HTTP/1.1 200 OK"
    assert fast == [False, True, False]


async def test_error_in_the_fast_path_is_logged_and_the_application_answers(
    app: Application, fast: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(app) as (address, _), connected(address) as (reader, writer):
        writer.write(request_bytes())
        await read_response(reader)
        with capture_logs() as entries, monkeypatch.context() as patch:
            patch.setattr("blog.middleware.fast_path.record_hit", lambda *_: 1 / 0)
            writer.write(request_bytes())
            line, fields, _ = await read_response(reader)
    assert (line, fields["cache-status"]) == ("HTTP/1.1 200 OK", "blog; hit")
    assert "cached response failed" in [entry["event"] for entry in entries]


@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: b", b"a\n", b"\r", b"a\0"])
def test_header_with_a_line_end_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="contains a line end or a null byte"):
        encode_headers([(b"x", b"y"), (b"link", value)])
