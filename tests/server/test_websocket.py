"""WebSocket clients that send too much, or do not read; on real sockets, frame by frame."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from blog.app import Application
from blog.realtime import Hub, Subscriber
from blog.realtime.subscription import TOO_SLOW
from blog.server import websocket
from blog.server.call_queue import CallQueue
from blog.server.websocket import LimitedWebSocketProtocol
from blog.settings import Settings
from tests.support.live_server import served

TEXT, CONTINUED, CLOSE, PING, PONG = 0x1, 0x0, 0x8, 0x9, 0xA
Bounded = Callable[..., contextlib.AbstractAsyncContextManager[tuple[str, Hub]]]
PATHS = {"/live": "blog.live.v1", "/connection/websocket": "centrifuge-json"}


def frame(opcode: int, payload: bytes = b"", *, is_last: bool = True) -> bytes:
    size = len(payload)
    length = (
        bytes([0x80 | size])
        if size < 126
        else struct.pack("!BH" if size < 65_536 else "!BQ", 0x80 | (126 if size < 65_536 else 127), size)
    )
    return bytes([opcode | (0x80 if is_last else 0)]) + length + b"\0\0\0\0" + payload  # a mask of zeros changes nothing


class Opened:
    """A socket after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def receive_frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame."""
        async with asyncio.timeout(10):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                length = int.from_bytes(await self.reader.readexactly(2))
            elif length == 127:
                length = int.from_bytes(await self.reader.readexactly(8))
            return first & 0xF, await self.reader.readexactly(length)

    async def closed(self) -> int:
        """Return the code with which the server closes."""
        while True:
            opcode, payload = await self.receive_frame()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2])


@contextlib.asynccontextmanager
async def opened(address: str, path: str = "/live", **options: int) -> AsyncIterator[Opened]:
    host, _, port = address.rpartition(":")
    made = socket.socket()
    for name, value in options.items():
        made.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=made)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: {PATHS[path]}\r\n\r\n".encode()
    )
    try:
        async with asyncio.timeout(10):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield Opened(reader, writer)
    finally:
        writer.transport.abort()


@pytest.fixture
def bounded(settings: Settings, app: Application) -> Bounded:
    """Return a function that changes settings of the application before its start."""

    def change(**update: object) -> contextlib.AbstractAsyncContextManager[tuple[str, Hub]]:
        app.settings = settings.model_copy(update=update)
        return served(app)

    return change


@pytest.mark.parametrize("path", PATHS)
async def test_too_large_message_is_refused_also_in_fragments(
    bounded: Bounded, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 5_000
    monkeypatch.setattr("blog.server.MAX_LIVE_MESSAGE_BYTES", most)
    async with bounded() as (address, _):
        async with opened(address, path) as live:
            live.writer.write(frame(TEXT, b" " * (most + 1)))
            assert await live.closed() == 1009
        async with opened(address, path) as live:
            live.writer.write(frame(TEXT, b" " * most, is_last=False) + frame(CONTINUED, b" "))
            assert await live.closed() == 1009


async def test_message_of_too_many_fragments_is_refused(bounded: Bounded) -> None:
    async with bounded() as (address, _):
        async with opened(address) as live:
            live.writer.write(
                frame(TEXT, b'{"type":"ping"}', is_last=False) + frame(CONTINUED, is_last=False) * 900 + frame(CONTINUED)
            )
            heard = [json.loads((await live.receive_frame())[1])["type"] for _ in range(2)]
            assert heard == ["welcome", "pong"]
        async with opened(address) as live:
            live.writer.write(frame(TEXT, b"{", is_last=False) + frame(CONTINUED, is_last=False) * 1_001)
            assert await live.closed() == 1009


@pytest.mark.parametrize(
    ("path", "first", "then", "code"),
    [("/live", {"type": "ping"}, {"type": "ping"}, 4429), ("/connection/websocket", {"id": 1, "connect": {}}, {}, 3013)],
)
async def test_messages_per_client_are_limited(bounded: Bounded, path: str, first: Any, then: Any, code: int) -> None:
    async with bounded(max_live_messages=10) as (address, _), opened(address, path) as live:
        live.writer.write(frame(TEXT, json.dumps(first).encode()) + frame(TEXT, json.dumps(then).encode()) * 12)
        assert await live.closed() == code


@pytest.mark.parametrize(
    "broken",
    [
        frame(0x3), frame(TEXT, b"x" * 100_000), b"\x81\x01x", frame(PING) * 20,
        frame(TEXT, b"{", is_last=False) + frame(CONTINUED, is_last=False) * 1_001,
    ],
    ids=["opcode", "size", "mask", "pings", "fragments"],
)  # fmt: skip
async def test_protocol_error_before_the_accept_closes_the_connection(
    bounded: Bounded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: bytes
) -> None:
    asks, may_go_on, run_asgi = asyncio.Event(), asyncio.Event(), LimitedWebSocketProtocol.run_asgi

    async def run_later(self: LimitedWebSocketProtocol) -> None:
        asks.set()
        await may_go_on.wait()
        await run_asgi(self)

    async with bounded(max_live_messages=10) as (address, _):
        with monkeypatch.context() as patch:
            patch.setattr(LimitedWebSocketProtocol, "run_asgi", run_later)
            host, _, port = address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            async with asyncio.timeout(10):
                await asks.wait()
                writer.write(broken * 3)
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
            may_go_on.set()
            writer.close()
        async with opened(address) as live:
            assert json.loads((await live.receive_frame())[1])["type"] == "welcome"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("payload", [b"", b"p" * 125])
async def test_pings_per_client_are_limited(bounded: Bounded, payload: bytes) -> None:
    async with bounded(max_live_messages=100) as (address, _), opened(address) as live:
        live.writer.write(frame(PING, payload) * 5_000)
        heard = [await live.receive_frame() for _ in range(101)]
        assert heard.count((PONG, payload)) == 100, "and the welcome"
        assert await live.closed() == 1008


async def test_ping_limit_is_per_minute(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_PING_WINDOW", 0.0)
    async with bounded(max_live_messages=10) as (address, _), opened(address) as live:
        for _ in range(3):
            live.writer.write(frame(PING, b"p"))
            while await live.receive_frame() != (PONG, b"p"):
                pass
        live.writer.write(frame(PING, b"q") * 8)
        for _ in range(8):
            assert await live.receive_frame() == (PONG, b"q")


async def test_simultaneous_connects_and_disconnects_free_their_memory(
    bounded: Bounded, caplog: pytest.LogCaptureFixture
) -> None:
    async with bounded() as (address, hub):
        for _ in range(3):
            async with contextlib.AsyncExitStack() as stack:
                coming = [asyncio.create_task(stack.enter_async_context(opened(address))) for _ in range(60)]
                await asyncio.gather(*coming)
                assert hub.subscriber_count == 60
            async with asyncio.timeout(10):
                while hub.subscriber_count:  # noqa: ASYNC110  # a set of the hub, which tells nobody
                    await asyncio.sleep(0.005)  # between two looks, not instead of one
        host, _, port = address.rpartition(":")
        for _ in range(60):  # who is gone before it is their turn
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            writer.transport.abort()
        async with opened(address) as live:
            assert json.loads((await live.receive_frame())[1])["type"] == "welcome"
            async with asyncio.timeout(10):
                while hub.subscriber_count > 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


class Lost:
    """A transport after its end: some raise when they are written to."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> object:
        assert name != "write"
        return getattr(self._transport, name)


