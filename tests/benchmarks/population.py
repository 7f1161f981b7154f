"""A blog with any number of posts, inserted directly into the tables: faster than through the domain."""

import datetime as dt
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from blog.db import migration
from blog.db.fulltext import IndexEntry, expected_entry, index_text
from blog.text.markdown import RENDERER_VERSION, render, render_comment
from tests.support.serving import blog, clean_environment

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
PASSWORD = "a long enough one"
WORDS = [
    "loom",
    "thread",
    "engine",
    "card",
    "note",
    "number",
    "pattern",
    "wheel",
    "column",
    "digit",
    "press",
    "ink",
    "page",
    "letter",
    "reader",
    "margin",
]
TEXTS = 50
MATCHES = 10
"""Number of posts with one of the rare words, the same in small and large blogs."""
RARE = "word0"
_FIRST = dt.datetime(2010, 1, 1, tzinfo=dt.UTC)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the settings of a production server for this blog."""
    return clean_environment() | {
        "ENVIRONMENT": "production", "SECRET_KEY": SECRET, "DATABASE_URL": f"sqlite:///{folder / 'blog.db'}",
        "MEDIA_DIR": str(folder / "media"), "RATE_LIMIT": "off", "LOGIN_RATE_LIMIT_PER_ADDRESS": "off",
        "LOGIN_RATE_LIMIT_PER_ACCOUNT": "off",
        "MAX_CONNECTIONS_PER_ADDRESS": "2000", **more,
    }  # fmt: skip


def populate(folder: Path, count: int) -> str:
    """Create the blog and return the token of its owner."""
    migration.upgrade(f"sqlite:///{folder / 'blog.db'}")
    blog(
        folder,
        "user",
        "create",
        "ada",
        "ada@example.org",
        "--role",
        "owner",
        "--password-stdin",
        stdin=PASSWORD,
        SECRET_KEY=SECRET,
    )
    token = blog(folder, "token", "create", "ada", SECRET_KEY=SECRET).stdout.strip()
    texts = [text_of(number) for number in range(min(TEXTS, count))]
    htmls = [render(text) for text in texts]
    with closing(sqlite3.connect(folder / "blog.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO tags (id, name, name_folded) VALUES (?, ?, ?)",
            [(number, word, word) for number, word in enumerate(WORDS, 1)],
        )
        for start in range(0, count, 5_000):
            numbers = range(start + 1, min(start + 5_000, count) + 1)
            _insert(connection, numbers, count, texts, htmls)
    return token


def add_comments(folder: Path, post_id: int, texts: Sequence[str], *, as_chain: bool = False) -> None:
    """Insert comments on a post. as_chain: each replies to the one before it."""
    rendered = {text: render_comment(text) for text in set(texts)}
    with closing(sqlite3.connect(folder / "blog.db")) as connection, connection:
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM comments").fetchone()
        rows = [
            (
                number,
                post_id,
                number - 1 if as_chain and number > last + 1 else None,
                text,
                rendered[text],
                RENDERER_VERSION,
                _at(number),
                _at(number),
            )
            for number, text in enumerate(texts, last + 1)
        ]
        connection.executemany(
            "INSERT INTO comments"
            " (id, post_id, author_id, parent_id, content, html, renderer_version, status, created_at, updated_at)"
            " VALUES (?, ?, 1, ?, ?, ?, ?, 'visible', ?, ?)",
            rows,
        )
        connection.execute("UPDATE posts SET comment_count = ? WHERE id = ?", (len(texts), post_id))


def add_events(folder: Path, post_ids: Sequence[int], tag: str) -> None:
    """Insert an event `post.updated` for each of these posts, in this order. tag: a tag of all of them."""
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S.%f}"
    rows = [(now, json.dumps(["posts", f"post:{id_}", f"tag:{tag}", "author:ada", "me:ada"]), id_) for id_ in post_ids]
    with closing(sqlite3.connect(folder / "blog.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO events (type, occurred_at, correlation_id, channels, post_id, data)"
            " VALUES ('post.updated', ?, '', ?, ?, '{}')",
            rows,
        )


def _insert(connection: sqlite3.Connection, numbers: range, count: int, texts: list[str], htmls: list[str]) -> None:
    posts, index = [], []
    for number in numbers:
        text, html = texts[number % len(texts)], htmls[number % len(htmls)]
        title, at = f"Post {number} of word{number % max(1, count // MATCHES)}", _at(number)
        posts.append({
            "id": number, "slug": f"post-{number}", "title": title, "content": text, "html": html, "excerpt": text[:200],
            "renderer_version": RENDERER_VERSION, "status": "published", "version": 1,
            "word_count": len(text.split()), "published_at": at, "created_at": at, "updated_at": at,
        })  # fmt: skip
        index.append((number, *expected_entry(title, " ".join(_tags(number)), index_text(text))))
    names = ", ".join(posts[0])
    connection.executemany(f"INSERT INTO posts ({names}) VALUES ({', '.join(f':{name}' for name in posts[0])})", posts)  # noqa: S608
    connection.executemany("INSERT INTO post_slugs VALUES (?, ?)", [(f"post-{number}", number) for number in numbers])
    connection.executemany(
        "INSERT INTO post_authors (post_id, user_id, position) VALUES (?, 1, 0)", [(number,) for number in numbers]
    )
    tags = [
        (number, WORDS.index(name) + 1, position) for number in numbers for position, name in enumerate(_tags(number))
    ]  # fmt: skip
    connection.executemany("INSERT INTO post_tags (post_id, tag_id, position) VALUES (?, ?, ?)", tags)
    columns = ", ".join(IndexEntry._fields)
    connection.executemany(f"INSERT INTO posts_fts (rowid, {columns}) VALUES (?, ?, ?, ?, ?, ?)", index)  # noqa: S608


def _tags(number: int) -> tuple[str, str]:
    return WORDS[number % len(WORDS)], WORDS[(number + 1) % len(WORDS)]


def instant(number: int) -> dt.datetime:
    """Return the publication time of a post."""
    return _FIRST + dt.timedelta(minutes=number)


def _at(number: int) -> str:
    return f"{instant(number):%Y-%m-%d %H:%M:%S.%f}"


def text_of(number: int) -> str:
    """Return about 700 characters of Markdown, different for each post."""
    sentences = [
        " ".join(WORDS[(number * 7 + line * 3 + place * (1 + number % 5)) % len(WORDS)] for place in range(9)).capitalize() + "."
        for line in range(12)
    ]
    return (
        f"{' '.join(sentences[:4])}\n\n## Part {number}\n\n{' '.join(sentences[4:8])}\n\n- {sentences[8]}\n- *{sentences[9]}*\n"
    )
