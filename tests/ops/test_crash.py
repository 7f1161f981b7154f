"""Servers and imports killed at any moment: every confirmed write is stored, and no write is partial.

`BLOG_TEST_CRASH_ROUNDS` makes it run longer, `BLOG_TEST_CRASH_SEED` repeats the same chances.
"""

import asyncio
import contextlib
import json
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.pictures import png
from tests.support.processes import BlogProcess
from tests.support.serving import blog, clean_environment, free_port

ROUNDS = int(os.environ.get("BLOG_TEST_CRASH_ROUNDS", "2"))
SEED = int(os.environ.get("BLOG_TEST_CRASH_SEED", "20261123"))
WRITERS, WORKERS, MOST_SECONDS = 4, 2, 2.0


class Server:
    """Two workers and their parent process, in a separate process group."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder, self.log = free_port(), folder, folder / "log"

    async def start(self) -> None:
        self.log.touch()
        arguments = ("serve", "--port", str(self.port), "--workers", str(WORKERS))
        environment = clean_environment() | {"RATE_LIMIT": "off"}
        self._process = BlogProcess(self._folder, arguments, environment, Path(os.devnull), self.log, self.log)
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    async with httpx2.AsyncClient() as client:
                        await client.get(f"http://127.0.0.1:{self.port}/api/v1/posts")
                        return
                await asyncio.sleep(0.05)  # between two looks, not instead of one

    async def kill(self) -> None:
        self._process.kill_group()
        await asyncio.to_thread(self._process.wait)


@dataclass
class Written:
    """A post as its writer knows it: confirmed writes, and writes that were sent but not confirmed."""

    id: int
    contents: list[str]
    doubtful: str | None = None
    comments: set[int] = field(default_factory=set)
    is_deleted: bool | None = False  # None: nobody knows

    def accepts(self, content: str, version: int) -> bool:
        """Return whether the stored post matches the confirmed or an unconfirmed write."""
        known = (content, version) == (self.contents[-1], len(self.contents))
        return known or (self.doubtful is not None and (content, version) == (self.doubtful, len(self.contents) + 1))


class Writer:
    """Writes one object after the other, and repeats unanswered requests with the same key on the next server."""

    def __init__(self, number: int, url: str, token: str) -> None:
        self._name, self._chance = f"w{number}", random.Random(f"{SEED} {number}")  # noqa: S311
        self._url, self._headers = f"{url}/api/v1", {"Authorization": f"Bearer {token}"}
        self.posts: list[Written] = []
        self.images: dict[int, str] = {}
        self.answered = self.repeated = self._sent = 0
        self._doubtful: dict[str, Any] | None = None

    async def write_until_killed(self) -> None:
        async with httpx2.AsyncClient(headers=self._headers, timeout=30) as client:
            with contextlib.suppress(httpx2.HTTPError):
                if self._doubtful is not None:
                    await self._make(client, self._doubtful)
                    self.repeated += 1
                while True:
                    await self._write(client)

    async def _write(self, client: httpx2.AsyncClient) -> None:
        kind, open_posts = self._chance.random(), [post for post in self.posts if post.is_deleted is False and not post.doubtful]
        self._sent += 1
        if kind < 0.4 or not open_posts:
            text = f"{self._name}-{self._sent}"
            body = {"title": text, "content": f"Words of {text}", "tags": [self._name, text]}
            await self._make(client, {"path": "/posts", "key": text, "options": {"json": body}})
        elif kind < 0.5:
            picture = png(self._sent % 60 + 1, int(self._name[1:]) * 10 + self._sent // 60 + 1)
            options = {"files": {"file": ("a.png", picture, "image/png")}}
            await self._make(client, {"path": "/media", "key": f"{self._name}-{self._sent}", "options": options})
        elif kind < 0.7:
            post = self._chance.choice(open_posts)
            answer = await client.post(f"{self._url}/posts/{post.id}/comments", json={"content": "Seen"})
            post.comments.add(self._accepted(answer, 201)["id"])
        elif kind < 0.95:
            await self._edit(client, self._chance.choice(open_posts))
        else:
            post = self._chance.choice(open_posts)
            post.is_deleted = None
            answer = await client.delete(f"{self._url}/posts/{post.id}")
            assert answer.status_code == 204, answer.text
            post.is_deleted, self.answered = True, self.answered + 1

    async def _make(self, client: httpx2.AsyncClient, request: dict[str, Any]) -> None:
        self._doubtful = request
        answer = await client.post(self._url + request["path"], headers={"Idempotency-Key": request["key"]}, **request["options"])
        made = self._accepted(answer, 201)
        self._doubtful = None
        if request["path"] == "/media":
            self.images[made["id"]] = made["url"].rpartition("/")[2]
        else:
            self.posts.append(Written(made["id"], [made["content"]]))

    async def _edit(self, client: httpx2.AsyncClient, post: Written) -> None:
        post.doubtful = f"Other words {self._sent}"
        answer = await client.patch(f"{self._url}/posts/{post.id}", json={"content": post.doubtful})
        assert self._accepted(answer, 200)["version"] == len(post.contents) + 1
        post.contents.append(post.doubtful)
        post.doubtful = None

    def _accepted(self, answer: httpx2.Response, status: int) -> Any:
        assert answer.status_code == status, answer.text
        self.answered += 1
        return answer.json()


@contextlib.contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(folder / "blog.db", timeout=30)) as connection:
        yield connection


def require_whole(folder: Path, writers: list[Writer]) -> None:
    """Check that every confirmed write is stored, each version has its event, and `blog check` finds no fault."""
    with database(folder) as connection:
        rows = connection.execute("SELECT id, content, version, deleted_at FROM posts").fetchall()
        texts = Counter(row[0] for row in connection.execute("SELECT title FROM posts"))
        event_counts = Counter(row[0] for row in connection.execute("SELECT post_id FROM events WHERE comment_id IS NULL"))
        comments = dict(connection.execute("SELECT id, post_id FROM comments"))
        told_of = Counter(row[0] for row in connection.execute("SELECT comment_id FROM events WHERE comment_id IS NOT NULL"))
        images = dict(connection.execute("SELECT id, name FROM media"))
        tags = dict(connection.execute("SELECT post_id, count(*) FROM post_tags GROUP BY post_id"))
    found = {row[0]: row[1:] for row in rows}
    assert max(texts.values(), default=1) == 1, "what is sent again with its key is not done twice"
    for post in (post for writer in writers for post in writer.posts):
        content, version, deleted_at = found[post.id]
        assert post.accepts(content, version), (post, content, version)
        assert post.is_deleted is None or post.is_deleted == (deleted_at is not None), post
        assert all(comments[comment] == post.id for comment in post.comments), post
    for post_id, (_, version, deleted_at) in found.items():
        assert event_counts[post_id] == version + (deleted_at is not None), post_id
        assert tags[post_id] == 2, post_id
    assert all(told_of[comment] == 1 for comment in comments)
    assert {number: name for writer in writers for number, name in writer.images.items()}.items() <= images.items()
    assert all((folder / "media" / name).is_file() for name in images.values())
    checked = blog(folder, "check")
    assert (checked.stdout, checked.returncode) == ("No problems found.\n", 0), checked.stderr


def resolve_unconfirmed_writes(folder: Path, writers: list[Writer]) -> None:
    """Resolve the writes that were not confirmed."""
    with database(folder) as connection:
        found = {row[0]: row[1:] for row in connection.execute("SELECT id, content, deleted_at FROM posts")}
    for post in (post for writer in writers for post in writer.posts):
        content, deleted_at = found[post.id]
        if content == post.doubtful:
            post.contents.append(content)
        post.doubtful, post.is_deleted = None, deleted_at is not None


@pytest.mark.timeout(60 + 45 * ROUNDS)
async def test_killed_server_loses_no_confirmed_write(tmp_path: Path) -> None:
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    token = blog(tmp_path, "token", "create", "ada").stdout.strip()
    server, chance = Server(tmp_path), random.Random(SEED)  # noqa: S311
    writers = [Writer(number, f"http://127.0.0.1:{server.port}", token) for number in range(WRITERS)]
    for _ in range(ROUNDS):
        await server.start()
        writing = [asyncio.create_task(writer.write_until_killed()) for writer in writers]
        await asyncio.sleep(chance.uniform(0.1, MOST_SECONDS))  # chance decides when; nothing waits for it
        await server.kill()
        await asyncio.gather(*writing)
        require_whole(tmp_path, writers)
        resolve_unconfirmed_writes(tmp_path, writers)
    answered, repeated = sum(writer.answered for writer in writers), sum(writer.repeated for writer in writers)
    with database(tmp_path) as connection:
        (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    print(f"seed {SEED}: {ROUNDS} kills, {answered} answered writes, {repeated} sent again, {events} events")
    assert answered > ROUNDS
    assert "Traceback" not in server.log.read_text()


def source(folder: Path, posts: int) -> Path:
    """Return a folder of posts to import, by three authors, each with an image and two tags."""
    path = folder / "site" / "_posts"
    path.mkdir(parents=True)
    for number in range(posts):
        day = f"20{number // 300:02}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}"
        front = f"title: Post {number}\nauthor: Author {number % 3}\ntags: [all, tag{number % 7}]\n"
        (path / f"{day}-post-{number}.md").write_text(f"---\n{front}---\n![]({number}.png)\n\n" + "Some words.\n\n" * 20)
        (path / f"{number}.png").write_bytes(png(number % 50 + 1, number // 50 + 1))
    return folder / "site"


def start_import(folder: Path) -> BlogProcess:
    arguments, nowhere = ("import", "markdown", str(folder / "site")), Path(os.devnull)
    return BlogProcess(folder, arguments, clean_environment(), nowhere, nowhere, nowhere)


def kill_at(folder: Path, importing: BlogProcess, posts: int) -> None:
    """Kill the import when this number of posts exists."""
    deadline = time.monotonic() + 60
    while importing.poll() is None and time.monotonic() < deadline:
        with database(folder) as connection:
            if connection.execute("SELECT count(*) FROM posts").fetchone()[0] >= posts:
                break
        time.sleep(0.002)  # between two looks, not instead of one
    importing.kill()
    importing.wait()


@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_killed_import_is_completed_by_another_without_duplicates(tmp_path: Path) -> None:
    posts, chance = 30 + 60 * ROUNDS, random.Random(SEED)  # noqa: S311
    source(tmp_path, posts)
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    present = []
    for number in range(ROUNDS):
        kill_at(tmp_path, start_import(tmp_path), 60 * number + chance.randrange(60))
        with database(tmp_path) as connection:
            present.append(connection.execute("SELECT count(*) FROM posts").fetchone()[0])
        checked = blog(tmp_path, "check")
        assert (checked.stdout, checked.returncode) == ("No problems found.\n", 0), checked.stderr
    done = blog(tmp_path, "import", "markdown", "site")
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout.splitlines()[-1])
    assert (totals["posts"], totals["unchanged"], totals["refused"]) == (posts, present[-1], 0)
    again = json.loads(blog(tmp_path, "import", "markdown", "site").stdout.splitlines()[-1])
    assert again["unchanged"] == posts
    with database(tmp_path) as connection:
        rows = "SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM revisions), (SELECT count(*) FROM events)"
        assert connection.execute(rows).fetchone() == (posts, posts, posts)
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (1 + 3,)
        assert connection.execute("SELECT count(*) FROM tags").fetchone() == (1 + 7,)
    files = [path.name for path in (tmp_path / "media").iterdir()]
    assert len([name for name in files if not name.startswith(".unfinished-")]) == posts
    print(f"seed {SEED}: {ROUNDS} kills of imports, at {present} of {posts} posts")
