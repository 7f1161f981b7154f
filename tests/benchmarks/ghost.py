"""Pages of the blog compared with Ghost: `python -m tests.benchmarks.ghost FOLDER [--node NODE] [--publish]`.

FOLDER is an unpacked `ghost` package of npm with its production dependencies, built for the Node that `--node` names. Ghost runs
in production mode with a new SQLite database and its default theme. Both blogs hold the same posts. One server runs at a time,
pinned to a core, and the rounds alternate; the client is wrk on the other core. Ghost has no cache of pages: it renders each
one. The blog is measured with its cache and without. `--publish` writes the table to .github/PERFORMANCE.md.
"""

import argparse
import contextlib
import html
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from blog.text.markdown import render
from tests.benchmarks import population, wrk
from tests.benchmarks.report import PERFORMANCE, machine, publish
from tests.benchmarks.servers import Servers
from tests.benchmarks.wrk import SATURATED, SERVER_CORE, Measurement, Request
from tests.support.serving import clean_environment, free_port

POSTS = 200
OWNER = {"name": "Ada", "email": "ada@example.org", "password": population.PASSWORD, "blogTitle": "Blog"}
_START_SECONDS = 120
_IMPORT_SECONDS = 900


@dataclass(frozen=True)
class Subject:
    """A server, the name of its row, and the path of each page."""

    server: str
    label: str
    home: str
    post: str


SUBJECTS = (
    Subject("blog", "this blog, cached", "/", "/posts/post-{}"),
    Subject("blog-uncached", "this blog, rendered for each request", "/", "/posts/post-{}"),
    Subject("ghost", "Ghost, rendered for each request", "/", "/post-{}/"),
)


class Ghost:
    """Ghost in production mode, pinned to the core of the servers."""

    def __init__(self, package: Path, node: str, folder: Path) -> None:
        self.port = free_port()
        self._url = f"http://127.0.0.1:{self.port}"
        place = folder / "ghost"
        shutil.copytree(package / "content", place / "content", symlinks=True)
        self._log = (folder / "ghost.log").open("wb")
        command = ["taskset", "-c", str(SERVER_CORE), node, "index.js"]
        environment = clean_environment() | {"NODE_ENV": "production"} | self._settings(place)
        self.process = subprocess.Popen(command, cwd=package, env=environment, stdout=self._log, stderr=self._log)

    def _settings(self, place: Path) -> dict[str, str]:
        return {
            "url": self._url,
            "server__host": "127.0.0.1",
            "server__port": str(self.port),
            "database__client": "better-sqlite3",
            "database__connection__filename": str(place / "ghost.db"),
            "database__useNullAsDefault": "true",
            "mail__transport": "Direct",
            "logging__level": "error",
            "logging__transports": '["stdout"]',
            "paths__contentPath": str(place / "content"),
            "security__staffDeviceVerification": "false",
            "privacy__useUpdateCheck": "false",
        }

    def wait(self) -> None:
        """Wait for the first page. Raises SystemExit if the server ends before."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise SystemExit(f"Ghost ended: {Path(self._log.name).read_text()[-2000:]}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self._url}/", timeout=30).status_code == 200:
                    return
            time.sleep(0.5)
        raise SystemExit(f"Ghost did not answer within {_START_SECONDS} s.")

    def fill(self, posts: int) -> None:
        """Create the owner and import the posts. Raises HTTPStatusError if Ghost refuses."""
        headers = {"Origin": self._url}
        with httpx.Client(base_url=f"{self._url}/ghost/api/admin", headers=headers, timeout=_IMPORT_SECONDS) as client:
            client.post("/authentication/setup/", json={"setup": [OWNER]}).raise_for_status()
            credentials = {"username": OWNER["email"], "password": OWNER["password"]}
            client.post("/session/", json=credentials).raise_for_status()
            document = json.dumps(_export(posts)).encode()
            client.post("/db/", files={"importfile": ("posts.json", document, "application/json")}).raise_for_status()
        self._wait_for(f"/post-{posts}/")

    def _wait_for(self, path: str) -> None:
        end = time.monotonic() + _IMPORT_SECONDS
        while httpx.get(f"{self._url}{path}", timeout=60).status_code != 200:
            if time.monotonic() > end:
                raise SystemExit(f"The import into Ghost did not end within {_IMPORT_SECONDS} s.")
            time.sleep(1)

    def close(self) -> None:
        """End the server."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(60)
        self._log.close()


