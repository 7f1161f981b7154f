"""The effect of hostile clients on the memory of a server and on its readers, all kinds of abuse at once.

    python tests/benchmarks/abuse.py [--seconds 600] [--span 30] [--folder FOLDER]

Starts `blog serve` in a separate directory. One process abuses it: bodies that are too large, endless, slow or broken, endless
headers, many connections, deep JSON, forms of thousands of parts, WebSocket floods, thousands of silent WebSockets, clients that
read no response, noise. A second process reads and writes ten times a second, and must always get a response.
Periods with and without abuse alternate, so that other load on the machine affects both alike. Prints the responses to each
abuse by status, the response times of the reader in both periods, the errors in the log, and the memory of the server (RSS):
before, maximum, and after a rest. The hostile clients have the lowest priority, because they would run on other machines.

RATE_LIMIT is off, so that every request reaches the code that must withstand it. The server inherits PYTHONMALLOC.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.serving import blog, free_port, serving, wait_until_up

HURRIED = {
    "ENVIRONMENT": "production", "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
    "HEADER_TIMEOUT": "3", "BODY_TIMEOUT": "3", "WRITE_TIMEOUT": "3", "RATE_LIMIT": "off",
}  # fmt: skip
READER, CROWD, FOES = "127.0.0.2", "127.0.0.6", ["127.0.0.3", "127.0.0.4", "127.0.0.5"]
PATHS = ["/", "/posts/hello", "/api/v1/posts", "/search?q=hello", "/static/css/blog.css", "/healthz", "/archive"]
BETWEEN = 0.1
PAUSE = 0.5  # seconds between two abuses of a kind, in the mean: more would be a test of the machine
IDLE, REST = 2_000, 20
PATIENCE = 15.0
HOST = b"Host: 127.0.0.1\r\n"
JSON = b"POST /api/v1/tokens HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
FORM = b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=b\r\n"
MEBIBYTE = bytes(1_048_576)


@dataclass
class Report:
    """The outcome. Times in seconds, memory in MB; `answers` counts each `abuse status`."""

    answers: Counter[str] = field(default_factory=Counter)
    calm: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    @property
    def statuses(self) -> set[int]:
        """Return the number of responses to abuse."""
        return {int(name.rpartition(" ")[2]) for name in self.answers if name[-1].isdigit()}

    def lines(self) -> list[str]:
        """Return the outcome as text."""
        return [
            *(f"{name}: {count}" for name, count in sorted(self.answers.items())),
            f"without abuse: {_describe(self.calm)}",
            f"with abuse:    {_describe(self.times)}; failures: {self.failures or 'none'}",
            f"p99 with abuse / without: {_quantile(self.times, 0.99) / _quantile(self.calm, 0.99):.2f}",
            f"errors in the log: {self.errors or 'none'}",
            f"memory: before {self.memory[0]:.0f} MB, at most {max(self.memory):.0f} MB, after a rest {self.memory[-1]:.0f} MB",
        ]


def _quantile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[int(len(ordered) * share)] if ordered else float("nan")


def _describe(times: list[float]) -> str:
    p50, p99 = (_quantile(times, share) * 1000 for share in (0.5, 0.99))
    return f"{len(times)} answers, median {p50:.1f} ms, p99 {p99:.0f} ms, longest {max(times, default=0) * 1000:.0f} ms"


# -- abuse: each connects to the port, does its worst once, and returns what it was answered


class Foe:
    """The connections of one kind of abuse."""

    def __init__(self, port: int) -> None:
        self._port = port

    @contextlib.asynccontextmanager
    async def connected(self, address: str = "") -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self._port,
            local_addr=(address or random.choice(FOES), 0),  # noqa: S311
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def send(self, *parts: bytes, pause: float = 0.0, times: int = 1) -> str:
        """Send all parts, repeat the last one, and read a response."""
        async with self.connected() as (reader, writer):
            with contextlib.suppress(ConnectionError):
                for part in parts[:-1]:
                    writer.write(part)
                for _ in range(times):
                    writer.write(parts[-1])
                    await writer.drain()
                    if pause:
                        await asyncio.sleep(pause)
                    if reader.at_eof() or len(reader._buffer):  # type: ignore[attr-defined]
                        break
            return await status(reader)

    async def websocket(self, path: bytes, *parts: bytes, times: int = 1) -> str:
        """Do the same over a WebSocket without reading; return the close code, if one arrives."""
        async with self.connected() as (reader, writer):
            writer.write(
                b"GET "
                + path
                + b" HTTP/1.1\r\n"
                + HOST
                + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            with contextlib.suppress(ConnectionError, TimeoutError):
                for _ in range(times):
                    writer.write(b"".join(parts))
                    async with asyncio.timeout(2):
                        await writer.drain()
            return await status(reader)


async def status(reader: asyncio.StreamReader) -> str:
    """Return the status of a response, or the reason why there is none."""
    try:
        async with asyncio.timeout(8):
            line = await reader.readline()
    except (ConnectionError, ValueError):
        return "cut"
    except TimeoutError:
        return "silence"
    match = re.match(rb"HTTP/1\.1 (\d{3})", line)
    return match[1].decode() if match else "closed"


def frame(first: int, payload: bytes) -> bytes:
    """Return a WebSocket frame with a mask of zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2) if size < 65_536 else b"\xff" + size.to_bytes(8)
    return bytes([first]) + length + b"\0\0\0\0" + payload


