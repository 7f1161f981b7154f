"""The parts of the time of a cached response: `python -m tests.benchmarks.hot_path [--calls 20000]`.

The application is called in this process, without server or socket, with JSON logs as in production, which go nowhere. Prints
the time of a call, and each function with its own share of it under cProfile, which makes short functions look longer.
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
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from starlette.types import Message

from blog.app import create_app
from blog.observability.logging import configure_logs
from blog.settings import Environment
from tests.benchmarks.population import SECRET, populate
from tests.support.configuration import make_settings

PATH = "/api/v1/posts/7"
HEADERS = [(b"host", b"127.0.0.1"), (b"user-agent", b"benchmark"), (b"accept", b"*/*")]
ROUNDS = 7


async def ask(app: Any, state: dict[str, Any]) -> int:
    """Send one request as a server would, and return the status."""
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": "",
        "path": PATH, "raw_path": PATH.encode(), "query_string": b"", "headers": HEADERS, "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000), "state": dict(state),
    }  # fmt: skip
    await app(scope, receive, send)
    return status


async def main(calls: int) -> None:
    """Seed a blog, request until the response is cached, then measure."""
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
            for _ in range(1_000):
                assert await ask(app, state) == 200
            times = []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                for _ in range(calls // ROUNDS):
                    await ask(app, state)
                times.append((time.perf_counter() - started) / (calls // ROUNDS))
            profile = cProfile.Profile()
            profile.enable()
            for _ in range(calls):
                await ask(app, state)
            profile.disable()
        print(f"{statistics.median(times) * 1e6:.1f} µs a call", file=sys.stdout)
        stats: Any = pstats.Stats(profile)
        rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])[:18]
        for (file, line, function), (_, count, own, _, _) in rows:
            place = f"{Path(file).parent.name}/{Path(file).name}:{line}" if line else ""
            print(f"{own / calls * 1e6:6.2f} µs  {count / calls:5.2f} ×  {function}  {place}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    with open(os.devnull, "w") as nowhere:
        sys.stderr = nowhere
        asyncio.run(main(parser.parse_args().calls))
