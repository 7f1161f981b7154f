"""Clients that send endless headers, or open too many connections; on real sockets."""

import asyncio
import contextlib
import datetime as dt
import socket
from collections.abc import AsyncIterator, Callable
from email.utils import parsedate_to_datetime

import httpx2
import pytest

from blog.app import Application
from blog.framework.limits.request_limits import MAX_HEADER_BYTES, MAX_HEADER_FIELDS, MAX_URL_BYTES
from blog.realtime import Hub
from blog.server.http import LimitedHttpProtocol
from blog.settings import Settings
from tests.conftest import Bearer
from tests.support.live_server import served

Bounded = Callable[..., contextlib.AbstractAsyncContextManager[tuple[str, Hub]]]
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@contextlib.asynccontextmanager
async def connected(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def rest(reader: asyncio.StreamReader) -> str:
    """Return all data until the server closes the connection."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            return (await reader.read()).decode()
    return ""


async def answered(reader: asyncio.StreamReader) -> int:
    """Return the status of a response, after reading it to its end."""
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        await reader.readexactly(int(length))
    return int(head.split()[1])


async def send_fields(writer: asyncio.StreamWriter) -> None:
    """Send a little more than 4,096 bytes in many parts, without an end."""
    for _ in range(42):
        writer.write(b"X: %s\r\n" % (b"y" * 100))
        await asyncio.sleep(0.001)  # so that they go out apart


@pytest.fixture
def bounded(settings: Settings, app: Application) -> Bounded:
    """Return a function that changes settings of the application before its start."""

    def change(**update: object) -> contextlib.AbstractAsyncContextManager[tuple[str, Hub]]:
        app.settings = settings.model_copy(update=update)
        return served(app)

    return change


async def test_endless_head_is_refused(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.server.http.MAX_HEADER_BYTES", 4_096)
    async with bounded() as (address, _), connected(address) as (reader, writer):
        writer.write(HEAD)
        await send_fields(writer)
        answer = await rest(reader)
        assert answer.startswith("HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert "4096 bytes" in answer
        assert "connection: close" in answer


async def test_slow_head_is_refused_at_the_timeout(bounded: Bounded) -> None:
    async with bounded(header_timeout=0.2) as (address, _):
        async with connected(address) as (reader, writer):
            writer.write(HEAD)
            assert (await rest(reader)).startswith("HTTP/1.1 408 Request Timeout\r\n")
        async with connected(address) as (reader, writer):
            assert await rest(reader) == "", "no request, no response"


async def test_second_head_of_a_connection_has_the_same_limits(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.server.http.MAX_HEADER_BYTES", 4_096)
    async with bounded(header_timeout=0.2) as (address, _), connected(address) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200
        writer.write(HEAD)
        assert (await rest(reader)).startswith("HTTP/1.1 408 ")
    async with bounded() as (address, _), connected(address) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200
        writer.write(HEAD)
        await send_fields(writer)
        assert (await rest(reader)).startswith("HTTP/1.1 431 ")


async def test_large_body_does_not_count_as_head(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.server.http.MAX_HEADER_BYTES", 4_096)
    async with bounded() as (address, _), connected(address) as (reader, writer):
        writer.write(b"POST /api/v1/posts HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n")
        for _ in range(50):
            writer.write(b" " * 1000)
            await asyncio.sleep(0)
        writer.write(HEAD + b"\r\n")
        assert (await answered(reader), await answered(reader)) == (401, 200)


async def test_connections_per_address_are_limited(bounded: Bounded) -> None:
    async with bounded(max_connections_per_address=2) as (address, _), contextlib.AsyncExitStack() as stack:
        first, second, third = [await stack.enter_async_context(connected(address)) for _ in range(3)]
        answer = await rest(third[0])
        assert answer.startswith("HTTP/1.1 429 Too Many Requests\r\n")
        for reader, writer in (first, second):
            writer.write(HEAD + b"\r\n")
            assert await answered(reader) == 200
        first[1].close()
        await first[1].wait_closed()
        async with asyncio.timeout(10):
            status = None
            while status != 200:
                async with connected(address) as (reader, writer):
                    writer.write(HEAD + b"\r\n")
                    status = await answered(reader)


async def test_connections_per_worker_are_limited(bounded: Bounded) -> None:
    async with bounded(max_connections=1) as (address, _), connected(address) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200
        async with connected(address) as (other, _writer):
            assert (await rest(other)).startswith("HTTP/1.1 503 Service Unavailable\r\n")
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200


async def test_connections_of_a_trusted_proxy_are_not_limited_by_address(bounded: Bounded) -> None:
    start = bounded(max_connections_per_address=1, trusted_proxies=("127.0.0.1",))
    async with start as (address, _), connected(address) as (first, _), connected(address) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200
        assert not first.at_eof()


@pytest.mark.parametrize("fields", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Transfer-Encoding: xchunked\r\n", b"Content-Length: +5\r\n",
])  # fmt: skip
async def test_ambiguous_body_length_is_refused_and_the_connection_closed(bounded: Bounded, fields: bytes) -> None:
    async with bounded() as (address, _), connected(address) as (reader, writer):
        writer.write(
            b"POST /logout HTTP/1.1\r\nHost: 127.0.0.1\r\n" + fields + b"\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        answers = await rest(reader)
    assert answers.startswith("HTTP/1.1 400 ")
    assert answers.count("HTTP/1.1 ") == 1, "no second request was read out of the first"


async def test_date_is_that_of_the_response_and_not_before_its_last_change(
    bounded: Bounded, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvicorn.server.formatdate", lambda *_, **__: "Thu, 01 Jan 1970 00:00:00 GMT")
    ada = await bearer("ada")
    async with bounded(max_cache_bytes=1_000_000) as (address, _), httpx2.AsyncClient(base_url=f"http://{address}") as client:
        answers = [await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=ada)]
        paths = ["/api/v1/posts/1", "/feed.atom", "/static/css/blog.css", "/nowhere"]
        answers += [await client.get(path) for path in paths * 3]
    for answer in answers:
        (date,) = answer.headers.get_list("date")
        last_change = answer.headers.get("last-modified", date)
        assert parsedate_to_datetime(last_change) <= parsedate_to_datetime(date), answer.url
        assert abs(dt.datetime.now(dt.UTC) - parsedate_to_datetime(date)) < dt.timedelta(minutes=5)
    assert "hit" in [answer.headers.get("x-cache") for answer in answers]


UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: blog.live.v1\r\n"
)


async def status_of(reader: asyncio.StreamReader) -> int:
    """The status in the next response head."""
    async with asyncio.timeout(10):
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


@pytest.mark.parametrize("protocol", ["blog.server.http:LimitedHttpProtocol", "httptools", "h11"])
async def test_request_without_exactly_one_host_is_rejected(app: Application, protocol: str) -> None:
    async with served(app, http=protocol) as (address, _):
        for request in (b"GET /healthz HTTP/1.1\r\n", b"GET /live HTTP/1.1\r\n" + UPGRADE):
            for hosts in (b"", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nhost: a\r\n", b"Host: a/b\r\n"):
                async with connected(address) as (reader, writer):
                    writer.write(HEAD + b"\r\n")
                    assert await answered(reader) == 200, "the first request of the connection is valid"
                    writer.write(request + hosts + b"\r\n")
                    assert await status_of(reader) == 400, hosts
        async with connected(address) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert await status_of(reader) == 200
        async with connected(address) as (reader, writer):
            writer.write(b"GET /live HTTP/1.1\r\nHost: " + address.encode() + b"\r\n" + UPGRADE + b"\r\n")
            assert await status_of(reader) == 101


# -- responses to complete heads


async def test_complete_head_is_limited_by_the_application(client: httpx2.AsyncClient) -> None:
    for path, headers, status in (
        ("/?" + "q" * (MAX_URL_BYTES - 3), {}, 200),
        ("/?" + "q" * MAX_URL_BYTES, {}, 414),
        ("/" + "p" * MAX_URL_BYTES, {}, 414),
        ("/", {f"x-{number}": "" for number in range(MAX_HEADER_FIELDS)}, 431),
        ("/", {f"x-{number}": "" for number in range(MAX_HEADER_FIELDS - 20)}, 200),
        ("/", {"x": "y" * MAX_HEADER_BYTES}, 431),
    ):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == status
        if status != 200:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]


async def test_endless_url_is_refused(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.server.http.MAX_URL_BYTES", 2_000)
    async with bounded() as (address, _), connected(address) as (reader, writer):
        writer.write(b"GET /")
        for _ in range(42):
            writer.write(b"p" * 100)
            await asyncio.sleep(0.001)  # so that they go out apart
        assert (await rest(reader)).startswith("HTTP/1.1 414 ")


# -- bodies that come slowly, or do not end

POST = b"POST /api/v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 50\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"Content-Length: 50\r\n\r\n"]
)
async def test_missing_body_is_refused_at_the_timeout(bounded: Bounded, framing: bytes) -> None:
    async with bounded(body_timeout=0.2) as (address, _), connected(address) as (reader, writer):
        writer.write(POST + framing)
        answer = await rest(reader)
        assert answer.startswith("HTTP/1.1 408 Request Timeout\r\n")
        assert "body" in answer


async def test_body_timeout_grows_with_the_size(bounded: Bounded) -> None:
    async with bounded(body_timeout=0.2) as (address, _), connected(address) as (reader, writer):
        writer.write(POST + b"Content-Length: 1003\r\n\r\n" + b" " * 1_000)
        await asyncio.sleep(0.4)
        writer.write(b"{}\n")
        assert await answered(reader) == 422


async def test_second_body_of_a_connection_has_a_new_timeout(bounded: Bounded) -> None:
    async with bounded(body_timeout=0.2) as (address, _), connected(address) as (reader, writer):
        writer.write(POST + b"Content-Length: 2\r\n\r\n{}")
        assert await answered(reader) == 422
        writer.write(POST + b"Content-Length: 2\r\n\r\n{")
        assert (await rest(reader)).startswith("HTTP/1.1 408 ")


async def test_rest_of_a_refused_body_is_read_for_a_limited_time(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.server.http._LINGER_TIMEOUT", 0.2)
    async with bounded(max_body_bytes=2_000) as (address, _), connected(address) as (reader, writer):
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"bb8\r\n" + b" " * 3_000 + b"\r\n")
        assert await answered(reader) == 413
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"3\r\n   \r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)


async def test_body_in_too_many_pieces_is_refused(bounded: Bounded) -> None:
    async with bounded(max_body_bytes=1_000_000) as (address, _), connected(address) as (reader, writer):
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 20_000)
        answer = await rest(reader)
    assert answer.startswith("HTTP/1.1 400 ")
    assert "Too many small chunks" in answer


async def test_body_in_normal_pieces_is_accepted(bounded: Bounded) -> None:
    async with bounded(max_body_bytes=1_000_000) as (address, _), connected(address) as (reader, writer):
        piece = b"200\r\n" + b" " * 512 + b"\r\n"
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n" + piece * 1_500 + b"2\r\n{}\r\n0\r\n\r\n")
        assert await answered(reader) == 422


# -- clients that do not take their answers


async def test_client_that_does_not_read_is_disconnected(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.server.http.MIN_TRANSFER_RATE", 10_000_000)
    async with bounded(write_timeout=0.2) as (address, hub):
        host, _, port = address.rpartition(":")
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(stuck, (host, int(port)))
        with stuck:
            async with asyncio.timeout(30):
                with contextlib.suppress(ConnectionError):
                    while True:
                        await loop.sock_sendall(stuck, (b"GET /static/blog.css HTTP/1.1\r\nHost: x\r\n\r\n") * 8)
        assert hub.subscriber_count == 0


async def test_pipelined_requests_are_limited(bounded: Bounded, caplog: pytest.LogCaptureFixture) -> None:
    async with bounded() as (address, _):
        async with connected(address) as (reader, writer):
            writer.write((HEAD + b"\r\n") * 5_000)
            answers = await rest(reader)
            assert answers.count("HTTP/1.1 200 ") < 200
            assert "HTTP/1.1 400 " in answers or not answers
        async with connected(address) as (reader, writer):
            writer.write(HEAD + b"\r\n")
            assert await answered(reader) == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == [], "the first was on its way: it is given up"
    async with bounded() as (address, _), connected(address) as (reader, writer):
        writer.write((HEAD + b"\r\n") * 20)
        assert [await answered(reader) for _ in range(20)] == [200] * 20


async def test_stream_ends_with_its_connection_despite_pipelined_requests(bounded: Bounded) -> None:
    async with bounded() as (address, hub):
        async with connected(address) as (reader, writer):
            writer.write(b"GET /api/v1/events/stream?channel=posts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HEAD + b"\r\n")
            async with asyncio.timeout(10):
                await reader.readuntil(b"\n\n")
            assert hub.subscriber_count == 1
        async with asyncio.timeout(10):
            while hub.subscriber_count:  # noqa: ASYNC110  # a set of the hub, which tells nobody
                await asyncio.sleep(0.005)  # between two looks, not instead of one


async def test_request_in_progress_is_completed_at_shutdown(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    shutdown, stopping = LimitedHttpProtocol.shutdown, asyncio.Event()

    def noted(self: LimitedHttpProtocol) -> None:
        shutdown(self)
        stopping.set()

    monkeypatch.setattr(LimitedHttpProtocol, "shutdown", noted)
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(contextlib.AsyncExitStack())
        address, _ = await server.enter_async_context(bounded())
        (fresh, asking), (silent, _), (kept, again) = [await stack.enter_async_context(connected(address)) for _ in range(3)]
        again.write(HEAD + b"\r\n")
        assert await answered(kept) == 200
        stopped = asyncio.create_task(server.aclose())
        await stopping.wait()
        for writer in (asking, again):
            writer.write(HEAD + b"\r\n")
        for reader in (fresh, kept):
            answer = await rest(reader)
            assert answer.startswith("HTTP/1.1 200 ")
            assert "connection: close" in answer.lower()
        assert await rest(silent) == ""
        await stopped