def posted(body: bytes, head: bytes = JSON) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def part(name: bytes, more: bytes = b"") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="' + name + b'"\r\n' + more + b"\r\n\r\nx\r\n"


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
STREAM = b"GET /api/v1/events/stream?channel=posts HTTP/1.1\r\n" + HOST + b"\r\n"
ONE = b"GET / HTTP/1.1\r\n" + HOST
Abuse = Callable[[Foe], Awaitable[str]]


async def crowd(foe: Foe) -> str:
    """Open more connections than one address may have, without a request."""
    async with contextlib.AsyncExitStack() as stack:
        opened = await asyncio.gather(
            *(stack.enter_async_context(foe.connected(CROWD)) for _ in range(400)), return_exceptions=True
        )
        await asyncio.sleep(1)
        return await status(next(one[0] for one in reversed(opened) if isinstance(one, tuple)))


async def many_messages(foe: Foe) -> str:
    subscribe = json.dumps({"type": "subscribe", "id": "a", "channel": "posts"}).encode()
    unsubscribe = json.dumps({"type": "unsubscribe", "id": "a"}).encode()
    return await foe.websocket(b"/live", frame(0x81, subscribe), frame(0x81, unsubscribe), times=2_000)


async def noise(foe: Foe) -> str:
    return await foe.send(random.randbytes(random.randint(1, 5_000)))  # noqa: S311


async def noise_in_a_head(foe: Foe) -> str:
    return await foe.send(ONE + b"X: " + random.randbytes(200) + b"\r\n\r\n")  # noqa: S311


async def noise_in_a_path(foe: Foe) -> str:
    path = "".join(f"%{random.randrange(256):02x}" for _ in range(50))  # noqa: S311
    return await foe.send(f"GET /posts/{path}?q={path}&cursor={path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")


