"""The parts of the time of a rendered page: `python -m tests.benchmarks.rendered_pages [--calls 300] [--against CHECKOUT]`.

The application is called in this process without a response cache, with JSON logs that go nowhere. A timer interrupts it after
each few milliseconds of CPU time and notes which layer runs, so that no function is slowed down by being measured. The parser of
the server and the socket are not included. With `--against`, another checkout is measured too, in alternating rounds.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import SecretStr
from starlette.types import Message

from blog.app import create_app
from blog.db.sqlite.driver import Connection
from blog.domain.accounts import sessions
from blog.domain.core.context import Actor, Context
from blog.domain.core.site import open_site
from blog.observability.logging import configure_logs
from blog.schemas.accounts import Role
from blog.settings import Environment, Settings
from tests.benchmarks.population import RARE, SECRET, populate
from tests.support.configuration import make_settings
from tests.support.lines import ROOT

POSTS = 100
PATHS = {"home": "/", "post": "/posts/post-7", "search": f"/search?q={RARE}", "dashboard": "/dashboard"}
COUNTS = ["SQL statements", "hand-overs"]
SAMPLE_SECONDS = 0.001
CALLS_PER_ROUND = 100
LAYERS = {
    "selectors.py": "SQLite's thread, and polling",
    "/sqlalchemy/": "building and compiling SQL",
    "/blog/db/compiled_queries.py": "rows and parameters",
    "/blog/domain/core/rows.py": "rows and parameters",
    "/blog/domain/posts/post_queries.py": "rows and parameters",
    "/blog/db/fulltext.py": "snippets",
    "/blog/db/snippets.py": "snippets",
    "/blog/db/tokenizer.py": "snippets",
    "/blog/db/": "connections and hand-over",
    "/databases/": "connections and hand-over",
    "/aiosqlite/": "connections and hand-over",
    "/blog/domain/": "domain",
    "/templates/": "templates",
    "/jinja2/": "templates",
    "/markupsafe/": "templates",
    "/blog/framework/templating/": "templates",
    "/starlette/middleware/base.py": "BaseHTTPMiddleware",
    "/blog/framework/identity/": "authentication",
    "/blog/middleware/authentication.py": "authentication",
    "/starlette/routing.py": "routing",
    "/starlette/": "Starlette",
    "/blog/middleware/": "middleware",
    "/blog/observability/": "middleware",
    "/blog/web/": "endpoint and page values",
    "/blog/": "endpoint and page values",
}
"""A part of a file name, and its layer. The first match in the innermost frame that has one decides."""
OTHER = "event loop"
_is_measured = ContextVar("is_measured", default=False)


def layer_of(frame: FrameType | None) -> str:
    """Return the layer that runs in this frame: library functions count for the caller, and links for the template."""
    while frame is not None:
        file = frame.f_code.co_filename
        for part, layer in LAYERS.items():
            if part in file:
                return layer
        frame = frame.f_back
    return OTHER


class Sampler:
    """Counts the layers that run when the timer of the process's CPU time expires."""

    def __init__(self) -> None:
        self.layers: Counter[str] = Counter()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Sample during the block."""
        signal.signal(signal.SIGPROF, lambda _number, frame: self.layers.update([layer_of(frame)]))
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


async def request(app: Any, state: dict[str, Any], path: str, cookie: str | None) -> None:
    """Send one request as a server would. Raises AssertionError if the status is not 200."""
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    headers = [(b"host", b"127.0.0.1"), (b"user-agent", b"benchmark"), (b"accept", b"*/*")]
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": "",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "client": ("127.0.0.1", 50_000),
        "headers": [*headers, (b"cookie", cookie.encode())] if cookie else headers, "server": ("127.0.0.1", 8000),
        "state": dict(state),
    }  # fmt: skip
    await app(scope, receive, send)
    assert status == 200, (path, status)


async def count_work(app: Any, state: dict[str, Any], path: str, cookie: str | None) -> tuple[int, int]:
    """Return the number of SQL statements of a request, and of calls into SQLite's threads."""
    statements, trips, run = 0, 0, Connection.run

    def count_statement(_sql: str) -> None:
        nonlocal statements
        statements += _is_measured.get()

    async def counting(self: Connection, *texts: Any, **options: Any) -> Any:
        nonlocal trips
        trips += _is_measured.get()
        return await run(self, *texts, **options)

    on_query = state["app_state"].site.db.on_query
    on_query.append(count_statement)
    Connection.run = counting  # type: ignore[method-assign, assignment]
    _is_measured.set(True)
    await request(app, state, path, cookie)
    _is_measured.set(False)
    Connection.run = run  # type: ignore[method-assign]
    on_query.remove(count_statement)
    return statements, trips


