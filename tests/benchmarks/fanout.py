"""The cost of one post with 1,000 subscribers, compared with a bare loop of `send_text` on the same server.

    python tests/benchmarks/fanout.py [--clients 1000] [--rounds 15]

Both run in one process of uvicorn, in alternating rounds, with messages of the same length, after the same post was written.
A second process runs the clients and measures the time from the request until the first, the median and the last client has
the message. Then the same clients receive longer posts, with and without other clients that never read.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from blog.asgi import app as blog_app
from blog.asgi import settings
from blog.server import uvicorn_options

STUCK = 10
peers: list[WebSocket] = []


class Bare(WebSocketEndpoint):
    """A WebSocket endpoint that adds its connection to a list."""

    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        peers.append(websocket)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        peers.remove(websocket)


async def loop(request: Request) -> Response:
    """Let the blog create the post, then send a text of this length to all connections in turn."""
    scope = {**request.scope, "path": "/api/v1/posts", "raw_path": b"/api/v1/posts", "query_string": b""}

    async def unheard(_: Message) -> None:
        """Discard the response of the blog."""

    await blog_app(scope, request.receive, unheard)
    text = "x" * int(request.query_params["length"])
    for peer in peers:
        await peer.send_text(text)
    return PlainTextResponse("sent")


def memory(_: Request) -> Response:
    """Return the resident memory of this process in KiB."""
    status = Path("/proc/self/status").read_text()
    return PlainTextResponse(re.findall(r"VmRSS:\s+(\d+)", status)[0])


loop_route = Route("/bare/loop", loop, methods=["POST"])
bare = Starlette(routes=[WebSocketRoute("/bare", Bare), loop_route, Route("/bare/memory", memory)])


async def both(scope: Scope, receive: Receive, send: Send) -> None:
    """Return the blog and the bare loop as one application."""
    target: ASGIApp = bare if scope.get("path", "").startswith("/bare") else blog_app
    await target(scope, receive, send)


def serve(port: int) -> None:
    """Run the server process."""
    uvicorn.run(both, port=port, ws_ping_interval=None, **cast(dict[str, Any], uvicorn_options(settings)))


class Client(asyncio.Protocol):
    """One WebSocket client that records when a whole message has arrived."""

    def __init__(self, path: str, subscribes: bool) -> None:
        self._path, self._subscribes = path, subscribes
        self._buffer, self._open = b"", False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.at, self.length = 0.0, 0

    def connection_made(self, transport: Any) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, end, self._buffer = self._buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            self._open = True
            if self._subscribes:
                self._send({"type": "subscribe", "id": "a", "channel": "posts"})
            else:
                self.ready.set_result(None)
        while (message := self._message()) is not None:
            self._take(message)

    def _take(self, message: bytes) -> None:
        if b'"subscribed"' in message[:30]:
            self.ready.set_result(None)
        elif b'"ping"' in message[:20]:
            self._send({"type": "pong"})
        elif b'"welcome"' not in message[:30]:
            self.at, self.length = time.perf_counter(), len(message)

    def _message(self) -> bytes | None:
        if len(self._buffer) < 2:
            return None
        size, begin = self._buffer[1], 2
        if size == 126:
            size, begin = int.from_bytes(self._buffer[2:4]), 4
        elif size == 127:
            size, begin = int.from_bytes(self._buffer[2:10]), 10
        if len(self._buffer) < begin + size:
            return None
        message, self._buffer = self._buffer[begin : begin + size], self._buffer[begin + size :]
        return message

    def _send(self, message: dict[str, Any]) -> None:
        text = json.dumps(message).encode()
        self._transport.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)


async def connect(port: int, path: str, number: int, subscribes: bool) -> list[Client]:
    """Open the sockets and subscribe."""
    clients = []
    for _ in range(number):
        _, client = await asyncio.get_running_loop().create_connection(lambda: Client(path, subscribes), "127.0.0.1", port)
        await client.ready
        clients.append(client)
    return clients


async def send_request(port: int, method: str, path: str, body: bytes = b"", token: str = "") -> str:
    """Send one request on a new connection and return the body of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")
    writer.write(head.encode() + b"\r\n" + body)
    answer = (await reader.read()).decode()
    writer.close()
    return answer.partition("\r\n\r\n")[2]


