"""The parts of the time of a cached response: `python -m tests.benchmarks.hot_path [--calls 3000]`.

Requests are fed to the protocol of the server in this process, with a transport that discards what is written and JSON logs as in
production, which go nowhere: no system calls, so that only Python is measured. Prints the CPU time per request of

- uvicorn's protocol with a bare ASGI function,
- the protocol of `blog serve` with the same function,
- the blog in `blog serve`: the fast path,
- the blog in plain uvicorn: the cache as an ASGI middleware,

as the least and the median of alternating rounds; then the functions of the fast path with their calls and their own time under
cProfile, which makes short functions look longer.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from blog.app import create_app
from blog.observability.logging import configure_logs
from blog.server import uvicorn_options
from blog.server.http import LimitedHttpProtocol
from blog.settings import Environment
from tests.benchmarks.population import SECRET, populate
from tests.support.configuration import make_settings

REQUEST = b"GET /api/v1/posts/7 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: benchmark\r\nAccept: */*\r\n\r\n"
ROUNDS = 9
ROWS = 25


class NullTransport:
    """A transport that discards what is written to it, and remembers the last status line."""

    status = b""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8000)}.get(name, default)

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/"):
            self.status = data[:12]

    def writelines(self, parts: list[bytes]) -> None:
        self.write(b"".join(parts))

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Connection:
    """A keep-alive connection to a server in this process."""

    def __init__(self, protocol: type[HttpToolsProtocol], app: Any, state: dict[str, Any], **options: Any) -> None:
        config = uvicorn.Config(app, **{"log_config": None, "access_log": False} | options)
        config.load()
        self._protocol = protocol(config, ServerState(), state, _loop=asyncio.get_running_loop())
        self._transport = NullTransport()
        self._protocol.connection_made(self._transport)  # type: ignore[arg-type]  # only what the protocol calls

    async def request(self, count: int) -> float:
        """Send some requests, one after the other, and return the CPU time of one in microseconds."""
        started = time.process_time()
        for _ in range(count):
            self._protocol.data_received(REQUEST)
            while not self._protocol.cycle.response_complete:  # noqa: ASYNC110 (one turn of the event loop is enough)
                await asyncio.sleep(0)
        assert self._transport.status == b"HTTP/1.1 200", self._transport.status
        return (time.process_time() - started) / count * 1e6


async def bare(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Send 1,900 bytes."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1900")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * 1900})


def profile_rows(profile: cProfile.Profile, calls: int) -> Iterator[str]:
    """Yield the functions with the most time of their own, per call."""
    stats: Any = pstats.Stats(profile)
    rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])[:ROWS]
    for (file, line, function), (_, count, own, _, _) in rows:
        place = f"{Path(file).parent.name}/{Path(file).name}:{line}" if line else ""
        yield f"{own / calls * 1e6:6.2f} µs  {count / calls:5.2f} ×  {function}  {place}"


async def main(calls: int) -> None:
    """Populate a blog, request until the response is cached, then measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        populate(folder, 20)
        settings = make_settings(
            secret_key=SecretStr(SECRET), database_url=f"sqlite:///{folder / 'blog.db'}", media_dir=folder / "media",
            rate_limit="off", environment=Environment.PRODUCTION, public_url="http://127.0.0.1:8000",
        )  # fmt: skip
        configure_logs(settings)
        app = create_app(settings)
        async with app.router.lifespan_context(app) as lifespan_state:
            state = dict(lifespan_state or {})
            no_cache = state | {"fast_path": lambda _scope: None}
            connections = {
                "uvicorn, bare ASGI function": Connection(HttpToolsProtocol, bare, state),
                "blog serve, bare ASGI function": Connection(LimitedHttpProtocol, bare, no_cache),
                "blog serve, cached post": Connection(LimitedHttpProtocol, app, state, **uvicorn_options(settings)),
                "uvicorn, cached post": Connection(HttpToolsProtocol, app, state),
            }
            times: dict[str, list[float]] = {row: [] for row in connections}
            for number in range(ROUNDS + 1):
                for row, connection in connections.items():
                    taken = await connection.request(calls)
                    if number:  # the first round fills the caches
                        times[row].append(taken)
            profile = cProfile.Profile()
            profile.enable()
            await connections["blog serve, cached post"].request(calls)
            profile.disable()
        for row, taken_times in times.items():
            print(f"{min(taken_times):6.1f} µs, median {statistics.median(taken_times):6.1f} µs  {row}")
        print("\n".join(profile_rows(profile, calls)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3_000)
    with open(os.devnull, "w") as nowhere:
        sys.stderr = nowhere
        uvloop.run(main(parser.parse_args().calls))