async def sign_in(settings: Settings) -> str:
    """Return the cookie of a session of the owner."""
    async with open_site(settings) as site:
        ctx = Context(site, None, dt.datetime.now(dt.UTC), "benchmark")
        return f"session={await sessions.start(ctx, Actor(1, 'ada', 'Ada', Role.OWNER), 'benchmark')}"


async def measure_page(calls: int, *arguments: Any) -> dict[str, Any]:
    """Return the CPU time of one page per call in µs, its layers in µs, and its statements and hand-overs."""
    sampler, times = Sampler(), list[float]()
    for _ in range(calls // CALLS_PER_ROUND + 1):
        with sampler.running() if times else contextlib.nullcontext():
            started = time.process_time()
            for _ in range(CALLS_PER_ROUND):
                await request(*arguments)
            times.append((time.process_time() - started) / CALLS_PER_ROUND * 1e6)
    statements, hand_overs = await count_work(*arguments)
    best, total = min(times[1:]), sampler.layers.total()  # the first round warms up
    layers = {layer: count / total * best for layer, count in sampler.layers.items()}
    return {"CPU": best, "SQL statements": statements, "hand-overs": hand_overs, "layers": layers}


async def measure(calls: int, only: str) -> dict[str, dict[str, Any]]:
    """Return the results of `measure_page` by page, for the pages with `only` in their name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        populate(folder, POSTS)
        settings = make_settings(
            secret_key=SecretStr(SECRET), database_url=f"sqlite:///{folder / 'blog.db'}", media_dir=folder / "media",
            rate_limit="off", environment=Environment.PRODUCTION, public_url="http://127.0.0.1:8000", max_cache_bytes=0,
        )  # fmt: skip
        configure_logs(settings)
        cookie = await sign_in(settings)
        app = create_app(settings)
        async with app.router.lifespan_context(app) as lifespan_state:
            state = dict(lifespan_state or {})
            anonymous = {name: (path, None) for name, path in PATHS.items() if name != "dashboard"}
            pages = anonymous | {f"{name}, signed in": (path, cookie) for name, path in PATHS.items()}
            return {name: await measure_page(calls, app, state, *page) for name, page in pages.items() if only in name}


def run_in(checkout: Path, calls: int, only: str) -> dict[str, dict[str, Any]]:
    """Measure the application of a checkout in a new process."""
    command = [sys.executable, __file__, "--json", "--calls", str(calls), "--only", only]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    output = subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    results: dict[str, dict[str, Any]] = json.loads(output.stdout)
    return results


def best_of(rounds: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return the round with the least CPU time, for each page."""
    return {page: min((each[page] for each in rounds), key=lambda result: result["CPU"]) for page in rounds[0]}


def markdown_table(checkouts: list[dict[str, dict[str, Any]]]) -> str:
    """Return the results of one or two checkouts, with a column for each page."""
    pages = list(checkouts[0])
    layers = {layer for results in checkouts for result in results.values() for layer in result["layers"]}

    def weight(layer: str) -> float:
        return -sum(float(result["layers"].get(layer, 0)) for result in checkouts[0].values())

    def row(name: str, *values: str) -> str:
        return f"| {' | '.join([name, *values])} |"

    def cells(name: str) -> list[str]:
        columns = [[results[page].get(name, results[page]["layers"].get(name, 0)) for results in checkouts] for page in pages]
        return [" → ".join(f"{value:,.0f}" for value in column) for column in columns]

    lines = [row("CPU time per page, µs", *pages), row("---", *["--:"] * len(pages))]
    return "\n".join([*lines, *(row(name, *cells(name)) for name in ["CPU", *sorted(layers, key=weight), *COUNTS])])


def main() -> None:
    """Print the results as a table, or with `--json` those of this checkout as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of the names of the pages to measure")
    parser.add_argument("--against", type=Path, help="a checkout of an older version")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.json:
        print(json.dumps(asyncio.run(measure(options.calls, options.only))))
        return
    checkouts = [options.against.resolve(), ROOT] if options.against else [ROOT]
    rounds = [[run_in(checkout, options.calls, options.only) for checkout in checkouts] for _ in range(options.rounds)]
    print(markdown_table([best_of(list(results)) for results in zip(*rounds, strict=True)]))


if __name__ == "__main__":
    main()
