"""The blog compared with its peers: `python -m tests.benchmarks.compare [--rounds 5] [--seconds 1] [--only WORDS] [--publish]`.

Each server runs alone on one core and the client on another, for a second at a time: ours and its peers take turns, each case
in several rounds. What is shown is the median, and the ratio is the median of the ratios within a round. Prints a table in
Markdown; `--publish` writes it to .github/PERFORMANCE.md, with a plot.
"""

import argparse
import contextlib
import datetime as dt
import io
import json
import os
import pickle
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvloop
from PIL import Image

from tests.benchmarks import plot
from tests.benchmarks.load import Make, Run, load, request
from tests.benchmarks.peers import WAIT
from tests.benchmarks.population import PASSWORD, RARE, environment, populate
from tests.support.lines import ROOT
from tests.support.serving import free_port, wait_until_up

POSTS = 1_000
PEERS = {
    "raw": "bare ASGI function",
    "starlette": "plain Starlette",
    "articles": "FastAPI as in articles",
    "plain": "FastAPI without middleware",
    "articles-stock": "FastAPI as in articles, stock `databases`",
    "articles-own": "FastAPI as in articles, our backend",
    "twin": "FastAPI over our domain, no middleware",
    "naive": "naive Starlette page",
}


@dataclass
class Case:
    """One row: the request, the peer, and the minimum speed of the blog relative to the peer."""

    name: str
    make: Make
    status: int = 200
    peers: Mapping[str, Make] = field(default_factory=dict)
    wanted: Mapping[str, float] = field(default_factory=dict)
    server: str = "blog"
    connections: int = 32


@dataclass
class Row:
    """The result of a case: medians over the rounds."""

    name: str
    rate: float
    p50: float
    p99: float
    ratios: dict[str, float]
    wanted: Mapping[str, float]


