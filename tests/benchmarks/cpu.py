"""Measure the server's CPU time per request with wrk: `.ci/cpu [--rounds 5] [--seconds 2] [--posts 100]`.

Servers and client are pinned to a core each, and the rounds alternate between the rows. A row shows the median of its rounds and
their spread: CPU time of the server per request (user and system, in µs, from /proc), the share of a core that the server used,
requests per second, and the ratio of CPU time to a bare ASGI function that sends the bytes of the cached post. A share below
0.95 means that the client was the bottleneck. Every round is written to `--json FILE`. Needs Linux and wrk.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
import uvicorn
from starlette.types import Receive, Scope, Send

from tests.benchmarks.population import environment, populate
from tests.support.lines import ROOT
from tests.support.serving import free_port, wait_until_up

MAX_CONNECTIONS = 32
SERVER_CORE, CLIENT_CORE = "0", "1"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
BARE = "bare ASGI function"
ROWS = {
    "cached post, JSON": ("cached", "/api/v1/posts/7"),
    "cached post, page": ("cached", "/posts/post-7"),
    "rendered home page": ("rendered", "/"),
    "rendered post page": ("rendered", "/posts/post-7"),
    BARE: ("bare", "/"),
}
"""Name of a row: the server that answers, and the path."""


@dataclass(frozen=True)
class Round:
    """One run of wrk against one row."""

    cpu_us: float
    core_share: float
    requests_per_second: float


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def measure(pid: int, url: str, seconds: float) -> Round:
    """Run wrk for some seconds. Raises AssertionError if a response was not a success."""
    command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{MAX_CONNECTIONS}", f"-d{seconds:g}s", url]
    before = cpu_seconds(pid)
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pid) - before
    match = re.search(r"(\d+) requests in ([\d.]+)(m?s)", output)
    assert match is not None, output
    assert "Non-2xx" not in output, output
    assert "Socket errors" not in output, output
    requests, took = int(match[1]), float(match[2]) / (1000 if match[3] == "ms" else 1)
    return Round(used / requests * 1e6, used / took, requests / took)


@contextlib.contextmanager
def started(folder: Path, log: str, command: list[str], port: int, **settings: str) -> Iterator[int]:
    """Run a server pinned to its core until the end of the block; yields its process id."""
    with (folder / log).open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, sys.executable, *command],
            env=environment(folder, **settings), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_until_up(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def serve_bare(port: int, body: Path) -> None:
    """Serve the bytes of a file by a bare ASGI function under plain uvicorn, without a log."""
    content = body.read_bytes()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    uvicorn.run(app, port=port, lifespan="off", log_level="error", access_log=False)


def run(rounds: int, seconds: float, posts: int) -> dict[str, list[Round]]:
    """Measure all rows, round by round."""
    results: dict[str, list[Round]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        populate(folder, posts)
        ports = {server: free_port() for server in ("cached", "rendered", "bare")}
        serve = ["-m", "blog", "serve", "--port"]
        off = {"MAX_CACHE_BYTES": "0"}
        pids = {
            "cached": stack.enter_context(started(folder, "cached.log", [*serve, str(ports["cached"])], ports["cached"])),
            "rendered": stack.enter_context(
                started(folder, "rendered.log", [*serve, str(ports["rendered"])], ports["rendered"], **off)
            ),
        }
        body = folder / "body.json"
        body.write_bytes(httpx2.get(f"http://127.0.0.1:{ports['cached']}/api/v1/posts/7").raise_for_status().content)
        bare = ["-m", "tests.benchmarks.cpu", "--serve-bare", str(ports["bare"]), str(body)]
        pids["bare"] = stack.enter_context(started(folder, "bare.log", bare, ports["bare"]))
        for number in range(rounds + 1):  # the first round warms up and is not counted
            for row, (server, path) in ROWS.items():
                print(f"\rround {number} of {rounds}: {row:20}", end="", file=sys.stderr, flush=True)
                result = measure(pids[server], f"http://127.0.0.1:{ports[server]}{path}", seconds)
                if number:
                    results[row].append(result)
    print(f"\r{'':40}\r", end="", file=sys.stderr)
    return results


def markdown_table(results: dict[str, list[Round]]) -> str:
    """Return the medians as a Markdown table, with the spread of the rounds."""
    bare = statistics.median(each.cpu_us for each in results[BARE])
    lines = [
        "| response | server CPU per request, µs | rounds, µs | CPU compared with a bare ASGI function |",
        "|---|--:|--:|--:|",
    ]
    for row, rounds in results.items():
        cpu = sorted(each.cpu_us for each in rounds)
        median = statistics.median(cpu)
        lines.append(f"| {row} | {median:,.0f} | {cpu[0]:,.0f} to {cpu[-1]:,.0f} | {median / bare:,.2f} × |")
    return "\n".join(lines)


def main() -> int:
    """Print the table. Returns the exit code: 1 if a program is missing or no round was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--posts", type=int, default=100)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--publish", action="store_true", help="write the table to the README")
    parser.add_argument("--serve-bare", nargs=2, metavar=("PORT", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_bare:
        serve_bare(int(options.serve_bare[0]), Path(options.serve_bare[1]))
        return 0
    for program, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(program) is None:
            print(f"{program} is missing. Install the package {package}, for example: apt-get install {package}", file=sys.stderr)
            return 1
    if options.rounds < 1 or (os.cpu_count() or 1) < 2:
        print("At least one round and two cores are needed.", file=sys.stderr)
        return 1
    results = run(options.rounds, options.seconds, options.posts)
    bare = statistics.median(each.cpu_us for each in results[BARE])
    print(f"{'':22}{'CPU µs/request':>15}{'spread':>20}{'of bare':>9}{'core':>6}{'requests/s':>12}")
    for row, each in results.items():
        cpu = sorted(one.cpu_us for one in each)
        share = statistics.median(one.core_share for one in each)
        rate = statistics.median(one.requests_per_second for one in each)
        spread = f"{cpu[0]:,.1f} to {cpu[-1]:,.1f}"
        ratio = f"{bare / statistics.median(cpu):.2f}"
        print(f"{row:22}{statistics.median(cpu):15,.1f}{spread:>20}{ratio:>9}{share:6.2f}{rate:12,.0f}")
    if options.publish:
        from tests.benchmarks.compare import machine, publish

        publish(
            ROOT / "README.md",
            "cpu",
            f"{markdown_table(results)}\n\n{machine()}; medians of {options.rounds} alternating rounds.",
        )
    if options.json:
        rows = {row: [asdict(one) for one in each] for row, each in results.items()}
        environment = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
        options.json.write_text(json.dumps({"machine": environment, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
