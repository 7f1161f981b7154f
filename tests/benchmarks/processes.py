"""Responses per second of one, two and three processes on this machine, with SQLite and with PostgreSQL.

    python -m tests.benchmarks.processes [--rounds 3] [--seconds 2]

All servers run from the start, and are asked one after the other, round by round; the median of the rounds is shown. The client
runs on the same machine and takes its part of it.
"""

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
from collections import defaultdict
from pathlib import Path

import httpx2

from tests.benchmarks.load import Run, load, median, request
from tests.support.postgres import Databases, server
from tests.support.serving import blog, free_port, serving, wait_until_up

PROCESSES = (1, 2, 3)
POST = {"title": "On engines", "content": "Some *words* of a post. " * 100, "tags": ["maths"], "status": "published"}
KINDS = {"a cached page": ("GET", "/posts/on-engines", 200), "a post, not cached": ("GET", "/api/v1/posts/1", 200),
         "a write": ("POST", "/api/v1/posts", 201)}  # fmt: skip


def prepared(folder: Path, url: str) -> tuple[dict[str, str], str]:
    """Return the settings of a blog with one post, and the token of its owner."""
    folder.mkdir()
    settings = {"DATABASE_URL": url, "RATE_LIMIT": "off", "LOG_FORMAT": "json", "PUBLIC_URL": "http://127.0.0.1:8000"}
    made = blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner", **settings)
    assert made.returncode == 0, made.stderr
    return settings, blog(folder, "token", "create", "ada", **settings).stdout.strip()


async def measured(port: int, kind: str, token: str, seconds: float) -> Run:
    """Measure once; only writes and uncached reads send a token."""
    method, path, status = KINDS[kind]
    headers = {} if kind == "a cached page" else {"Authorization": f"Bearer {token}"}
    body = json.dumps(POST).encode() if method == "POST" else b""
    if body:
        headers["Content-Type"] = "application/json"
    bytes_ = request(method, path, headers, body)
    run = await load(port, lambda _: bytes_, status=status, seconds=seconds)
    assert run.refused <= len(run.took) * 0.01, f"{run.refused} of {len(run.took)} answers had another status than {status}"
    return run


async def main(rounds: int, seconds: float) -> None:
    ports: dict[tuple[str, int], tuple[int, str]] = {}
    runs: dict[tuple[str, int, str], list[Run]] = defaultdict(list)
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
                headers = {"Authorization": f"Bearer {token}"}
                httpx2.post(f"http://127.0.0.1:{port}/api/v1/posts", json=POST, headers=headers).raise_for_status()
                ports[database, number] = port, token
        for round_ in range(rounds):
            for kind in KINDS:
                for (database, number), (port, token) in ports.items():
                    print(f"\rround {round_ + 1} of {rounds}: {kind}, {database}, {number} processes      ", end="", flush=True)
                    runs[database, number, kind].append(await measured(port, kind, token, seconds))
    print(f"\r{'answers a second (p99 ms)':60}")
    for kind in KINDS:
        for database in ("SQLite", "PostgreSQL"):
            cells = [
                f"{number}: {median([run.rate for run in runs[database, number, kind]]):,.0f} "
                f"({median([run.quantile(0.99) for run in runs[database, number, kind]]):.0f})"
                for number in PROCESSES
            ]
            print(f"  {kind:14} {database:11} {'   '.join(cells)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} in the last five minutes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    chosen = parser.parse_args()
    asyncio.run(main(chosen.rounds, chosen.seconds))