async def test_lost_connection_in_the_queue_is_not_written_to(
    bounded: Bounded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lost, connection_lost = asyncio.Event(), LimitedWebSocketProtocol.connection_lost

    def noted(self: LimitedWebSocketProtocol, exc: Exception | None) -> None:
        lost.set()
        self.transport = cast(asyncio.Transport, Lost(self.transport))
        connection_lost(self, exc)

    monkeypatch.setattr(CallQueue, "add", lambda self, step: self._loop.call_later(0.5, step))
    monkeypatch.setattr(LimitedWebSocketProtocol, "connection_lost", noted)
    async with bounded() as (address, hub):
        async with opened(address) as live:
            assert json.loads((await live.receive_frame())[1])["type"] == "welcome"
        async with asyncio.timeout(10):
            await lost.wait()
        (subscriber,) = hub._subscribers
        assert isinstance(subscriber, Subscriber)
        subscriber.enqueue("to nobody")
        await asyncio.sleep(0.01)  # then the server stops
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_upgrade_after_pipelined_requests_is_refused(bounded: Bounded, caplog: pytest.LogCaptureFixture) -> None:
    upgrade = (
        b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    async with bounded() as (address, hub):
        host, _, port = address.rpartition(":")
        for ahead in (1, 2, 5):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * ahead + upgrade * 2)
            async with asyncio.timeout(10):
                with contextlib.suppress(ConnectionResetError):
                    assert b" 101 " not in await reader.read()
            writer.close()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        async with asyncio.timeout(10):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            writer.write(upgrade)
            while b" 101 " not in await reader.readline():
                pass
        assert hub.subscriber_count == 1
        writer.transport.abort()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_client_that_does_not_read_pongs_costs_no_memory(bounded: Bounded) -> None:
    async with bounded(max_live_messages=10_000_000) as (address, _), opened(address, SO_RCVBUF=4_096) as live:
        pings, sent = frame(PING, b"p" * 125) * 500, 0
        with contextlib.suppress(TimeoutError, ConnectionError):
            while sent < 100_000_000:  # until the server stops to listen
                live.writer.write(pings)
                async with asyncio.timeout(1):
                    await live.writer.drain()
                sent += len(pings)
        assert sent < 50_000_000, "what the kernels keep between the two"


async def test_connection_of_a_client_that_does_not_read_is_cut_after_its_close(
    bounded: Bounded, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, connection_lost = asyncio.Event(), LimitedWebSocketProtocol.connection_lost

    def noted(self: LimitedWebSocketProtocol, exc: Exception | None) -> None:
        lost.set()
        connection_lost(self, exc)

    monkeypatch.setattr(LimitedWebSocketProtocol, "connection_lost", noted)
    monkeypatch.setattr(websocket, "_CLOSE_TIMEOUT", 0.1)
    async with bounded() as (address, hub), opened(address, SO_RCVBUF=4_096):
        (subscriber,) = hub._subscribers
        assert isinstance(subscriber, Subscriber)
        for _ in range(200):
            subscriber.enqueue("x" * 100_000)
        subscriber.close(4503, TOO_SLOW)
        async with asyncio.timeout(10):
            await lost.wait()


async def test_client_that_reads_again_in_time_receives_the_close_code(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_CLOSE_TIMEOUT", 60.0)
    async with bounded() as (address, hub), opened(address, SO_RCVBUF=4_096) as live:
        (subscriber,) = hub._subscribers
        assert isinstance(subscriber, Subscriber)
        for _ in range(200):
            subscriber.enqueue("x" * 100_000)
        async with asyncio.timeout(10):
            while not subscriber._send_started_at or len(subscriber._queue) == 200:  # noqa: ASYNC110  # until the writer waits
                await asyncio.sleep(0.005)
            subscriber.close(4503, TOO_SLOW)
            while hub.subscriber_count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert await live.closed() == 4503
