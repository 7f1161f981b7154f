"""The slowest requests that a visitor or author can send: `python -m tests.benchmarks.worst_cases [--posts 10000] [--long 20]
[--events 100000] [--rounds 3] [--only TEXT] [--database postgresql] [--publish]`.

Makes a blog of many posts, the newest of which are as long as possible and made of what takes most time. For each request it
prints the CPU time of the server for the slowest of some responses, without a cache, and the time in which the server stops after
SIGTERM in the middle of four such requests at once. `--publish` also puts the table into `.github/PERFORMANCE.md`. On PostgreSQL
the CPU time includes that of the database server, which is started for this.
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
import psycopg

from blog.db.database_copy import copy_database
from blog.framework.limits.request_limits import MAX_URL_BYTES
from blog.framework.response import pagination
from blog.schemas.fields import MAX_CONTENT_BYTES
from blog.schemas.live import MAX_CHANNELS
from blog.text.markup import MAX_MARKUP, count_markup
from tests.benchmarks.population import PASSWORD, WORDS, add_comments, add_events, environment, instant, populate
from tests.benchmarks.report import machine, publish
from tests.support import postgres
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
    "formulas": longest("$a^b$ "),
    "long formulas": longest("$" + "x^2+" * 400 + "y$ "),
    "formulas without end": longest("$$a\n# h\n"),
    "highlighted text": longest("==a== "),
    "abbreviations": longest("abc ", "*[abc]: d\n\n"),
    "definitions": longest("a\n: b\n"),
    "callouts": longest("> [!note]\n> a\n\n"),
    "ids of headings": longest("# a {#a}\n"),
}


COMMENTS = 5_000
LONG_COMMENTS = 200  # as many as one page shows
MAX_COMMENT = 10_000
LONG_EVENTS = 500
COMMENT_TEXT = "*a* " * (MAX_COMMENT // 4)


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
    yield from _cases_of_comments()
    yield from _cases_of_lists()
    for number, slug in enumerate(changed):
        yield Case(
            f"comparison of two versions, {number + 1}", "GET", f"/posts/{slug}/history/diff?from=1&to=2", is_signed_in=True
        )
    for name, text in MARKDOWN.items():
        yield Case(f"preview of {name}", "POST", "/write/preview", {"content": text}, is_signed_in=True)
    yield Case(
        "autosave of a long text", "POST", "/write/autosave", {"content": LONG_TEXTS["one word"], "title": "a"}, is_signed_in=True
    )


def _cases_of_comments() -> Iterator[Case]:
    """Yield the requests about posts 1 and 2, which have many comments."""
    yield Case(f"page of a post with {COMMENTS:,} comments", "GET", "/posts/post-1")
    yield Case("page of its last comments", "GET", f"/posts/post-1?cursor={_comment_cursor(COMMENTS - LONG_COMMENTS)}")
    yield Case(f"page of a chain of {COMMENTS:,} replies", "GET", f"/posts/post-2?cursor={_comment_cursor(2 * COMMENTS - 300)}")
    yield Case("API list of long comments", "GET", "/api/v1/posts/1/comments?limit=100")
    yield Case(
        "API list of the last of its comments", "GET", f"/api/v1/posts/1/comments?limit=100&cursor={_comment_cursor(4_900)}"
    )
    yield Case("API list of a chain of replies", "GET", "/api/v1/posts/2/comments?limit=100")
    for name, text in MARKDOWN.items():
        body = {"content": text[:MAX_COMMENT].strip()}
        yield Case(f"comment of {name}", "POST", "/api/v1/posts/3/comments", body, is_signed_in=True)


def _comment_cursor(number: int) -> str | None:
    return pagination.encode_cursor((instant(number).isoformat(), number))


def _cases_of_lists() -> Iterator[Case]:
    """Yield the requests with a parameter many times, and those that read the event log."""
    tags = "&".join(f"tag={WORDS[number % len(WORDS)]}" for number in range(100))
    yield Case("API list of 100 tags", "GET", f"/api/v1/posts?{tags}")
    rare = "&".join(f"channel=tag:rare-{number}" for number in range(MAX_CHANNELS))
    yield Case(f"events of {MAX_CHANNELS} rare channels", "GET", f"/api/v1/events?{rare}&after=earliest")
    posts = "&".join(f"channel=post:{number}" for number in range(1, MAX_CHANNELS + 1))
    yield Case(f"events of {MAX_CHANNELS} posts", "GET", f"/api/v1/events?{posts}&after=earliest&limit=500")
    yield Case("events of 500 posts", "GET", "/api/v1/events?channel=posts&after=earliest&limit=500")
    yield Case("events of one long post", "GET", "/api/v1/events?channel=tag:long&after=earliest&limit=500")
    many = "&".join(f"channel=tag:{number}" for number in range(1_000))[: MAX_URL_BYTES - 100]
    yield Case("events of too many channels", "GET", f"/api/v1/events?{many}")


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


@dataclass(frozen=True, slots=True)
class Blog:
    """The blog of the benchmark. `database_pid`: the PostgreSQL server; None for SQLite."""

    folder: Path
    database_url: str
    database_pid: int | None = None

    @contextlib.contextmanager
    def serve(self) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
        """Run a server without a cache, and yield it with its address."""
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        settings = environment(
            self.folder, MAX_CACHE_BYTES="0", MAX_EVENTS="1000000", PUBLIC_URL=address, DATABASE_URL=self.database_url
        )
        command = [sys.executable, "-m", "blog", "serve", "--port", str(port)]
        with (
            (self.folder / "log").open("ab") as log,
            subprocess.Popen(command, cwd=self.folder, env=settings, stdout=log, stderr=log) as server,
        ):
            try:
                wait_until_up(port, server)
                yield server, address
            finally:
                server.kill()

    def cpu_seconds(self, server: subprocess.Popen[bytes]) -> float:
        """Return the CPU time of a server and of its database server."""
        return sum(_cpu_seconds(pid) for pid in (server.pid, self.database_pid) if pid is not None)


@contextlib.contextmanager
def create_blog(folder: Path, arguments: argparse.Namespace) -> Iterator[tuple[Blog, Sequence[str], Mapping[str, str]]]:
    """Create the blog, and yield it with the slugs of posts with two versions and the cookies of a session.

    It is created with SQLite in any case, and copied.
    """
    blog = Blog(folder, f"sqlite:///{folder / 'blog.db'}")
    token = populate(folder, arguments.posts)
    short = ["Well said."] * (COMMENTS - LONG_COMMENTS)
    add_comments(folder, 1, [*([COMMENT_TEXT] * LONG_COMMENTS), *short])
    add_comments(folder, 2, ["Well said."] * COMMENTS, as_chain=True)
    with (
        blog.serve() as (_, address),
        httpx.Client(base_url=address, timeout=TIMEOUT, headers={"Authorization": f"Bearer {token}"}) as client,
    ):
        changed, cookies = fill(client, arguments.long), session(address)
    add_events(folder, [number % arguments.posts + 1 for number in range(arguments.events)], "loom")
    add_events(folder, [arguments.posts + 1] * LONG_EVENTS, "long")  # the first long post
    if arguments.database == "sqlite":
        yield blog, changed, cookies
        return
    with postgres.Server() as server, contextlib.closing(postgres.Databases(server.url)) as databases:
        url = databases.new()
        copy_database(blog.database_url, url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")  # the server runs without autovacuum
        yield Blog(folder, url, server.pid), changed, cookies


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


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # with the children that have ended
    return own + sum(map(_cpu_seconds, children))


def slowest(
    blog: Blog, server: subprocess.Popen[bytes], address: str, case: Case, cookies: Mapping[str, str], rounds: int
) -> tuple[float, int, int]:
    """Return the CPU seconds of the slowest response, its status and its size in bytes."""
    times = []
    with httpx.Client(base_url=address, headers={"Origin": address}, timeout=TIMEOUT) as client:
        for _ in range(rounds + 1):
            begun = blog.cpu_seconds(server)
            answer = send(client, case, cookies)
            times.append(blog.cpu_seconds(server) - begun)
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
    with create_blog(folder, arguments) as (blog, changed, cookies):
        for case in cases(arguments.posts, changed):
            if arguments.only not in case.name:
                continue
            with blog.serve() as (server, address):
                took, status, size = slowest(blog, server, address, case, cookies, arguments.rounds)
                stopped = asyncio.run(stop_in_the_middle(server, address, case, cookies, pause=took / 2))
            yield f"| {case.name} | {status} | {size / 1e6:.2f} | {took * 1000:,.0f} | {stopped:.1f} |"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--long", type=int, default=20)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="only the cases with this text in their name")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--publish", action="store_true", help="put the table into .github/PERFORMANCE.md")
    arguments = parser.parse_args()
    lines = ["| request | status | MB | CPU time of the slowest, ms | server stopped after, s |", "|---|--:|--:|--:|--:|"]
    print(*lines, sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        for line in run(Path(folder), arguments):
            print(line, flush=True)
            lines.append(line)
    text = "\n".join(lines)
    blog = f"{arguments.posts:,} posts and {arguments.long} of {MAX_CONTENT_BYTES // 1024} KiB, {arguments.events:,} events"
    database = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[arguments.database]
    note = f"{machine()}; {database}; {blog}; the slowest of {arguments.rounds} responses."
    print(f"\n{note}")
    if arguments.publish:
        name = "worst-cases" if arguments.database == "sqlite" else "worst-cases-postgresql"
        publish(ROOT / ".github" / "PERFORMANCE.md", name, f"{text}\n\n{note}")


if __name__ == "__main__":
    main()
