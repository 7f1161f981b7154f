"""A client that keeps some connections busy with one request, and records the duration of each response.

It speaks just enough HTTP/1.1 to cost less than any server that it measures: requests are ready bytes, and of an answer only
the status and the end are looked for.
"""

import asyncio
import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_SETTLING = 0.02  # seconds for the server to take the connections, and as much for each 200 of them
Make = Callable[[int], bytes]


@dataclass
class Run:
    """The result: seconds of each response, the number of unexpected statuses, and the total time."""

    took: list[float] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Return the responses per second."""
        return len(self.took) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the quantile of the response times in milliseconds."""
        ordered = sorted(self.took)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


class _Connection(asyncio.Protocol):
    def __init__(self, make: Make, status: bytes, run: Run, next_number: Callable[[], int | None]) -> None:
        self._make, self._status, self._run, self._next = make, status, run, next_number
        self.done = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._missing: int | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self) -> None:
        if (number := self._next()) is None:
            self._transport.close()
            return
        self._buffer, self._missing = b"", None
        self._started = time.perf_counter()
        self._transport.write(self._make(number))

    def data_received(self, data: bytes) -> None:
        if self._missing is not None:
            self._missing -= len(data)
        else:
            self._buffer += data
            head, end, body = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            match = _LENGTH.search(head)
            self._missing = (int(match[1]) if match else 0) - len(body)
            if not head.startswith(b"HTTP/1.1 " + self._status):
                self._run.refused += 1
        if self._missing <= 0:
            self._run.took.append(time.perf_counter() - self._started)
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, make: Make, *, status: int = 200, connections: int = 32, seconds: float = 1.0) -> Run:
    """Send requests for some seconds; `make(number)` returns the bytes of a request.

    All connections are open before the first request: libuv takes one new connection each time around its loop, and a busy
    loop would leave most of a thousand waiting until the end.
    """
    run, number, deadline = Run(), 0, float("inf")

    def next_number() -> int | None:
        nonlocal number
        number += 1
        return number if time.perf_counter() < deadline else None

    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Connection(make, str(status).encode(), run, next_number), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.sleep(_SETTLING + connections / 10_000)
    started = time.perf_counter()
    deadline = started + seconds
    for _, protocol in made:
        protocol.ask()
    await asyncio.gather(*(protocol.done for _, protocol in made))
    run.seconds = time.perf_counter() - started
    return run


def request(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    fields = {"Host": "127.0.0.1", "User-Agent": "benchmark", "Accept": "*/*", **(headers or {})}
    if body:
        fields["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def median(values: list[float]) -> float:
    """Return the run with the median rate."""
    return statistics.median(values)