ABUSES: dict[str, Abuse] = {
    "large body": lambda foe: foe.send(JSON + b"Content-Length: 50000000\r\n\r\n", MEBIBYTE, times=50),
    "large body, unsaid": lambda foe: foe.send(JSON + CHUNKED, b"100000\r\n" + MEBIBYTE + b"\r\n", times=300),
    "tiny chunks": lambda foe: foe.send(JSON + CHUNKED, b"1\r\n \r\n" * 10_000, times=300),
    "slow body": lambda foe: foe.send(JSON + b"Content-Length: 5000\r\n\r\n", b" ", pause=0.2, times=100),
    "slow head": lambda foe: foe.send(ONE, b"X: y\r\n", pause=0.2, times=100),
    "silence": lambda foe: foe.send(ONE, b"", pause=0.2, times=100),
    "deep JSON": lambda foe: foe.send(posted(b"[" * 1_000_000)),
    "deep JSON, whole": lambda foe: foe.send(posted(b"[" * 150 + b"]" * 150)),
    "wide JSON": lambda foe: foe.send(posted(b"[" + b"[]," * 349_000 + b"[]]")),
    "many names": lambda foe: foe.send(posted(b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}")),
    "large number": lambda foe: foe.send(posted(b"9" * 1_000_000)),
    "large numbers": lambda foe: foe.send(posted(b"[" + b",".join([b"9" * 4_000] * 250) + b"]")),
    "many fields": lambda foe: foe.send(ONE + b"X: y\r\n" * 3_000 + b"\r\n"),
    "long field": lambda foe: foe.send(ONE + b"X: " + b"y" * 200_000 + b"\r\n\r\n"),
    "head without end": lambda foe: foe.send(ONE, b"X: %s\r\n" % (b"y" * 5_000), times=10_000),
    "long address": lambda foe: foe.send(b"GET /?" + b"q" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "crowd": crowd,
    "many parts": lambda foe: foe.send(posted(b"".join(part(b"f%d" % n) for n in range(15_000)) + b"--b--\r\n", FORM)),
    "long part head": lambda foe: foe.send(posted(part(b"f", b"X: " + b"y" * 900_000), FORM)),
    "many part fields": lambda foe: foe.send(posted(part(b"f", b"\r\n".join([b"X: y"] * 100_000)), FORM)),
    "file in a form": lambda foe: foe.send(FORM + CHUNKED, b"100000\r\n" + MEBIBYTE + b"\r\n", times=100),
    "pipeline": lambda foe: foe.send((ONE + b"\r\n") * 5_000),
    "takes nothing": lambda foe: foe.send(b"GET /static/css/blog.css HTTP/1.1\r\n" + HOST + b"\r\n", pause=0.01, times=400),
    "stream, unread": lambda foe: foe.send(STREAM, b"", pause=0.2, times=20),
    "two lengths": lambda foe: foe.send(JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "length and chunks": lambda foe: foe.send(JSON + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "large message": lambda foe: foe.websocket(b"/live", frame(0x81, b" " * 1_000_000)),
    "message without end": lambda foe: foe.websocket(b"/live", frame(0x01, b"{"), *[frame(0x00, b"")] * 1_000, times=200),
    "pings": lambda foe: foe.websocket(b"/live", *[frame(0x89, b"p" * 125)] * 1_000, times=200),
    "many messages": many_messages,
    "deep message": lambda foe: foe.websocket(b"/connection/websocket", frame(0x81, b"[" * 60_000), times=5),
    "noise": noise,
    "noise in a head": noise_in_a_head,
    "noise in a path": noise_in_a_path,
}  # fmt: skip


async def idle(port: int, seconds: float) -> int:
    """Open thousands of silent WebSockets from many addresses, and return how many were open."""
    handshake = (
        b"GET /live HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        for number in range(IDLE):
            address = f"127.0.1.{number % 25 + 1}"
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            writer.write(handshake)
            opened.append((reader, writer))
            if number % 50 == 49:
                await asyncio.sleep(0.05)
        await asyncio.sleep(max(0.0, seconds - IDLE / 1000 - 2))
        lines = [reader._buffer[:12] for reader, _ in opened]  # type: ignore[attr-defined]
        return lines.count(b"HTTP/1.1 101")
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def attack(port: int, seconds: float) -> Counter[str]:
    """Repeat all kinds of abuse at once."""
    answers: Counter[str] = Counter()
    end = time.monotonic() + seconds

    async def repeat(name: str, abuse: Abuse) -> None:
        foe = Foe(port)
        while time.monotonic() < end:
            try:
                async with asyncio.timeout(max(0.1, end - time.monotonic())):
                    answers[f"{name} {await abuse(foe)}"] += 1
            except TimeoutError:
                answers[f"{name} unfinished"] += 1
            except OSError:  # no connection for it: the server takes no more, or this machine has no ports left
                answers[f"{name} refused"] += 1
            await asyncio.sleep(random.expovariate(1 / PAUSE))  # as independent clients come, and not all at the same moment

    async def sit() -> None:
        answers["idle WebSockets, open at once, 101"] += await idle(port, seconds)

    await asyncio.gather(sit(), *(repeat(name, abuse) for name, abuse in ABUSES.items()))
    return answers


# -- the reader, and the memory


def resident(pid: int) -> float:
    """Return the memory of a process in MB."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) / 1024 if match else 0.0


def read_on(port: int, seconds: float, report: Report, times: list[float], pid: int, token: str) -> None:
    """Read and write as a person does until the end, and sample the memory."""
    end, number = time.monotonic() + seconds, 0
    transport = httpx.HTTPTransport(local_address=READER, retries=0)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        while (begun := time.monotonic()) < end:
            path = PATHS[number % len(PATHS)]
            try:
                if number % 10 == 9:
                    path = "/api/v1/posts/1/comments"
                    answer = client.post(path, json={"content": f"Number {number}"}, headers=headers)
                else:
                    answer = client.get(path)
                if answer.status_code not in (200, 201):
                    report.failures.append(f"{path}: {answer.status_code}")
            except httpx.HTTPError as error:
                report.failures.append(f"{path}: {error!r}")
            times.append(time.monotonic() - begun)
            report.memory.append(resident(pid))
            number += 1
            time.sleep(max(0.0, BETWEEN - times[-1]))


def run(folder: Path, seconds: float, span: float, **environment: str) -> Report:
    """Run a server, the hostile clients and a reader for some seconds."""
    blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner", **HURRIED)
    token = blog(folder, "token", "create", "ada", **HURRIED).stdout.strip()
    port, report = free_port(), Report()
    with serving(folder, port, **(HURRIED | environment)) as (server, log):
        wait_until_up(port, server)
        new = {"title": "Hello", "content": "Some *text*. " * 50, "slug": "hello"}
        made = httpx.post(f"http://127.0.0.1:{port}/api/v1/posts", json=new, headers={"Authorization": f"Bearer {token}"})
        made.raise_for_status()
        read_on(port, 10, report, [], server.pid, token)  # the templates are read, the cache is there
        report.memory = report.memory[-1:]
        for number in range(max(1, round(seconds / span / 2))):
            read_on(port, span, report, report.calm, server.pid, token)
            command = [sys.executable, __file__, "--attack", str(port), "--seconds", str(span)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as foes:
                read_on(port, span, report, report.times, server.pid, token)
                report.answers.update(json.loads(foes.communicate(timeout=60)[0]))
            print(f"{2 * span * (number + 1):.0f} s: {resident(server.pid):.0f} MB", file=sys.stderr, flush=True)
        read_on(port, REST, report, [], server.pid, token)
    report.errors = [line for line in log.read_text().splitlines() if '"level": "error"' in line]
    return report


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--span", type=float, default=30)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--attack", type=int, metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.attack:
        os.nice(19)
        print(json.dumps(asyncio.run(attack(given.attack, given.seconds))))
        return
    with tempfile.TemporaryDirectory() as made:
        allocator = {name: os.environ[name] for name in ("PYTHONMALLOC",) if name in os.environ}
        report = run(given.folder or Path(made), given.seconds, given.span, **allocator)
        print(*report.lines(), sep="\n")
        (given.folder or Path(made)).joinpath("report.json").write_text(json.dumps(vars(report)))


if __name__ == "__main__":
    main()
