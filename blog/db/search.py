"""The full-text index of posts, and all that differs in it from one database to another.

Chinese and Japanese are written without spaces and would be one word a sentence: text and questions pass through `segment`,
which sets such characters apart, and a question of several becomes a phrase.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.errors import Unavailable

# What the migrations lead to; a test compares them.
CREATE = "CREATE VIRTUAL TABLE posts_fts USING fts5(title, tags, body, tokenize='unicode61 remove_diacritics 2')"
DROP = "DROP TABLE posts_fts"

MOST_TERMS = 12
# Han with its iteration marks and numerals, Hiragana, Katakana, also of half width.
_IDEOGRAPHS = (
    r"[\u3005-\u3007\u3021-\u3029\u3040-\u3098\u309b-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9d\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_IDEOGRAPH = re.compile(f"({_IDEOGRAPHS})")
_SEGMENTED = re.compile(f" ?(\x02?)({_IDEOGRAPHS})(\x03?) ?")
_TERM = re.compile(r'"([^"]+)"|(\S+)')
_fts = sa.table("posts_fts", sa.column("rowid", sa.Integer), sa.column("title"), sa.column("tags"), sa.column("body"))
_COLUMNS = (_fts.c.title, _fts.c.tags, _fts.c.body)
Entry = tuple[str, str, str]
"""Title, tags and text of a post, as the index holds them."""
# bm25() is smaller for better matches: a word in the title counts ten times one in the text.
_RANK: sa.ColumnClause[float] = sa.literal_column("bm25(posts_fts, 10.0, 5.0, 1.0)")
# Control characters, which no text holds, stand around what was found until the page puts marks there.
_TITLE: sa.ColumnClause[str] = sa.literal_column("highlight(posts_fts, 0, char(2), char(3))")
_PASSAGE: sa.ColumnClause[str] = sa.literal_column("snippet(posts_fts, 2, char(2), char(3), '…', 40)")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of plain text, not escaped; `is_hit` when the words that were looked for stand there."""

    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class Passage:
    """Where the words stand in a post: its title, and some forty words of its text around them."""

    title: tuple[Part, ...]
    text: tuple[Part, ...]


def segment(text: str) -> str:
    """The text with spaces around each ideograph and kana.

    Composed first: a kana and its voicing mark may come as two characters, and belong together.
    """
    return _IDEOGRAPH.sub(r" \1 ", unicodedata.normalize("NFC", text))


async def index(db: Database, post_id: int, *, title: str, tags: str, body: str) -> None:
    """Put a post into the index, or anew; call it inside the transaction that writes the post."""
    await remove(db, post_id)
    values = {"rowid": post_id, "title": segment(title), "tags": segment(tags), "body": segment(body)}
    await db.execute(sa.insert(_fts).values(values))


async def remove(db: Database, post_id: int) -> None:
    """Take a post out of the index."""
    await db.execute(sa.delete(_fts).where(_fts.c.rowid == post_id))


def matching(db: Database, text: str) -> sa.Subquery | None:
    """The posts that match what somebody typed: columns `post_id` and `rank` (smaller is better). None without a word."""
    terms = _terms(text)
    if not terms:
        return None
    query = sa.select(_fts.c.rowid.label("post_id"), _RANK.label("rank")).select_from(_fts)
    return query.where(_matches(terms)).subquery("matches")


async def passages(db: Database, text: str, ids: Sequence[int]) -> dict[int, Passage]:
    """The places that match, of these posts among those that do. Finding them takes longer than ranking: ask for one page."""
    terms = _terms(text)
    if not terms or not ids:
        return {}
    query = sa.select(_fts.c.rowid.label("post_id"), _TITLE.label("title"), _PASSAGE.label("passage")).select_from(_fts)
    rows = await db.fetch_all(query.where(_matches(terms), _fts.c.rowid.in_(ids)))
    return {row["post_id"]: Passage(tuple(_parts(row["title"])), tuple(_parts(row["passage"]))) for row in rows}


def _matches(terms: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.literal_column("posts_fts").op("MATCH", is_comparison=True)(" ".join(terms))


def _parts(marked: str) -> Iterator[Part]:
    joined = _SEGMENTED.sub(r"\1\2\3", marked).replace("\x03\x02", "")
    for number, piece in enumerate(re.split("[\x02\x03]", joined)):
        if piece:
            yield Part(piece, is_hit=number % 2 == 1)


def _terms(text: str) -> Sequence[str]:
    """Each word and each "quoted phrase" as an FTS5 phrase, so that none of it is syntax; the last word may be unfinished."""
    # FTS5 reads a C string: what follows a NUL would be lost, with the closing quote.
    found = [phrase or word for phrase, word in _TERM.findall(text.replace("\0", " "))]
    phrases = [" ".join(segment(term.replace('"', " ")).split()) for term in found]
    quoted = [f'"{phrase}"' for phrase in phrases if _has_word(phrase)]
    if quoted and _has_word(text[-1]):
        quoted[-1] += "*"
    return quoted[:MOST_TERMS]


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)


async def entries(db: Database, ids: Sequence[int]) -> dict[int, Entry]:
    """What the index holds of these posts, to compare it with `entry`."""
    rows = await db.fetch_all(sa.select(_fts.c.rowid.label("post_id"), *_COLUMNS).where(_fts.c.rowid.in_(list(ids))))
    return {row["post_id"]: _normal(row["title"], row["tags"], row["body"]) for row in rows}


def entry(title: str, tags: str, body: str) -> Entry:
    """What the index should hold of a post."""
    return _normal(segment(title), segment(tags), segment(body))


def _normal(title: str, tags: str, body: str) -> Entry:
    return title, tags.casefold(), body  # a tag may be spelt in several ways, and is found by each


async def left_over(db: Database) -> list[int]:
    """The ids of the entries whose posts are deleted, or not there."""
    posts = tables.posts.c
    living = sa.select(posts.id).where(posts.deleted_at.is_(None))
    return [
        row["post_id"] for row in await db.fetch_all(sa.select(_fts.c.rowid.label("post_id")).where(_fts.c.rowid.not_in(living)))
    ]


async def is_consistent(db: Database) -> bool:
    """Does the index find nothing wrong with itself?"""
    try:
        await db.execute("INSERT INTO posts_fts(posts_fts) VALUES ('integrity-check')")  # it inserts nothing
    except Unavailable:
        return False
    return True


async def rebuild(db: Database) -> None:
    """Make the index anew from the texts that it holds."""
    await db.execute("INSERT INTO posts_fts(posts_fts) VALUES ('rebuild')")