def _export(posts: int) -> dict[str, Any]:
    """Return the posts of `population` in the format of Ghost's exports."""
    entries = [
        {
            "id": number,
            "title": f"Post {number}",
            "slug": f"post-{number}",
            "lexical": _lexical(render(population.text_of(number))),
            "status": "published",
            "published_at": f"{population.instant(number):%Y-%m-%dT%H:%M:%S.000Z}",
        }
        for number in range(1, posts + 1)
    ]
    return {"db": [{"meta": {"exported_on": 0, "version": "6.0.0"}, "data": {"posts": entries}}]}


def _lexical(text: str) -> str:
    return json.dumps({"root": {"type": "root", "version": 1, "children": [{"type": "html", "version": 1, "html": text}]}})


@contextlib.contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pause a process during the block."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def measure(servers: Servers, ghost: Ghost, rounds: int, seconds: float) -> dict[tuple[str, str], list[Measurement]]:
    """Return the rounds by subject and page; the first round warms up."""
    found: dict[tuple[str, str], list[Measurement]] = {}
    for number in range(rounds + 1):
        for subject in SUBJECTS:
            for page, path in (("home", subject.home), ("post", subject.post)):
                print(f"\r{subject.label}, {page}: round {number} of {rounds}\x1b[K", end="", file=sys.stderr, flush=True)
                request = Request(path, count=POSTS if "{}" in path else 0)
                result = _measure_one(servers, ghost, subject, request, seconds)
                if number:
                    found.setdefault((subject.label, page), []).append(result)
    print("\r\x1b[K", end="", file=sys.stderr)
    return found


def _measure_one(servers: Servers, ghost: Ghost, subject: Subject, request: Request, seconds: float) -> Measurement:
    if subject.server == "ghost":
        with servers.all_paused():
            request.check(ghost.port)
            return wrk.measure(ghost.process.pid, ghost.port, request, connections=8, seconds=seconds)
    with stopped(ghost.process), servers.alone(subject.server) as (pid, port):
        request.check(port)
        return wrk.measure(pid, port, request, connections=8, seconds=seconds)


def table(found: dict[tuple[str, str], list[Measurement]]) -> str:
    """Return the medians in Markdown, with the spread of the CPU times."""
    lines = ["| page | server | CPU per request, ms | rounds, ms | responses per second |", "|---|---|--:|--:|--:|"]
    for page in ("home", "post"):
        for subject in SUBJECTS:
            rounds = found[subject.label, page]
            cpu = [each.cpu_us / 1000 for each in rounds]
            share = statistics.median(each.core_share for each in rounds)
            mark = "" if share >= SATURATED else ", client-bound"
            rate = statistics.median(each.requests_per_second for each in rounds)
            spread = f"{min(cpu):.2f} to {max(cpu):.2f}"
            lines.append(f"| {page} | {subject.label}{mark} | {statistics.median(cpu):.2f} | {spread} | {rate:,.0f} |")
    return "\n".join(lines)


def sizes(ghost: Ghost, port: int) -> str:
    """Return the number of posts on both home pages and the bytes of both post pages, in a sentence."""
    home = [httpx.get(f"http://127.0.0.1:{each}/").text for each in (port, ghost.port)]
    ours, theirs = (len(set(re.findall(r"/(?:posts/)?post-\d+", html.unescape(text)))) for text in home)
    return f"The home page lists {ours} posts here and {theirs} in Ghost."


def main(arguments: argparse.Namespace) -> None:
    """Fill both blogs, measure, and print or publish the table."""
    wrk.require()
    version = json.loads((arguments.folder / "package.json").read_text())["version"]
    node = subprocess.run([arguments.node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        population.populate(folder, POSTS)
        servers = Servers(folder, stack)
        ghost = Ghost(arguments.folder.resolve(), arguments.node, folder)
        stack.callback(ghost.close)
        ghost.wait()
        ghost.fill(POSTS)
        _, port = servers.start("blog")
        footer = (
            f"Ghost {version} on Node {node[1:]}. {sizes(ghost, port)} {machine()}; medians of {arguments.rounds} alternating "
            f"rounds of {arguments.seconds:g} s."
        )
        text = f"{table(measure(servers, ghost, arguments.rounds, arguments.seconds))}\n\n{footer}"
    print(text)
    if arguments.publish:
        publish(PERFORMANCE, "ghost", text)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("folder", type=Path, help="the unpacked package of Ghost")
    made.add_argument("--node", default=shutil.which("node") or "node", help="the program node")
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--seconds", type=float, default=3.0)
    made.add_argument("--publish", action="store_true", help="write the table to .github/PERFORMANCE.md")
    return made


if __name__ == "__main__":
    main(parser().parse_args())
