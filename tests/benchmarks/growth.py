"""Response times of growing blogs: `python -m tests.benchmarks.growth [--rounds 5] [--seconds 1] [--posts 100,10000,100000]
[--publish]`.

First the time of one response after the other, with nothing cached, in blogs of more and more posts; then responses per second
with more and more connections. The client is wrk. Sizes alternate in each round, and medians are shown. `--publish` writes tables
and curves to `.github/PERFORMANCE.md`.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from blog.framework.response import pagination
from tests.benchmarks import plot, wrk
from tests.benchmarks.population import RARE, instant, populate
from tests.benchmarks.report import FOLDER, PERFORMANCE, machine, publish
from tests.benchmarks.servers import Servers
from tests.benchmarks.wrk import Measurement, Request

MAX_CONNECTIONS = (1, 10, 100, 1000)


def operations(count: int, token: str) -> Mapping[str, Request]:
    """Return a request for each operation on a blog with some number of posts."""
    oldest = pagination.encode_cursor((instant(21).isoformat(), 21))
    bearer = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    new = {"title": "Post {} of many", "content": "Some words. " * 60, "status": "published"}
    return {
        "post": Request("/api/v1/posts/{}", count=count),
        "first page of the list": Request("/api/v1/posts"),
        "last page of the list": Request(f"/api/v1/posts?cursor={oldest}"),
        "list of a tag": Request("/api/v1/posts?tag=loom"),
        "list of an author, last page": Request(f"/api/v1/posts?author=ada&cursor={oldest}"),
        "list by a rare word": Request(f"/api/v1/posts?q={RARE}"),
        "list by a word of every post": Request("/api/v1/posts?q=loom"),
        "home page": Request("/"),
        "search, a rare word": Request(f"/search?q={RARE}"),
        "search, a word of every post": Request("/search?q=loom"),
        "create post": Request("/api/v1/posts", "POST", bearer, json.dumps(new).encode(), 201),
    }


class Blogs:
    """One blog and one server for each number of posts."""

    def __init__(self, folder: Path, counts: Sequence[int], stack: contextlib.ExitStack) -> None:
        self._servers, self.tokens = {}, {}
        for count in counts:
            print(f"making a blog of {count:,} posts", file=sys.stderr, flush=True)
            home = folder / str(count)
            home.mkdir()
            self.tokens[count] = populate(home, count)
            self._servers[count] = Servers(home, stack)

    def measure(self, count: int, request: Request, *, cached: bool, connections: int, seconds: float) -> Measurement:
        """Repeat a request to one server, after a first one with the expected status."""
        with self._servers[count].alone("blog" if cached else "blog-uncached") as (pid, port):
            request.check(port)
            return wrk.measure(pid, port, request, connections=connections, seconds=seconds)


def by_posts(blogs: Blogs, counts: Sequence[int], rounds: int, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """Return the milliseconds per response by operation and number of posts."""
    found: dict[str, list[tuple[float, float]]] = {}
    for name in operations(counts[0], ""):
        times: dict[int, list[float]] = {count: [] for count in counts}
        for number in range(rounds + 1):
            for count in counts:
                request = operations(count, blogs.tokens[count])[name]
                result = blogs.measure(count, request, cached=False, connections=1, seconds=seconds)
                if number:  # the first round warms up
                    times[count].append(result.p50_ms)
        found[name] = [(count, statistics.median(taken)) for count, taken in times.items()]
        print(f"{name}: {', '.join(f'{ms:.2f} ms at {count:,}' for count, ms in found[name])}", file=sys.stderr, flush=True)
    return found


def by_connections(blogs: Blogs, count: int, rounds: int, seconds: float) -> dict[str, list[tuple[float, Measurement]]]:
    """Return the run with the median throughput by request and number of connections."""
    found: dict[str, list[tuple[float, Measurement]]] = {}
    one, each = Request(f"/api/v1/posts/{count}"), operations(count, "")["post"]
    for name, request, cached in (("post, cached", one, True), ("post, not cached", each, False)):
        for connections in MAX_CONNECTIONS:
            runs = [
                blogs.measure(count, request, cached=cached, connections=connections, seconds=seconds) for _ in range(rounds + 1)
            ]
            typical = sorted(runs[1:], key=lambda run: run.requests_per_second)[rounds // 2]
            found.setdefault(name, []).append((connections, typical))
            summary = f"{typical.requests_per_second:,.0f} per second, p99 {typical.p99_ms:.1f} ms"
            print(f"{name}, {connections} connections: {summary}", file=sys.stderr, flush=True)
    return found


def main(arguments: argparse.Namespace) -> None:
    """Populate the blogs, measure, and print or publish the results."""
    wrk.require()
    counts = [int(count) for count in arguments.posts.split(",")]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        blogs = Blogs(Path(name), counts, stack)
        grown = by_posts(blogs, counts, arguments.rounds, arguments.seconds)
        crowded = by_connections(blogs, counts[len(counts) // 2], arguments.rounds, arguments.seconds)
    lines = [f"| one response, ms | {' | '.join(f'{count:,} posts' for count in counts)} | last / first |"]
    lines += [f"|---|{'--:|' * (len(counts) + 1)}"]
    for what, points in grown.items():
        times = " | ".join(f"{ms:.2f}" for _, ms in points)
        lines.append(f"| {what} | {times} | {points[-1][1] / points[0][1]:.2f} × |")
    lines += ["", f"| responses per second (p99 ms), connections | {' | '.join(f'{count:,}' for count in MAX_CONNECTIONS)} |"]
    lines += [f"|---|{'--:|' * len(MAX_CONNECTIONS)}"]
    for what, runs in crowded.items():
        lines.append(f"| {what} | {' | '.join(f'{run.requests_per_second:,.0f} ({run.p99_ms:.1f})' for _, run in runs)} |")
    text = "\n".join(lines)
    print(f"{text}\n\n{machine()}. Medians of {arguments.rounds} rounds.")
    if arguments.publish:
        publish(PERFORMANCE, "growth", f"{text}\n\n{machine()}; medians of {arguments.rounds} rounds.")
        curves = plot.curves(grown, title="Response time", across="posts in the blog", up="ms")
        (FOLDER / "growth.svg").write_text(curves)
        rates = {what: [(count, run.requests_per_second) for count, run in runs] for what, runs in crowded.items()}
        crowds = plot.curves(rates, title="Throughput", across="connections", up="requests per second")
        (FOLDER / "connections.svg").write_text(crowds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--posts", default="100,10000,100000")
    parser.add_argument("--publish", action="store_true", help="write tables and curves to .github/PERFORMANCE.md")
    main(parser.parse_args())
