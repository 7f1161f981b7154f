"""Shutdown of a server with clients that do not read. `BLOG_TEST_CROWD` sets their number."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import time
from pathlib import Path

import httpx2
import pytest
from httpx2.websockets import AsyncWebSocketClient

from blog.app import Application
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.posts import NewPost
from tests.live.test_endpoints import closed, following, receive, subscribed
from tests.support.live_server import Events, served
from tests.support.serving import free_port, serving, wait_until_up

CROWD = int(os.environ.get("BLOG_TEST_CROWD", "50"))


async def silent(port: int) -> socket.socket:
    """Connect a client that follows posts and never reads."""
    key = base64.b64encode(os.urandom(16)).decode()
    shaken = (
        f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    text = json.dumps({"type": "subscribe", "id": "a", "channel": "posts"}).encode()
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(peer, ("127.0.0.1", port))
    frame = bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text  # masked with zeros
    await loop.sock_sendall(peer, shaken.encode())
    assert b" 101 " in await loop.sock_recv(peer, 1024)
    await loop.sock_sendall(peer, frame)
    return peer


@pytest.mark.parametrize("workers", [1, 2])
async def test_shutdown_says_bye_to_all_clients_and_ends(tmp_path: Path, workers: int) -> None:
    port = free_port()
    settings = {"RATE_LIMIT": "off", "MAX_LIVE_CONNECTIONS_PER_ADDRESS": "2000"}
    with serving(tmp_path, port, "--workers", str(workers), **settings) as (server, log):
        wait_until_up(port, server)
        stuck = await silent(port)
        async with contextlib.AsyncExitStack() as stack:
            limits = httpx2.Limits(max_connections=None)
            client = await stack.enter_async_context(httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits))
            connect = AsyncWebSocketClient(client=client).connect
            crowd = [await stack.enter_async_context(connect(f"ws://127.0.0.1:{port}/live")) for _ in range(CROWD)]
            assert {(await receive(one))["type"] for one in crowd} == {"welcome"}
            answer = await stack.enter_async_context(client.stream("GET", "/api/v1/events/stream", params={"channel": "posts"}))
            stream = Events(answer)
            await stream.next()
            started = time.monotonic()
            server.send_signal(signal.SIGTERM)
            goodbyes = [await receive(one) for one in crowd]
            assert [message["type"] for message in goodbyes] == ["bye"] * CROWD
            least, most = goodbyes[0]["reconnect_ms"]
            assert 0 < least < most
            assert {await closed(one) for one in crowd} == {1012}
            assert (await stream.next())["event"] == "bye"
        await asyncio.to_thread(server.wait, 14)  # below the grace time of 15 s
        seconds = time.monotonic() - started
        assert seconds < 14
        print(f"{CROWD} sockets, {workers} workers: gone after {seconds:.1f} s")
        stuck.close()
    assert "Traceback" not in log.read_text()


async def test_client_that_does_not_read_is_closed_without_delaying_others(
    app: Application, author: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blog.realtime.subscription.SEND_TIMEOUT", 0.0)
    monkeypatch.setattr("blog.server.websocket._CLOSE_TIMEOUT", 0.1)
    async with served(app) as (address, hub), httpx2.AsyncClient() as client:
        stuck = await silent(int(address.rpartition(":")[2]))
        async with following(client, url=f"ws://{address}/live") as reader:
            await subscribed(reader, "posts")
            written = 0
            async with asyncio.timeout(60):
                while hub.subscriber_count == 2:
                    await posts.create(author, NewPost(title="x", content="y" * 25_000))
                    written += 1
                    assert (await receive(reader))["event"] == "post.published"
            assert written > 0
        await _until_cut(stuck)


async def _until_cut(peer: socket.socket) -> None:
    """Read the rest of the buffers until the connection is closed or reset."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        try:
            while await loop.sock_recv(peer, 65_536):
                pass
        except ConnectionResetError:
            pass
    peer.close()
