"""Response times of growing blogs: `python -m tests.benchmarks.growth [--rounds 5] [--seconds 1] [--posts 100,10000,100000]
[--publish]`.

First the time of one answer after the other, with nothing cached, in blogs of more and more posts; then answers a second with
more and more connections. Sizes take turns in each round, and medians are shown. `--publish` also puts tables and curves into
`.github/PERFORMANCE.md`.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from blog.framework.response import pagination
from tests.benchmarks import plot
from tests.benchmarks.compare import Servers, machine, publish
from tests.benchmarks.load import Make, Run, load, request
from tests.benchmarks.population import RARE, instant, populate
from tests.support.lines import ROOT

MAX_CONNECTIONS = (1, 10, 100, 1000)
Operation = tuple[Make, int]


def operations(count: int, token: str) -> Mapping[str, Operation]:
    """A request to a blog with some number of posts, and the expected status."""
    oldest = pagination.encode_cursor((instant(21).isoformat(), 21))
    bearer = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def post(number: int) -> bytes:
        return request("GET", f"/api/v1/posts/{number * 7919 % count + 1}")

    def create(number: int) -> bytes:
        body = json.dumps({"title": f"Post {number} of many", "content": "Some words. " * 60}).encode()
        return request("POST", "/api/v1/posts", bearer, body)

    def always(path: str) -> Make:
        data = request("GET", path)
        return lambda _number: data

    return {
        "post": (post, 200),
        "first page of the list": (always("/api/v1/posts"), 200),
        "last page of the list": (always(f"/api/v1/posts?cursor={oldest}"), 200),
        "list of a tag": (always("/api/v1/posts?tag=loom"), 200),
        "list of an author, last page": (always(f"/api/v1/posts?author=ada&cursor={oldest}"), 200),
        "list by a rare word": (always(f"/api/v1/posts?q={RARE}"), 200),
        "list by a word of every post": (always("/api/v1/posts?q=loom"), 200),
        "home page": (always("/"), 200),
        "search, a rare word": (always(f"/search?q={RARE}"), 200),
        "search, a word of every post": (always("/search?q=loom"), 200),
        "create post": (create, 201),
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

    async def load(self, count: int, operation: Operation, *, cached: bool, connections: int, seconds: float) -> Run:
        """Send a request to one server."""
        make, status = operation
        with self._servers[count].alone("blog" if cached else "blog-uncached") as port:
            run = await load(port, make, status=status, connections=connections, seconds=seconds)
        assert run.refused == 0, f"{run.refused} of {len(run.took)} were not answered by {status}"
        return run


async def by_posts(blogs: Blogs, counts: Sequence[int], rounds: int, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """Return the milliseconds per response by operation and number of posts."""
    found: dict[str, list[tuple[float, float]]] = {}
    for name in operations(counts[0], ""):
        times: dict[int, list[float]] = {count: [] for count in counts}
        for number in range(rounds + 1):
            for count in counts:
                operation = operations(count, blogs.tokens[count])[name]
                run = await blogs.load(count, operation, cached=False, connections=1, seconds=seconds)
                if number:  # the first round warms up
                    times[count].append(run.quantile(0.5))
        found[name] = [(count, statistics.median(taken)) for count, taken in times.items()]
        print(f"{name}: {', '.join(f'{ms:.2f} ms at {count:,}' for count, ms in found[name])}", file=sys.stderr, flush=True)
    return found


async def by_connections(blogs: Blogs, count: int, rounds: int, seconds: float) -> dict[str, list[tuple[float, Run]]]:
    """Return a typical run by request and number of connections."""
    found: dict[str, list[tuple[float, Run]]] = {}
    operation = operations(count, blogs.tokens[count])["post"]
    one = request("GET", f"/api/v1/posts/{count}")
    for name, asked, cached in (("post, cached", (lambda _number: one, 200), True), ("post, not cached", operation, False)):
        for connections in MAX_CONNECTIONS:
            runs = [
                await blogs.load(count, asked, cached=cached, connections=connections, seconds=seconds) for _ in range(rounds + 1)
            ]
            typical = sorted(runs[1:], key=lambda run: run.rate)[rounds // 2]
            found.setdefault(name, []).append((connections, typical))
            summary = f"{typical.rate:,.0f} a second, p99 {typical.quantile(0.99):.1f} ms"
            print(f"{name}, {connections} connections: {summary}", file=sys.stderr, flush=True)
    return found


async def main(arguments: argparse.Namespace) -> None:
    """Populate the blogs, measure, and print the results."""
    counts = [int(count) for count in arguments.posts.split(",")]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        blogs = Blogs(Path(name), counts, stack)
        grown = await by_posts(blogs, counts, arguments.rounds, arguments.seconds)
        crowded = await by_connections(blogs, counts[len(counts) // 2], arguments.rounds, arguments.seconds)
    lines = [f"| one response, ms | {' | '.join(f'{count:,} posts' for count in counts)} | last / first |"]
    lines += [f"|---|{'--:|' * (len(counts) + 1)}"]
    for what, points in grown.items():
        times = " | ".join(f"{ms:.2f}" for _, ms in points)
        lines.append(f"| {what} | {times} | {points[-1][1] / points[0][1]:.2f} × |")
    lines += ["", f"| answers a second (p99 ms), connections | {' | '.join(f'{count:,} at once' for count in MAX_CONNECTIONS)} |"]
    lines += [f"|---|{'--:|' * len(MAX_CONNECTIONS)}"]
    for what, runs in crowded.items():
        lines.append(f"| {what} | {' | '.join(f'{run.rate:,.0f} ({run.quantile(0.99):.1f})' for _, run in runs)} |")
    text = "\n".join(lines)
    print(f"{text}\n\n{machine()}. Medians of {arguments.rounds} rounds.")
    if arguments.publish:
        folder = ROOT / ".github"
        publish(folder / "PERFORMANCE.md", "growth", f"{text}\n\n{machine()}; medians of {arguments.rounds} rounds.")
        curves = plot.curves(grown, title="Response time", across="posts in the blog", up="ms")
        (folder / "growth.svg").write_text(curves)
        rates = {what: [(count, run.rate) for count, run in runs] for what, runs in crowded.items()}
        crowds = plot.curves(rates, title="Throughput", across="connections", up="requests per second")
        (folder / "connections.svg").write_text(crowds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--posts", default="100,10000,100000")
    parser.add_argument("--publish", action="store_true", help="put tables and curves into .github/PERFORMANCE.md")
    os.sched_setaffinity(0, {1})
    uvloop.run(main(parser.parse_args()))
