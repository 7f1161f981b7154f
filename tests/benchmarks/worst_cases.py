"""The slowest requests that a visitor or author can send: `python -m tests.benchmarks.worst_cases [--posts 10000] [--long 20]
[--rounds 3] [--only TEXT] [--publish]`.

Makes a blog of many posts, the newest of which are as long as possible and made of what takes most time. For each request it
prints the CPU time of the server for the slowest of some responses, without a cache, and the time in which the server stops after
SIGTERM in the middle of four such requests at once. `--publish` also puts the table into `.github/PERFORMANCE.md`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from blog.framework.response import pagination
from blog.schemas.fields import MAX_CONTENT_BYTES
from blog.text.markup import MAX_MARKUP, count_markup
from tests.benchmarks.population import PASSWORD, environment, instant, populate
from tests.benchmarks.report import machine, publish
from tests.support.lines import ROOT
from tests.support.ports import free_port
from tests.support.serving import wait_until_up

TIMEOUT = 120.0
AT_ONCE = 4
HALF = MAX_CONTENT_BYTES // 2


def longest(piece: str, before: str = "") -> str:
    """Return as many repetitions of a text as a post may have."""
    by_size = (MAX_CONTENT_BYTES - len(before.encode())) // len(piece.encode())
    by_markup = (MAX_MARKUP - count_markup(before)) / max(1e-9, (count_markup(piece * 100) - count_markup(piece)) / 99)
    return before + piece * min(by_size, int(by_markup))


LONG_TEXTS = {name: longest(piece) for name, piece in {
    "one word": "a ", "two words": "a b ", "compounds": "e-mail c++ ", "ideographs": "\u306e", "lines": "some words\n",
}.items()}  # fmt: skip
MARKDOWN = {
    "brackets": longest("["),
    "code blocks": longest("```python\nx=1\n```\n"),
    "long code blocks": longest("```python\n" + "(a,[b],{c})+1\n" * 200 + "```\n"),
    "headings": longest("# a\n"),
    "tables": longest("|a|b|\n", "|a|b|\n|-|-|\n"),
    "tasks": longest("- [ ] a\n"),
    "emphasis": longest("*a **a"),
    "links": longest("http://a "),
    "e-mail addresses": longest("a@b.cc "),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A request. `is_signed_in`: it has the session of an author."""

    name: str
    method: str
    path: str
    body: Mapping[str, object] | None = None
    is_signed_in: bool = False


def cases(count: int, changed: Sequence[str]) -> Iterator[Case]:
    """Yield all requests. `changed`: slugs of posts with two versions."""
    oldest = pagination.encode_cursor((instant(21).isoformat(), 21))
    phrase = quote('"' + "a " * 98 + '"')
    yield Case("search for a word of every long post", "GET", "/search?q=a%20")
    yield Case("search for a phrase of one repeated word", "GET", f"/search?q={phrase}")
    yield Case(
        "search for twelve words of every post",
        "GET",
        "/search?q=loom+thread+engine+card+note+number+pattern+wheel+column+digit+press+ink",
    )
    yield Case("search for a beginning of one letter", "GET", "/search?q=w")
    yield Case("search for 200 ideographs", "GET", f"/search?q={quote('の' * 200)}")
    yield Case("search for words written in two ways", "GET", "/search?q=email+e-mail+c%2B%2B+mail")
    yield Case("last page of a search", "GET", f"/search?q=loom&page={min(count, 1_000) // 20}")
    yield Case("feed of a search", "GET", "/search/feed.atom?q=a%20")
    yield Case("API list by a word of every post", "GET", "/api/v1/posts?q=loom&limit=100")
    yield Case("API list by a word, of a tag without it", "GET", "/api/v1/posts?q=post&tag=long&limit=100")
    yield Case("API list, last page", "GET", f"/api/v1/posts?limit=100&cursor={oldest}")
    yield Case("API list of long posts", "GET", "/api/v1/posts?limit=100")
    yield Case("page of a tag, last page", "GET", f"/tags/loom?cursor={oldest}")
    yield Case("feed of long posts", "GET", "/feed.atom")
    yield Case("page of a long post", "GET", "/posts/long-0")
    yield Case("social card", "GET", "/posts/long-0/card.png")
    yield Case("archive", "GET", "/archive")
    for number, slug in enumerate(changed):
        yield Case(
            f"comparison of two versions, {number + 1}", "GET", f"/posts/{slug}/history/diff?from=1&to=2", is_signed_in=True
        )
    for name, text in MARKDOWN.items():
        yield Case(f"preview of {name}", "POST", "/write/preview", {"content": text}, is_signed_in=True)
    yield Case(
        "autosave of a long text", "POST", "/write/autosave", {"content": LONG_TEXTS["one word"], "title": "a"}, is_signed_in=True
    )


