"""Cached responses that are written at once equal those of the ASGI messages; on real sockets."""

import asyncio

import pytest
from starlette.types import Scope

from blog.app import Application
from blog.framework.caching.single_write import encode_headers
from blog.server.http import LimitedHttpProtocol
from blog.settings import Settings
from tests.server.test_http import connected, rest
from tests.support.live_server import served

OF_ONE_CLIENT = {"ratelimit", "ratelimit-policy"}
ITS_OWN = {"x-correlation-id", "x-process-time", "server-timing", "date", "cache-status", "x-cache", *OF_ONE_CLIENT}


def asked(method: str = "GET", path: str = "/feed.atom", *fields: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *fields, "\r\n")).encode()


async def answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:-2])
    assert len(fields) == len(head) - 3, "no field is there twice"
    body = await reader.readexactly(int(fields["content-length"])) if has_body else b""
    return head[0], fields, body


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_cache_bytes": 1_000_000})


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Return the statuses of responses that were written at once; None for other responses."""
    seen: list[int | None] = []
    write = LimitedHttpProtocol._write_response

    def noting(self: LimitedHttpProtocol, scope: Scope, status: int, head: bytes, body: bytes) -> bool:
        is_written = write(self, scope, status, head, body)
        seen.append(status if is_written else None)
        return is_written

    monkeypatch.setattr(LimitedHttpProtocol, "_write_response", noting)
    return seen


async def test_cached_response_is_unchanged(app: Application, whole: list[int | None]) -> None:
    async with served(app) as (address, _), connected(address) as (reader, writer):
        writer.write(asked())
        line, made, body = await answer(reader)
        assert "fwd=miss" in made["cache-status"]
        writer.write(asked("GET", "/feed.atom", "X-Correlation-ID: mine"))
        again, kept, kept_body = await answer(reader)
        assert (again, kept_body) == (line, body) == ("HTTP/1.1 200 OK", body)
        assert kept.keys() == made.keys() - OF_ONE_CLIENT
        assert {name: value for name, value in kept.items() if name not in ITS_OWN} == {
            name: value for name, value in made.items() if name not in ITS_OWN
        }
        assert kept["cache-status"] == "blog; hit"
        assert kept["x-correlation-id"] == "mine"
        assert "total;dur=" in kept["server-timing"]
        writer.write(asked("HEAD"))
        _, headed, _ = await answer(reader, has_body=False)
        assert headed["content-length"] == str(len(body))
        writer.write(asked("GET", "/feed.atom", f"If-None-Match: {made['etag']}"))
        line, fresh, _ = await answer(reader, has_body=False)
        assert line == "HTTP/1.1 304 Not Modified"
        assert fresh["etag"] == made["etag"]
        assert fresh["content-security-policy"] == made["content-security-policy"]
    assert whole == [200, 200, 304]


async def test_pipelined_requests_are_answered_in_order(app: Application, whole: list[int | None]) -> None:
    async with served(app) as (address, _), connected(address) as (reader, writer):
        writer.write(asked())
        await answer(reader)
        writer.write(b"".join(asked("GET", "/feed.atom", f"X-Correlation-ID: {number}") for number in range(9)))
        for number in range(9):
            line, fields, _ = await answer(reader)
            assert line == "HTTP/1.1 200 OK"
            assert fields["x-correlation-id"] == str(number)
    assert len(whole) == 9
    assert whole[-1] == 200, "no other was asked for after it"


async def test_connection_close_header_is_obeyed(app: Application, whole: list[int | None]) -> None:
    async with served(app) as (address, _):
        async with connected(address) as (reader, writer):
            writer.write(asked())
            await answer(reader)
        async with connected(address) as (reader, writer):
            writer.write(asked("GET", "/feed.atom", "Connection: close"))
            received = await rest(reader)
    assert "\r\nconnection: close\r\n" in received
    assert "\r\ncache-status: blog; hit\r\n" in received
    assert whole == [None]


@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: b", b"a\n", b"\r", b"a\0"])
def test_header_with_a_line_end_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="contains a line end or a null byte"):
        encode_headers([(b"x", b"y"), (b"link", value)])