class Servers:
    """Servers on the first core. Each is started when it is first needed, and paused while others are measured."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}

    def port(self, name: str) -> int:
        """Return the address of a server."""
        if name not in self._running:
            self._running[name] = self._start(name)
        return self._running[name][1]

    def memory(self, name: str) -> float:
        """Return the resident memory in MiB."""
        status = Path(f"/proc/{self._running[name][0].pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[int]:
        """Return the port of a server while all others are paused."""
        port = self.port(name)
        others = [process for other, (process, _) in self._running.items() if other != name]
        for process in others:
            process.send_signal(signal.SIGSTOP)
        try:
            yield port
        finally:
            for process in others:
                process.send_signal(signal.SIGCONT)

    def start_once(self, name: str) -> float:
        """Start another server of this kind, stop it, and return the seconds until its first response."""
        started = time.perf_counter()
        process, _ = self._start(name)
        took = time.perf_counter() - started
        process.terminate()
        process.wait(30)
        return took

    def _start(self, name: str) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        more = {"MAX_CACHE_BYTES": "0"} if name == "blog-uncached" else {}
        program = ["blog", "serve", "--port", str(port)]
        if not name.startswith("blog"):
            program = ["tests.benchmarks.peers", name, str(port), str(self._folder)]
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", *program], cwd=self._folder, stdout=log, stderr=log,
            env=environment(self._folder, PYTHONPATH=str(Path(__file__).parents[2]), **more),
        )  # fmt: skip
        os.sched_setaffinity(process.pid, {0})
        self._stack.callback(process.wait, 30)
        self._stack.callback(process.terminate)
        wait_until_up(port, process)
        return process, port


def cases(servers: Servers, folder: Path, token: str) -> list[Case]:
    """Return all cases. The bare peers send the bytes of the blog."""
    newest, get = POSTS, "GET"
    post, page = f"/api/v1/posts/{newest}", f"/posts/post-{newest}"
    cached = {
        "post (JSON)": post,
        "post (page)": page,
        "list of 20 (JSON)": "/api/v1/posts",
        "home (page)": "/",
        "feed": "/feed.atom",
    }
    answers, tag = _answers(servers.port("blog"), list(cached.values()), post)
    (folder / "answers.pickle").write_bytes(pickle.dumps(answers))
    found = [
        Case(
            f"cached {name}", _always(get, path),
            peers={"raw": _always(get, path), "starlette": _always(get, path)}
            | ({"articles": _always(get, path), "plain": _always(get, path)} if path == post else {}),
            wanted={"raw": 0.7, "articles": 8, "plain": 3} if path == post else {"raw": 0.7},
        )
        for name, path in cached.items()
    ]  # fmt: skip
    found.append(
        Case("cached post, 304", _always(get, post, {"If-None-Match": tag}), 304, {"raw": _always(get, "/304")}, {"raw": 0.7})
    )
    bearer = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    made = _numbered("POST", "/api/v1/posts", bearer, lambda number: {"title": f"New {number}", "content": "Some words. " * 60})
    sign_in = _always("POST", "/api/v1/tokens", bearer, {"username": "ada", "password": PASSWORD})
    uncached = "blog-uncached"
    found += [
        Case(
            "post, not cached", _spread("/api/v1/posts/{}"), server=uncached,
            peers={name: _spread("/api/v1/posts/{}") for name in ("articles-stock", "articles-own", "twin")},
            wanted={"articles-stock": 4, "articles-own": 1.3},
        ),
        Case("home, not cached", _always(get, "/"), server=uncached, peers={"naive": _always(get, "/")}, wanted={"naive": 4}),
        Case("post page, not cached", _spread("/posts/post-{}"), server=uncached),
        Case("search, not cached", _always(get, f"/search?q={RARE}"), server=uncached),
        Case(
            "create post", made, 201, {"articles-own": made, "twin": made}, {"articles-own": 1.5}, server=uncached, connections=8
        ),
        Case("sign in (token)", sign_in, 201, {"twin": sign_in}, server=uncached, connections=4),
        Case("upload image", _upload(token), 201, server=uncached, connections=2),
    ]  # fmt: skip
    return found


def _answers(port: int, paths: Sequence[str], tagged: str) -> tuple[dict[str, tuple[int, list[tuple[bytes, bytes]], bytes]], str]:
    answers, tag = {}, ""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Accept-Encoding": "identity"}) as client:
        for path in paths:
            answer = [client.get(path).raise_for_status() for _ in range(2)][1]
            assert answer.headers["cache-status"] == "blog; hit", path
            answers[path] = (200, list(answer.headers.raw), answer.content)
            tag = answer.headers["etag"] if path == tagged else tag
        fresh = client.get(tagged, headers={"If-None-Match": tag})
        assert fresh.status_code == 304
        answers["/304"] = (304, list(fresh.headers.raw), b"")
    return answers, tag


def _always(method: str, path: str, headers: Mapping[str, str] | None = None, body: object = None) -> Make:
    data = request(method, path, headers, json.dumps(body).encode() if body is not None else b"")
    return lambda _number: data


def _spread(path: str) -> Make:
    """Request one post after another, so that the database cache alone does not decide."""
    ready = [request("GET", path.format(number)) for number in range(1, POSTS + 1)]
    return lambda number: ready[number * 7 % POSTS]


def _numbered(method: str, path: str, headers: Mapping[str, str], body: Callable[[int], object]) -> Make:
    return lambda number: request(method, path, headers, json.dumps(body(number)).encode())


def _upload(token: str) -> Make:
    def make(number: int) -> bytes:
        data = io.BytesIO()
        Image.new("RGB", (64, 64), (number % 256, number // 256 % 256, number % 7)).save(data, "PNG")
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        body += data.getvalue() + b"\r\n--x--\r\n"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=x"}
        return request("POST", "/api/v1/media", headers, body)

    return make


async def measure(servers: Servers, case: Case, rounds: int, seconds: float) -> Row:
    """Measure the blog and each peer in turn; the first round is not counted."""
    runs: dict[str, list[Run]] = {}
    for number in range(rounds + 1):
        for name, make in {case.server: case.make, **case.peers}.items():
            with servers.alone(name) as port:
                run = await load(port, make, status=case.status, connections=case.connections, seconds=seconds)
            assert run.refused == 0, f"{case.name}: {name} refused {run.refused} of {len(run.took)}"
            if number:
                runs.setdefault(name, []).append(run)
    ours = runs[case.server]
    ratios = {
        peer: statistics.median(one.rate / other.rate for one, other in zip(ours, runs[peer], strict=True)) for peer in case.peers
    }
    middle = statistics.median
    return Row(
        case.name, middle(run.rate for run in ours), middle(run.quantile(0.5) for run in ours),
        middle(run.quantile(0.99) for run in ours), ratios, case.wanted,
    )  # fmt: skip


async def together(servers: Servers, rounds: int) -> float:
    """Return the seconds for 100 concurrent requests to a route that waits 0.1 s."""
    make, taken = _always("GET", "/healthz/wait"), []
    for _ in range(rounds):
        with servers.alone("waiting") as port:
            run = await load(port, make, connections=100, seconds=WAIT / 2)  # so that each connection asks once
        assert (len(run.took), run.refused) == (100, 0)
        taken.append(run.seconds)
    return statistics.median(taken)


def starting(servers: Servers, rounds: int) -> float:
    """Return the seconds from `blog serve` to the first response."""
    return statistics.median(servers.start_once("blog") for _ in range(rounds))


def table(rows: Sequence[Row]) -> str:
    """Return the results in Markdown."""
    lines = ["| what | responses per second | p50 ms | p99 ms | compared with |", "|---|--:|--:|--:|---|"]
    for row in rows:
        ratios = ", ".join(f"{ratio:.2f} × {PEERS[peer]}" for peer, ratio in row.ratios.items())
        lines.append(f"| {row.name} | {row.rate:,.0f} | {row.p50:.1f} | {row.p99:.1f} | {ratios} |")
    return "\n".join(lines)


def publish(page: Path, name: str, text: str) -> None:
    """Replace the text of the named section on a page."""
    before, begin, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not (begin and end):
        raise LookupError(f"{page} has no place for {name}")
    page.write_text(f"{before}{begin}{text}\n{end}{after}")


def machine() -> str:
    """Return the machine, the versions and the date."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    name = cpu[1] if cpu else platform.machine()
    return f"{dt.datetime.now(dt.UTC):%d %B %Y}, {os.cpu_count()} cores of {name}, Python {platform.python_version()}"


