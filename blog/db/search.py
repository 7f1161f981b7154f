"""The full-text index of posts, and all that differs in it from one database to another.

Chinese and Japanese are written without spaces and would be one word a sentence: text and questions pass through `segment`,
which sets such characters apart, and a question of several becomes a phrase.
"""

import re
import unicodedata
from collections.abc import Sequence

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database

# What the migrations lead to; a test compares them.
CREATE = "CREATE VIRTUAL TABLE posts_fts USING fts5(title, tags, body, tokenize='unicode61 remove_diacritics 2')"
DROP = "DROP TABLE posts_fts"

MOST_TERMS = 12
# Han with its iteration marks and numerals, Hiragana, Katakana, also of half width.
_IDEOGRAPH = re.compile(
    r"([\u3005-\u3007\u3021-\u3029\u3040-\u3098\u309b-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9d\U0001b000-\U0001b16f\U00020000-\U0003ffff])"
)
_TERM = re.compile(r'"([^"]+)"|(\S+)')
_fts = sa.table("posts_fts", sa.column("rowid", sa.Integer), sa.column("title"), sa.column("tags"), sa.column("body"))
# bm25() is smaller for better matches: a word in the title counts ten times one in the text.
_RANK: sa.ColumnClause[float] = sa.literal_column("bm25(posts_fts, 10.0, 5.0, 1.0)")


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
    matches = sa.literal_column("posts_fts").op("MATCH")(" ".join(terms))
    return sa.select(_fts.c.rowid.label("post_id"), _RANK.label("rank")).select_from(_fts).where(matches).subquery("matches")


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


async def unindexed(db: Database) -> int:
    """How many posts that are not deleted lack an entry."""
    posts = tables.posts.c
    missing = posts.deleted_at.is_(None) & posts.id.not_in(sa.select(_fts.c.rowid))
    count: int = await db.fetch_val(sa.select(sa.func.count()).where(missing))
    return count
