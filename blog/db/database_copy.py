"""Moves a whole database into another one that is empty, of the same kind or not. Blocks: it is for commands.

What is read is one snapshot. What is written is one transaction, which ends only when all of it was read back and found alike:
whoever is stopped midway has an empty database.
"""

import contextlib
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import sqlalchemy as sa

from blog.db import fulltext, migration, tables
from blog.errors import Conflict

Progress = Callable[[str, int, int], None]
"""Is told which part is being done, how many rows of it are done, and how many there are."""
Row = Mapping[str, Any]
_BATCH_SIZE = 500
_LAST_EVENT_ID_KEY = "event_last"
"""The fact by which PostgreSQL gives no event's id twice; SQLite has a counter of its own for that."""
_COPIED_TABLES = tuple(table for table in tables.metadata.sorted_tables if table is not tables.app_metadata)


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied: rows by table, how the source was at `taken_at`, and whether others wrote to it meanwhile."""

    counts: Mapping[str, int]
    taken_at: dt.datetime
    is_outdated: bool


class _RowDigest:
    """A number that tells two sets of rows apart, in whatever order they come: databases sort texts each in its own way."""

    def __init__(self) -> None:
        self.row_count, self._sum = 0, 0

    def hash_rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, counted and hashed."""
        for row in rows:
            self.row_count += 1
            text = json.dumps(list(row.values()), default=_json_default, sort_keys=True)
            self._sum = (self._sum + int.from_bytes(hashlib.sha256(text.encode()).digest())) % 2**256
            yield row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _RowDigest) and (self.row_count, self._sum) == (other.row_count, other._sum)

    __hash__ = None  # type: ignore[assignment]  # it changes


def copy_database(source: str, target: str, progress: Progress = lambda _part, _done, _total: None) -> CopyReport:
    """Copy every row of `source` to `target`, which has no content yet; both are addresses as in DATABASE_URL.

    Ids stay, so that addresses, tokens and cursors of live clients go on. Raises Conflict when one of them is not fit for it,
    when a row cannot be kept there, or when what was written reads differently; Unavailable.
    """
    _match_schemas(source, target)
    with _open_source(source) as read, _open_target(target) as write:
        taken_at = dt.datetime.now(dt.UTC)
        state = _fingerprint(read)
        digests = _Copier(read, write, progress).run()
        _verify_target(write, digests, progress)
    with _open_source(source) as later:
        is_outdated = _fingerprint(later) != state
    return CopyReport({name: digest.row_count for name, digest in digests.items()}, taken_at, is_outdated)


def _match_schemas(source: str, target: str) -> None:
    """Both at the newest schema; a database in which there is nothing at all gets it."""
    if source == target:
        raise Conflict("Source and target are the same database")
    if todo := migration.pending(source):
        raise Conflict(f"The source lacks {len(todo)} migrations, or is no blog: run `blog migrate` on it")
    todo = migration.pending(target)
    if todo and todo[0] != migration.base():
        raise Conflict("The target is of an older version of the blog: name an empty database")
    migration.upgrade(target)


@contextlib.contextmanager
def _open_source(url: str) -> Iterator[sa.Connection]:
    with migration.connect(url, writing=False) as connection:
        _backend_for(connection).begin_snapshot(connection)
        yield connection


@contextlib.contextmanager
def _open_target(url: str) -> Iterator[sa.Connection]:
    """A transaction that nobody else sees or disturbs."""
    kind = _backend_for_url(url)
    kind.require_exclusive_access(url)
    with migration.connect(url) as connection:
        kind.begin_load(connection)
        if used := [table.name for table in _COPIED_TABLES if connection.scalar(sa.select(sa.exists(sa.select(table))))]:
            raise Conflict(f"The target is not empty, it has {', '.join(used[:3])}: name an empty database")
        yield connection


class _Copier:
    def __init__(self, read: sa.Connection, write: sa.Connection, progress: Progress) -> None:
        self._source, self._target, self._progress = read, write, progress
        self._total = sum(
            read.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables.metadata.sorted_tables
        )
        self._done = 0

    def run(self) -> dict[str, _RowDigest]:
        """All of it; the digests of what was read, by table."""
        self._target.execute(sa.delete(tables.app_metadata))  # the epoch of a log in which nothing ever was
        digests = {}
        for table in tables.metadata.sorted_tables:
            digest = digests[table.name] = _RowDigest()
            _backend_for(self._target).insert_rows(
                self._target, table, digest.hash_rows(self._with_progress(_rows(self._source, table)))
            )
        self._copy_search_index()
        kind = _backend_for(self._target)
        kind.reset_sequences(self._target, _backend_for(self._source).last_event_id(self._source))
        kind.check_references(self._target)
        return digests

    def _with_progress(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            yield row
            self._done += 1
            if self._done % _BATCH_SIZE == 0 or self._done == self._total:
                self._progress("Copying", self._done, self._total)

    def _copy_search_index(self) -> None:
        """The texts of the search index stay as they are; what each database makes of them is its own."""
        table, made = fulltext.index_table(self._target.dialect.name), fulltext.row_factory(self._target.dialect.name)
        rows = _stream(self._source, fulltext.stored_texts(self._source.dialect.name))
        _backend_for(self._target).insert_rows(self._target, table, (made(*row.values()) for row in rows))


def _verify_target(write: sa.Connection, digests: Mapping[str, _RowDigest], progress: Progress) -> None:
    total, done = sum(digest.row_count for digest in digests.values()), 0
    for table in tables.metadata.sorted_tables:
        found = _RowDigest()
        for number, _ in enumerate(found.hash_rows(_rows(write, table)), done + 1):
            if number % _BATCH_SIZE == 0 or number == total:
                progress("Checking", number, total)
        done += found.row_count
        if found != digests[table.name]:
            raise Conflict(f"The rows of {table.name} read differently in the target: nothing was kept there; tell us of it")


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[Row]:
    """All rows, those first that others refer to."""
    query = sa.select(table).order_by(*table.primary_key.columns)
    return _stream(
        connection, query.where(tables.app_metadata.c.name != _LAST_EVENT_ID_KEY) if table is tables.app_metadata else query
    )


def _stream(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Row]:
    for row in connection.execute(query.execution_options(yield_per=_BATCH_SIZE)):
        yield row._asdict()


def _fingerprint(connection: sa.Connection) -> Sequence[Any]:
    """What others change when they write: rows, or the log."""
    counts = [connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in _COPIED_TABLES]
    return [*counts, _backend_for(connection).last_event_id(connection)]


def _backend_for(connection: sa.Connection) -> Any:
    return _backend_module(connection.dialect.name)


def _backend_for_url(url: str) -> Any:
    return _backend_module(url.partition(":")[0])


def _backend_module(name: str) -> ModuleType:
    if name == "sqlite":
        from blog.db.sqlite import database_copy as sqlite

        return sqlite
    from blog.db.postgresql import database_copy as postgresql

    return postgresql


def _json_default(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value.isoformat())
