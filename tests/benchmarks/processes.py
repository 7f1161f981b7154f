"""Responses per second of one, two and three processes on this machine, with SQLite and with PostgreSQL.

    python -m tests.benchmarks.processes [--rounds 3] [--seconds 2]

All servers run from the start, and are asked one after the other, round by round; the median of the rounds is shown. The client
runs on the same machine and takes its part of it.
"""

import argparse
import contextlib
import json
import os
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.benchmarks import wrk
from tests.benchmarks.wrk import Measurement, Request
from tests.support.postgres import Databases, server
from tests.support.serving import blog, free_port, serving, wait_until_up

PROCESSES = (1, 2, 3)
POST = {"title": "On engines", "content": "Some *words* of a post. " * 100, "tags": ["maths"], "status": "published"}


def prepared(folder: Path, url: str) -> tuple[dict[str, str], str]:
    """Return the settings of a blog with one post, and the token of its owner."""
    folder.mkdir()
    settings = {"DATABASE_URL": url, "RATE_LIMIT": "off", "LOG_FORMAT": "json", "PUBLIC_URL": "http://127.0.0.1:8000"}
    made = blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner", **settings)
    assert made.returncode == 0, made.stderr
    return settings, blog(folder, "token", "create", "ada", **settings).stdout.strip()


def requests(token: str) -> dict[str, Request]:
    """Return a request of each kind; only writes and uncached reads send a token."""
    bearer = {"Authorization": f"Bearer {token}"}
    return {
        "cached page": Request("/posts/on-engines"),
        "post, not cached": Request("/api/v1/posts/1", headers=bearer),
        "create post": Request(
            "/api/v1/posts", "POST", bearer | {"Content-Type": "application/json"}, json.dumps(POST).encode(), 201
        ),
    }


def main(rounds: int, seconds: float) -> None:
    """Start all servers, measure them in turn, and print the medians."""
    wrk.require()
    servers: dict[tuple[str, int], tuple[int, int, str]] = {}
    runs: dict[tuple[str, str, int], list[Measurement]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        databases = stack.enter_context(contextlib.closing(Databases(stack.enter_context(server()))))
        for number in PROCESSES:
            for database in ("SQLite", "PostgreSQL"):
                place = folder / f"{database}-{number}"
                url = databases.new() if database == "PostgreSQL" else f"sqlite:///{place / 'blog.db'}"
                settings, token = prepared(place, url)
                port = free_port()
                process, _ = stack.enter_context(serving(place, port, "--workers", str(number), **settings))
                wait_until_up(port, process)
                requests(token)["create post"].check(port)
                servers[database, number] = process.pid, port, token
        for round_ in range(rounds):
            for (database, number), (pid, port, token) in servers.items():
                for name, request in requests(token).items():
                    print(f"\rround {round_ + 1} of {rounds}: {name}, {database}, {number} processes      ", end="", flush=True)
                    runs[name, database, number].append(wrk.measure(pid, port, request, seconds=seconds))
    print(f"\r{'responses per second (p99 ms)':60}")
    for name in requests(""):
        for database in ("SQLite", "PostgreSQL"):
            print(f"  {name:17} {database:11} {'   '.join(_cell(number, runs[name, database, number]) for number in PROCESSES)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} in the last five minutes")


def _cell(number: int, runs: list[Measurement]) -> str:
    rate = statistics.median(run.requests_per_second for run in runs)
    return f"{number}: {rate:,.0f} ({statistics.median(run.p99_ms for run in runs):.0f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    chosen = parser.parse_args()
    main(chosen.rounds, chosen.seconds)
