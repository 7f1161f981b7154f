"""What becomes of clients that send a head without end, or come too often at a time; on real sockets."""

import asyncio
import contextlib

import pytest

from blog.server.http import BoundedHTTP
from tests.live.server import served

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@contextlib.asynccontextmanager
async def connected(address):
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def rest(reader):
    """All that comes until the server closes."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            return (await reader.read()).decode()
    return ""


async def answered(reader):
    """The status of an answer that is read to its end."""
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        await reader.readexactly(int(length))
    return int(head.split()[1])


async def send_fields(writer):
    """A little more than 4,096 bytes, in many parts, and no end."""
    for _ in range(42):
        writer.write(b"X: %s\r\n" % (b"y" * 100))
        await asyncio.sleep(0.001)  # so that they go out apart


@pytest.fixture
def bounded(settings, app):
    """Changes settings of the application, which is not started yet."""

    def change(**update):
        app.settings = settings.model_copy(update=update)
        return served(app)

    return change


async def test_head_that_goes_on_and_on_is_refused(bounded):
    async with bounded(header_bytes=4_096) as (address, _), connected(address) as (reader, writer):
        writer.write(HEAD)
        await send_fields(writer)
        answer = await rest(reader)
        assert answer.startswith("HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert "4096 bytes" in answer
        assert "connection: close" in answer


async def test_head_that_comes_drop_by_drop_is_refused_in_time(bounded):
    async with bounded(header_seconds=0.2) as (address, _):
        async with connected(address) as (reader, writer):
            writer.write(HEAD)
            assert (await rest(reader)).startswith("HTTP/1.1 408 Request Timeout\r\n")
        async with connected(address) as (reader, writer):
            assert await rest(reader) == "", "who asked for nothing is told nothing"


async def test_second_head_of_a_connection_has_the_same_bounds(bounded):
    async with bounded(header_seconds=0.2) as (address, _), connected(address) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200
        writer.write(HEAD)
        assert (await rest(reader)).startswith("HTTP/1.1 408 ")
    async with bounded(header_bytes=4_096) as (address, _), connected(address) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200
        writer.write(HEAD)
        await send_fields(writer)
        assert (await rest(reader)).startswith("HTTP/1.1 431 ")


async def test_large_body_is_no_large_head(bounded):
    async with bounded(header_bytes=4_096) as (address, _), connected(address) as (reader, writer):
        writer.write(b"POST /api/v1/posts HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n")
        for _ in range(50):
            writer.write(b" " * 1000)
            await asyncio.sleep(0)
        writer.write(HEAD + b"\r\n")
        assert (await answered(reader), await answered(reader)) == (401, 200)


async def test_address_has_its_number_of_connections(bounded):
    async with bounded(connections_per_address=2) as (address, _), contextlib.AsyncExitStack() as stack:
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


async def test_worker_has_its_number_of_connections(bounded):
    async with bounded(connections=1) as (address, _), connected(address) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200
        async with connected(address) as (other, _writer):
            assert (await rest(other)).startswith("HTTP/1.1 503 Service Unavailable\r\n")
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200


async def test_connections_behind_a_proxy_are_for_the_proxy_to_count(bounded):
    start = bounded(connections_per_address=1, trusted_proxies=("127.0.0.1",))
    async with start as (address, _), connected(address) as (first, _), connected(address) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        assert await answered(reader) == 200
        assert not first.at_eof()


@pytest.mark.parametrize("fields", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Transfer-Encoding: xchunked\r\n", b"Content-Length: +5\r\n",
])  # fmt: skip
async def test_body_whose_end_is_doubtful_is_refused_and_the_connection_ends(bounded, fields):
    async with bounded() as (address, _), connected(address) as (reader, writer):
        writer.write(
            b"POST /logout HTTP/1.1\r\nHost: 127.0.0.1\r\n" + fields + b"\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        answers = await rest(reader)
    assert answers.startswith("HTTP/1.1 400 ")
    assert answers.count("HTTP/1.1 ") == 1, "no second request was read out of the first"


async def test_request_that_is_on_its_way_when_the_server_stops_is_answered(bounded, monkeypatch):
    shutdown, stopping = BoundedHTTP.shutdown, asyncio.Event()

    def noted(self):
        shutdown(self)
        stopping.set()

    monkeypatch.setattr(BoundedHTTP, "shutdown", noted)
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