def fill(client: httpx.Client, long: int) -> list[str]:
    """Create the long posts, and return the slugs of those with two versions."""
    texts = list(LONG_TEXTS.values())
    for number in range(long):
        new = {
            "title": ("Long " * 40)[:180],
            "slug": f"long-{number}",
            "content": texts[number % len(texts)][:MAX_CONTENT_BYTES],
            "tags": ["long"],
            "status": "published",
        }
        client.post("/api/v1/posts", json=new).raise_for_status()
    versions = [
        (
            "\n".join("abcdefgh"[place * place * 7 % 11 % 8] for place in range(MAX_MARKUP - 1)),
            "\n".join("abcdefgh"[place * place * 5 % 13 % 8] for place in range(MAX_MARKUP - 1)),
        ),
        tuple(
            "".join(
                f"u{block}\n" + " ".join("abcd"[(place * place + factor * block) % 7 % 4] for place in range(1_440)) + "\n"
                for block in range(90)
            )
            for factor in (1, 3)
        ),
        (
            " ".join(f"{place * 7919 % 999983:x}" for place in range(40_000)),
            " ".join(f"{place * 6007 % 999979:x}" for place in range(40_000)),
        ),
    ]
    slugs = []
    for number, (older, newer) in enumerate(versions):
        made = client.post(
            "/api/v1/posts",
            json={"title": "Changed", "slug": f"changed-{number}", "content": older[: MAX_CONTENT_BYTES - 1], "status": "draft"},
        )
        made.raise_for_status()
        client.patch(
            f"/api/v1/posts/{made.json()['id']}",
            json={"content": newer[: MAX_CONTENT_BYTES - 1]},
            headers={"If-Match": made.headers["ETag"]},
        ).raise_for_status()
        slugs.append(f"changed-{number}")
    return slugs


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a server without a cache, and yield it with its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = environment(folder, MAX_CACHE_BYTES="0", PUBLIC_URL=address)
    command = [sys.executable, "-m", "blog", "serve", "--port", str(port)]
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(command, cwd=folder, env=settings, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until_up(port, server)
            yield server, address
        finally:
            server.kill()


def session(address: str) -> dict[str, str]:
    """Sign in, and return the cookies."""
    with httpx.Client(base_url=address, headers={"Origin": address}, timeout=TIMEOUT) as client:
        answer = client.post("/login", data={"username": "ada", "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return dict(client.cookies)


def send(client: httpx.Client, case: Case, cookies: Mapping[str, str]) -> httpx.Response:
    """Send the request of a case."""
    content = None if case.body is None else json.dumps(case.body)
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if case.is_signed_in else {}
    if content is not None:
        headers["Content-Type"] = "application/json"
    return client.request(case.method, case.path, content=content, headers=headers)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def slowest(pid: int, address: str, case: Case, cookies: Mapping[str, str], rounds: int) -> tuple[float, int, int]:
    """Return the CPU seconds of the slowest response, its status and its size in bytes."""
    times = []
    with httpx.Client(base_url=address, headers={"Origin": address}, timeout=TIMEOUT) as client:
        for _ in range(rounds + 1):
            begun = cpu_seconds(pid)
            answer = send(client, case, cookies)
            times.append(cpu_seconds(pid) - begun)
    return max(times[1:]), answer.status_code, len(answer.content)


async def stop_in_the_middle(
    server: subprocess.Popen[bytes], address: str, case: Case, cookies: Mapping[str, str], pause: float
) -> float:
    """Send some requests, stop the server meanwhile, and return the seconds until it has ended."""

    def send_and_ignore_errors() -> None:
        with (
            contextlib.suppress(httpx.HTTPError),
            httpx.Client(base_url=address, headers={"Origin": address}, timeout=TIMEOUT) as client,
        ):
            send(client, case, cookies)

    requests = [asyncio.create_task(asyncio.to_thread(send_and_ignore_errors)) for _ in range(AT_ONCE)]
    await asyncio.sleep(pause)
    begun = time.perf_counter()
    server.send_signal(signal.SIGTERM)
    await asyncio.to_thread(server.wait, TIMEOUT)
    took = time.perf_counter() - begun
    await asyncio.gather(*requests)
    return took


def run(folder: Path, arguments: argparse.Namespace) -> Iterator[str]:
    """Yield one line of the table for each case."""
    token = populate(folder, arguments.posts)
    with (
        serve(folder) as (_, address),
        httpx.Client(base_url=address, timeout=TIMEOUT, headers={"Authorization": f"Bearer {token}"}) as client,
    ):
        changed, cookies = fill(client, arguments.long), session(address)
    for case in cases(arguments.posts, changed):
        if arguments.only not in case.name:
            continue
        with serve(folder) as (server, address):
            took, status, size = slowest(server.pid, address, case, cookies, arguments.rounds)
            stopped = asyncio.run(stop_in_the_middle(server, address, case, cookies, pause=took / 2))
        yield f"| {case.name} | {status} | {size / 1e6:.2f} | {took * 1000:,.0f} | {stopped:.1f} |"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--long", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--publish", action="store_true", help="put the table into .github/PERFORMANCE.md")
    arguments = parser.parse_args()
    lines = ["| request | status | MB | CPU time of the slowest, ms | server stopped after, s |", "|---|--:|--:|--:|--:|"]
    print(*lines, sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        for line in run(Path(folder), arguments):
            print(line, flush=True)
            lines.append(line)
    text = "\n".join(lines)
    blog = f"{arguments.posts:,} posts and {arguments.long} of {MAX_CONTENT_BYTES // 1024} KiB"
    note = f"{machine()}; {blog}; the slowest of {arguments.rounds} responses."
    print(f"\n{note}")
    if arguments.publish:
        publish(ROOT / ".github" / "PERFORMANCE.md", "worst-cases", f"{text}\n\n{note}")


if __name__ == "__main__":
    main()
