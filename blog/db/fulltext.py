"""The full-text index of posts, with the same results on both databases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import anyio.to_thread
import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.db.database import Database
from blog.db.postgresql import fulltext as postgresql
from blog.db.search_query import SearchTerm, parse_terms
from blog.db.snippets import Snippet, TextSpan, build_snippet
from blog.db.sqlite import fulltext as sqlite
from blog.db.tokenizer import index_words, mark_words, normalize, tokenize

__all__ = [
    "IndexEntry",
    "IndexedText",
    "Search",
    "SearchShape",
    "Snippet",
    "TextSpan",
    "add",
    "expected_entry",
    "index",
    "index_table",
    "index_text",
    "is_consistent",
    "match_posts",
    "orphans",
    "parse",
    "rebuild",
    "remove",
    "replace_names",
    "row_factory",
    "snippets",
    "stored_entries",
    "stored_texts",
]

_ENGINES = {"sqlite": sqlite, "postgresql": postgresql}
_MAX_INLINE_CHARS = 20_000  # texts up to this length are split in less than 20 ms, and the change to a thread takes longer


class IndexedText(NamedTuple):
    """A text with marked word starts, and its words."""

    marked: str
    words: str


class IndexEntry(NamedTuple):
    """A post in the index: title, text with marked word starts, and the words of title, names and text.

    The names are those of the tags and of the authors.
    """

    title: str
    body: str
    title_words: str
    names_words: str
    body_words: str


def index_text(text: str) -> IndexedText:
    """Split a text into words. Takes some 5 µs per word, so do it before a transaction."""
    text = normalize(text)
    words = list(tokenize(text))
    return IndexedText(mark_words(text, words), index_words(words))


async def index(db: Database, post_id: int, *, title: str, names: str, body: IndexedText) -> None:
    """Add or replace a post in the index. Call it inside the transaction that writes the post."""
    await remove(db, post_id)
    await add(db, post_id, title=title, names=names, body=body)


async def add(db: Database, post_id: int, *, title: str, names: str, body: IndexedText) -> None:
    """Add a post that is not in the index yet. Call it inside the transaction that writes the post."""
    engine = _ENGINES[db.kind]

    def create_row() -> dict[str, Any]:
        row: dict[str, Any] = engine.index_row(post_id, *expected_entry(title, names, body))
        return row

    await engine.insert(db, create_row() if len(body.words) <= _MAX_INLINE_CHARS else await anyio.to_thread.run_sync(create_row))


async def replace_names(db: Database, names: Mapping[int, str]) -> None:
    """Replace the names of tags and authors in the index. Call it inside the transaction that changes them.

    names: the names of each post, by its id.
    """
    engine = _ENGINES[db.kind]
    for post_id, entry in (await stored_entries(db, list(names))).items():
        await engine.remove(db, post_id)
        await engine.insert(db, engine.index_row(post_id, *entry._replace(names_words=index_text(names[post_id]).words)))


async def remove(db: Database, post_id: int) -> None:
    """Remove a post from the index."""
    await _ENGINES[db.kind].remove(db, post_id)


@dataclass(frozen=True, slots=True)
class SearchShape:
    """The part of a search that determines the text of its queries. Searches of equal shape share a prepared query."""

    kind: str
    parts: Any

    def matches(self) -> sa.Select[Any]:
        """Return the query for the matching posts: columns `post_id` and `rank` (smaller is better)."""
        query: sa.Select[Any] = _ENGINES[self.kind].match_query(self.parts)
        return query

    def newest(self, limit: sa.BindParameter[int], is_visible: sa.ColumnElement[bool]) -> sa.Subquery:
        """Return the newest `limit` matching posts for which `is_visible` is true.

        The limit exists because ranking a post takes longer than finding it.
        """
        post_id = self.post_id
        visible = self.matches().join(tables.posts, tables.posts.c.id == post_id).where(is_visible)
        return visible.order_by(post_id.desc()).limit(limit).subquery("matches")

    def texts(self, ids: Sequence[int | sa.BindParameter[int]]) -> sa.Select[Any]:
        """Return the query for the texts from which `snippets` are cut."""
        table = _ENGINES[self.kind].TABLE.c
        return sa.select(self.post_id.label("post_id"), table.title, table.body, table.body_words).where(self.post_id.in_(ids))

    @property
    def post_id(self) -> sa.ColumnElement[int]:
        """The column of the index with the ids of posts."""
        column: sa.ColumnElement[int] = _ENGINES[self.kind].POST_ID
        return column


@dataclass(frozen=True, slots=True)
class Search:
    """A search: its terms, the shape of its queries, and the values of their parameters."""

    terms: Sequence[SearchTerm]
    shape: SearchShape
    values: Mapping[str, str]


def parse(db: Database, text: str) -> Search | None:
    """Return the search for a text, or None if it has no word."""
    terms, engine = parse_terms(text), _ENGINES[db.kind]
    return Search(terms, SearchShape(db.kind, engine.match_shape(terms)), engine.match_values(terms)) if terms else None


def match_posts(db: Database, text: str) -> sa.Subquery | None:
    """Return the matching posts: columns `post_id` and `rank` (smaller is better). None if the query has no word."""
    search = parse(db, text)
    return search.shape.matches().params(search.values).subquery("matches") if search else None


async def snippets(search: Search, rows: Sequence[Record]) -> dict[int, Snippet]:
    """Return the snippets of posts by id, from the rows of `SearchShape.texts`. Reads all of the texts."""
    texts = [tuple(row[name] for name in ("post_id", "title", "body", "body_words")) for row in rows]
    if sum(len(body) for _, _, body, _ in texts) <= _MAX_INLINE_CHARS:
        return _build_snippets(texts, search.terms)
    return await anyio.to_thread.run_sync(_build_snippets, texts, search.terms)


def _build_snippets(rows: Sequence[tuple[Any, ...]], terms: Sequence[SearchTerm]) -> dict[int, Snippet]:
    return {post_id: build_snippet(title, body, words, terms) for post_id, title, body, words in rows}


async def stored_entries(db: Database, ids: Sequence[int]) -> dict[int, IndexEntry]:
    """Return the index entries of these posts, to compare them with `expected_entry`."""
    rows = await db.fetch_all(stored_texts(db.kind).where(_ENGINES[db.kind].POST_ID.in_(list(ids))))
    return {row["post_id"]: IndexEntry(*(row[name] for name in IndexEntry._fields)) for row in rows}


def expected_entry(title: str, names: str, body: IndexedText) -> IndexEntry:
    """Return the index entry that a post should have."""
    return IndexEntry(normalize(title), body.marked, index_text(title).words, index_text(names).words, body.words)


async def orphans(db: Database) -> list[int]:
    """Return the ids of index entries without a post, or with a deleted one."""
    posts, post_id = tables.posts.c, _ENGINES[db.kind].POST_ID
    living = sa.select(posts.id).where(posts.deleted_at.is_(None))
    return [row["post_id"] for row in await db.fetch_all(sa.select(post_id.label("post_id")).where(post_id.not_in(living)))]


async def is_consistent(db: Database) -> bool:
    """Return whether the index is consistent with its own words. Reads all of it."""
    result: bool = await _ENGINES[db.kind].is_consistent(db)
    return result


async def rebuild(db: Database) -> None:
    """Rebuild the index from the words that it contains."""
    await _ENGINES[db.kind].rebuild(db)


# For `database_copy`


def stored_texts(kind: str) -> sa.Select[Any]:
    """Return a query for all index entries of a kind of database: `post_id` and the fields of `IndexEntry`."""
    post_id, columns = _ENGINES[kind].POST_ID, _ENGINES[kind].TABLE.c
    return sa.select(post_id.label("post_id"), *(columns[name] for name in IndexEntry._fields)).order_by(post_id)


def index_table(kind: str) -> sa.TableClause:
    """Return the table of the index in a kind of database."""
    table: sa.TableClause = _ENGINES[kind].TABLE
    return table


def row_factory(kind: str) -> Callable[..., dict[str, Any]]:
    """Return the function that creates a row of `index_table` from a post id and the fields of `IndexEntry`."""
    factory: Callable[..., dict[str, Any]] = _ENGINES[kind].index_row
    return factory