async def main(arguments: argparse.Namespace) -> None:
    """Populate the blogs, measure, and print the results."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        token = populate(folder, POSTS)
        servers = Servers(folder, stack)
        wanted = [case for case in cases(servers, folder, token) if arguments.only in case.name]
        rows = []
        for case in wanted:
            rows.append(await measure(servers, case, arguments.rounds, arguments.seconds))
            print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
        memory = servers.memory("blog")
        rest = ""
        if not arguments.only:
            start, wait = starting(servers, arguments.rounds), await together(servers, arguments.rounds)
            rest = (
                f"From the command to the first answer: {start:.2f} s. 100 requests that wait {WAIT} s each, all at once: "
                f"{wait:.3f} s. The worker with all of this cached: {memory:.0f} MiB."
            )
        below = [f"{row.name}: {row.ratios[peer]:.2f} × {peer}, {least} wanted"
                 for row in rows for peer, least in row.wanted.items() if row.ratios[peer] < least]  # fmt: skip
        text = f"{table(rows)}\n\n{machine()}; medians of {arguments.rounds} alternating rounds. {rest}"
        print(text)
        print("\n".join(["Below what is wanted:", *below]) if below else "All ratios are as wanted.")
        if arguments.publish:
            publish(ROOT / ".github" / "PERFORMANCE.md", "throughput", text)
            (ROOT / ".github" / "throughput.svg").write_text(plot.bars([(row.name, row.ratios) for row in rows], PEERS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", default="", help="cases whose name has these words")
    parser.add_argument("--publish", action="store_true", help="write the table and the plot to .github/PERFORMANCE.md")
    os.sched_setaffinity(0, {1})
    uvloop.run(main(parser.parse_args()))
