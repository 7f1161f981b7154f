"""The CPU time per request of the blog and of its peers: `python -m tests.benchmarks.compare [--only WORDS] [--publish]`.

The client is wrk. Servers and client are pinned to a core each, one server runs at a time, and ours and its peers alternate round
by round; the first round warms up. A row shows medians of the rounds and their spread: CPU time of the server per request (user
and system, from /proc), the share of a core that it used, throughput, and the ratio of a peer's CPU time to ours, which is the
median of the ratios within the rounds. A server with a share below 0.95 did not limit the throughput: it is marked
"client-bound" and gives no ratio. The databases are in memory where that is possible, so that writes do not wait for a disk.

`--publish` writes the tables to README.md and .github/PERFORMANCE.md, the plot, and every round to .github/benchmarks.json.
Needs Linux and wrk; nginx is measured where it is installed.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from tests.benchmarks import plot, wrk
from tests.benchmarks.cases import CACHED, PEERS, POST, POST_COUNT, Case, cases
from tests.benchmarks.peers import WAIT
from tests.benchmarks.population import PASSWORD, populate
from tests.benchmarks.report import FOLDER, PERFORMANCE, README, machine, publish, versions
from tests.benchmarks.servers import Servers
from tests.benchmarks.wrk import SATURATED, Measurement, Request

README_ROWS = (*CACHED, "cached post, 304", "home page", "post page", "search", "dashboard")
_ERASE_LINE = "\x1b[K"
_MEMORY = Path("/dev/shm")


@dataclass
class Row:
    """The rounds of a case by server; the first server is the blog."""

    case: Case
    rounds: dict[str, list[Measurement]]

    @property
    def ours(self) -> list[Measurement]:
        """Return the rounds of the blog."""
        return self.rounds[self.case.server]

    def is_client_bound(self, server: str) -> bool:
        """Return whether the server had time left."""
        return statistics.median(each.core_share for each in self.rounds[server]) < SATURATED

    def ratios(self, peer: str) -> list[float]:
        """Return the CPU time of a peer relative to ours, per round; nothing if one of the two was client-bound."""
        if self.is_client_bound(self.case.server) or self.is_client_bound(peer):
            return []
        return [theirs.cpu_us / ours.cpu_us for ours, theirs in zip(self.ours, self.rounds[peer], strict=True)]

    def missed(self) -> list[str]:
        """Return what was wanted and not reached."""
        cpu_us = statistics.median(each.cpu_us for each in self.ours)
        missed = [
            f"{self.case.name}: {statistics.median(ratios):.2f} × {PEERS[peer]}, {least} wanted"
            for peer, least in self.case.wanted.items()
            if (ratios := self.ratios(peer)) and statistics.median(ratios) < least
        ]
        if self.case.max_cpu_us is not None and cpu_us > self.case.max_cpu_us:
            missed.append(f"{self.case.name}: {cpu_us:,.0f} µs, {self.case.max_cpu_us:,.0f} wanted")
        return missed


def measure(servers: Servers, case: Case, rounds: int, seconds: float) -> Row:
    """Measure the blog and each peer in turn; the first round is not counted."""
    requests = {case.server: case.request} | {name: peer for name, peer in case.peers.items() if _is_available(name)}
    found: dict[str, list[Measurement]] = {name: [] for name in requests}
    for number in range(rounds + 1):
        for name, request in requests.items():
            print(f"\r{case.name}, {name}: round {number} of {rounds}{_ERASE_LINE}", end="", file=sys.stderr, flush=True)
            with servers.alone(name) as (pid, port):
                if not number:
                    request.check(port)
                result = wrk.measure(pid, port, request, connections=case.connections, seconds=seconds)
            if number:
                found[name].append(result)
    print(f"\r{_ERASE_LINE}", end="", file=sys.stderr)
    return Row(case, found)


def _is_available(server: str) -> bool:
    return server != "nginx" or shutil.which("nginx") is not None


def session_cookie(port: int) -> str:
    """Sign in as the owner and return the Cookie header of the session."""
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, headers={"Origin": url}) as client:
        response = client.post("/login", data={"username": "ada", "password": PASSWORD})
        assert response.status_code == 303, response.text
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)


def full_table(rows: Sequence[Row]) -> str:
    """Return the table of all servers in Markdown."""
    lines = [
        "| response | server | CPU per request, µs: user + system | rounds, µs | share of a core | responses per second | p50 ms | p99 ms |",  # noqa: E501
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        for server, rounds in row.rounds.items():
            user, system, share, rate, p50, p99 = (
                statistics.median(getattr(each, name) for each in rounds)
                for name in ("user_us", "system_us", "core_share", "requests_per_second", "p50_ms", "p99_ms")
            )
            name = PEERS.get(server, "this blog")
            mark = ", client-bound" if row.is_client_bound(server) else ""
            lines.append(
                f"| {row.case.name} | {name} | {user:,.1f} + {system:,.1f} | {_spread([each.cpu_us for each in rounds])} "
                f"| {share:.2f}{mark} | {rate:,.0f} | {p50:.1f} | {p99:.1f} |"
            )
    return "\n".join(lines)


def ratio_table(rows: Sequence[Row]) -> str:
    """Return the CPU time of the blog and its ratios to the peers in Markdown."""
    lines = [
        "| response | server CPU per request, µs | rounds, µs | CPU of a peer / CPU of the blog (rounds) |",
        "|---|--:|--:|---|",
    ]
    for row in rows:
        cpu = [each.cpu_us for each in row.ours]
        ratios = "; ".join(
            f"{PEERS[peer]} **{statistics.median(found):.2f}** ({_spread(found, 2)})" if found else f"{PEERS[peer]}: client-bound"
            for peer in row.rounds
            if peer != row.case.server
            for found in [row.ratios(peer)]
        )
        lines.append(f"| {row.case.name} | {statistics.median(cpu):,.0f} | {_spread(cpu)} | {ratios} |")
    return "\n".join(lines)


def _spread(values: Sequence[float], digits: int = 0) -> str:
    return f"{min(values):,.{digits}f} to {max(values):,.{digits}f}"


def other_figures(servers: Servers, rounds: int) -> str:
    """Measure start, memory and concurrent waits; return them as a sentence each."""
    with servers.alone("waiting") as (pid, port):
        waits = [wrk.measure(pid, port, Request("/healthz/wait"), connections=100, seconds=1).p99_ms for _ in range(rounds)]
    start = statistics.median(servers.startup_seconds() for _ in range(rounds))
    return (
        f"From the command to the first response: {start:.2f} s. 100 requests that wait {WAIT} s each, in parallel: "
        f"{statistics.median(waits) / 1000:.3f} s (99th percentile). Memory of the worker with all of this cached: "
        f"{servers.memory('blog'):.0f} MiB."
    )


def main(arguments: argparse.Namespace) -> None:
    """Populate the blog, measure, and print or publish the results."""
    wrk.require()
    place = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        token = populate(folder, POST_COUNT)
        servers = Servers(folder, stack)
        etag = servers.record(list(CACHED.values()), POST)
        session = session_cookie(servers.start("blog-uncached")[1])
        wanted = [case for case in cases(token, session, etag) if arguments.only in case.name]
        rows = [measure(servers, case, arguments.rounds, arguments.seconds) for case in wanted]
        rest = "" if arguments.only else other_figures(servers, arguments.rounds)
    footer = f"{machine()}; medians of {arguments.rounds} alternating rounds of {arguments.seconds:g} s."
    print(f"{full_table(rows)}\n\n{ratio_table(rows)}\n\n{footer} {rest}")
    missed = [line for row in rows for line in row.missed()]
    print("\n".join(["Below what is wanted:", *missed]) if missed else "All figures are as wanted.")
    if arguments.publish:
        publish_all(rows, footer, rest)


def publish_all(rows: Sequence[Row], footer: str, rest: str) -> None:
    """Write both pages, the plot and the rounds."""
    publish(README, "cpu", f"{ratio_table([row for row in rows if row.case.name in README_ROWS])}\n\n{footer}")
    publish(PERFORMANCE, "throughput", f"{ratio_table(rows)}\n\n{full_table(rows)}\n\n{footer} {rest}")
    bars = [
        (row.case.name, {peer: statistics.median(found) for peer in row.rounds if peer in PEERS and (found := row.ratios(peer))})
        for row in rows
    ]
    (FOLDER / "throughput.svg").write_text(plot.bars(bars, PEERS))
    document = {
        "machine": machine(),
        "versions": versions("starlette", "uvicorn", "uvloop", "httptools", "pydantic", "databases", "aiosqlite", "fastapi"),
        "rows": [
            {
                "case": row.case.name,
                "server": server,
                "client_bound": row.is_client_bound(server),
                "rounds": [asdict(each) for each in rounds],
            }
            for row in rows
            for server, rounds in row.rounds.items()
        ],
    }
    (FOLDER / "benchmarks.json").write_text(json.dumps(document, indent=1) + "\n")


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--seconds", type=float, default=2.0)
    made.add_argument("--only", default="", help="only cases whose name contains these words")
    made.add_argument("--publish", action="store_true", help="write the tables, the plot and all rounds")
    return made


if __name__ == "__main__":
    main(parser().parse_args())