async def measured(clients: list[Client], setting_off: Any) -> tuple[float, float, float]:
    """Return the milliseconds from the request until the first, the median and the last client has the message."""
    for client in clients:
        client.at = 0.0
    begun = time.perf_counter()
    request = asyncio.create_task(setting_off)
    while not all(client.at for client in clients):  # noqa: ASYNC110 (events would cost what is measured)
        await asyncio.sleep(0.002)
    await request
    times = sorted((client.at - begun) * 1000 for client in clients)
    return times[0], times[len(times) // 2], times[-1]


async def stuck(port: int, number: int) -> list[socket.socket]:
    """Open subscribers that read nothing after subscribing, with the smallest socket buffers possible."""
    sockets = []
    for _ in range(number):
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        await asyncio.to_thread(opened.connect, ("127.0.0.1", port))
        transport, client = await asyncio.get_running_loop().create_connection(lambda: Client("/live", True), sock=opened)
        await client.ready
        transport.pause_reading()
        sockets.append(opened)
    return sockets


async def measure_with_stuck_readers(port: int, token: str, ours: list[Client], rounds: int) -> None:
    """Print the times of all clients in all rounds, before and after some of them stop reading."""
    post = json.dumps({"title": "A long post", "content": "Some *text*. " * 1500}).encode()

    async def one_round() -> list[float]:
        _, _, last = await measured(ours, send_request(port, "POST", "/api/v1/posts", post, token))
        begun = max(client.at for client in ours) - last / 1000
        return [(client.at - begun) * 1000 for client in ours]

    await one_round()
    alone = [time_ for _ in range(rounds) for time_ in await one_round()]
    kept = await stuck(port, STUCK)
    for _ in range(10):
        await one_round()  # what the system holds for those who do not read is full by now
    with_stuck = [time_ for _ in range(rounds) for time_ in await one_round()]
    for name, times in (("alone", sorted(alone)), (f"with {len(kept)} stuck readers", sorted(with_stuck))):
        p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        print(f"{name:28} p50 {p50:7.1f}  p99 {p99:7.1f} ms, {ours[0].length} bytes")


def row(name: str, times: list[tuple[float, float, float]]) -> tuple[float, float]:
    """Print the medians of the last client and of the span from first to last."""
    first, middle, last = (statistics.median(column) for column in zip(*times, strict=True))
    span = statistics.median(last - first for first, _, last in times)
    worst = sorted(last for *_, last in times)[-1]
    print(f"{name:28} first {first:7.1f}  median {middle:7.1f}  last {last:7.1f}  span {span:7.1f}  worst last {worst:7.1f} ms")
    return last, span


async def run(port: int, token: str, number: int, rounds: int) -> None:
    """Alternate between both and print the results."""
    before = int(await send_request(port, "GET", "/bare/memory"))
    ours = await connect(port, "/live", number, subscribes=True)
    between = int(await send_request(port, "GET", "/bare/memory"))
    bares = await connect(port, "/bare", number, subscribes=False)
    after = int(await send_request(port, "GET", "/bare/memory"))
    print(f"memory of an idle connection: ours {(between - before) / number:.1f} KiB, bare {(after - between) / number:.1f} KiB")
    post = json.dumps({"title": "A post", "content": "Some *text*. " * 40}).encode()
    results: dict[str, list[tuple[float, float, float]]] = {"bare loop": [], "ours": []}
    for _ in range(rounds + 1):
        results["ours"].append(await measured(ours, send_request(port, "POST", "/api/v1/posts", post, token)))
        results["bare loop"].append(
            await measured(bares, send_request(port, "POST", f"/bare/loop?length={ours[0].length}", post, token))
        )
    (bare_last, bare_span), (our_last, our_span) = [row(name, times[1:]) for name, times in results.items()]
    ratios = f"last {our_last / bare_last:.2f}, span {our_span / bare_span:.2f}"
    print(f"{ours[0].length} bytes to each of {number}; ours : bare loop, {ratios}")
    await measure_with_stuck_readers(port, token, ours, rounds)


def main() -> None:
    """Run the client process, which starts the server process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", type=int)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65_536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    if options.serve:
        serve(options.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"RATE_LIMIT": "off", "MAX_LIVE_CONNECTIONS_PER_ADDRESS": "100000", "LOG_FORMAT": "json"}
        blog = [sys.executable, "-m", "blog"]
        kwargs: dict[str, Any] = {"cwd": folder, "env": environment, "check": True}
        subprocess.run([*blog, "user", "create", "ada", "ada@example.org", "--role", "author"], **kwargs, capture_output=True)
        made = subprocess.run([*blog, "token", "create", "ada"], **kwargs, capture_output=True, text=True)
        port = 18_765
        program = [sys.executable, str(Path(__file__).resolve()), "--serve", str(port)]
        with open(os.devnull, "w") as nowhere:
            server = subprocess.Popen(program, cwd=folder, env=environment, stdout=nowhere, stderr=nowhere)
        try:
            for _ in range(200):
                with contextlib.suppress(OSError):
                    asyncio.run(send_request(port, "GET", "/bare/memory"))
                    break
                time.sleep(0.1)
            asyncio.run(run(port, made.stdout.strip(), options.clients, options.rounds))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
