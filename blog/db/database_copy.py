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
_BATCH = 500
_COUNTER = "event_last"
"""The fact by which PostgreSQL gives no event's id twice; SQLite has a counter of its own for that."""
_TAKEN = tuple(table for table in tables.metadata.sorted_tables if table is not tables.facts)


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied: rows by table, how the source was at `taken_at`, and whether others wrote to it meanwhile."""

    counts: Mapping[str, int]
    taken_at: dt.datetime
    is_outdated: bool


class _Digest:
    """A number that tells two sets of rows apart, in whatever order they come: databases sort texts each in its own way."""

    def __init__(self) -> None:
        self.rows, self._sum = 0, 0

    def told(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, counted and hashed."""
        for row in rows:
            self.rows += 1
            text = json.dumps(list(row.values()), default=_plain, sort_keys=True)
            self._sum = (self._sum + int.from_bytes(hashlib.sha256(text.encode()).digest())) % 2**256
            yield row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Digest) and (self.rows, self._sum) == (other.rows, other._sum)

    __hash__ = None  # type: ignore[assignment]  # it changes


def copy(source: str, target: str, progress: Progress = lambda _part, _done, _total: None) -> CopyReport:
    """Copy every row of `source` to `target`, which has no content yet; both are addresses as in DATABASE_URL.

    Ids stay, so that addresses, tokens and cursors of live clients go on. Raises Conflict when one of them is not fit for it,
    when a row cannot be kept there, or when what was written reads differently; Unavailable.
    """
    _make_alike(source, target)
    with _reading(source) as read, _writing(target) as write:
        taken_at = dt.datetime.now(dt.UTC)
        state = _state(read)
        digests = _Copy(read, write, progress).run()
        _read_back(write, digests, progress)
    with _reading(source) as later:
        is_outdated = _state(later) != state
    return CopyReport({name: digest.rows for name, digest in digests.items()}, taken_at, is_outdated)


def _make_alike(source: str, target: str) -> None:
    """Both at the newest schema; a database in which there is nothing at all gets it."""
    if source == target:
        raise Conflict("Source and target are the same database")
    if todo := migration.pending(source):
        raise Conflict(f"The source lacks {len(todo)} migrations, or is no blog: run `blog migrate` on it")
    todo = migration.pending(target)
    if todo and todo[0] != migration.oldest():
        raise Conflict("The target is of an older version of the blog: name an empty database")
    migration.upgrade(target)


@contextlib.contextmanager
def _reading(url: str) -> Iterator[sa.Connection]:
    with migration.connected(url, writing=False) as connection:
        _kind(connection).begin_snapshot(connection)
        yield connection


@contextlib.contextmanager
def _writing(url: str) -> Iterator[sa.Connection]:
    """A transaction that nobody else sees or disturbs."""
    kind = _kind_of(url)
    kind.refuse_shared(url)
    with migration.connected(url) as connection:
        kind.begin_filling(connection)
        if used := [table.name for table in _TAKEN if connection.scalar(sa.select(sa.exists(sa.select(table))))]:
            raise Conflict(f"The target is not empty, it has {', '.join(used[:3])}: name an empty database")
        yield connection


class _Copy:
    def __init__(self, read: sa.Connection, write: sa.Connection, progress: Progress) -> None:
        self._read, self._write, self._progress = read, write, progress
        self._total = sum(
            read.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables.metadata.sorted_tables
        )
        self._done = 0

    def run(self) -> dict[str, _Digest]:
        """All of it; the digests of what was read, by table."""
        self._write.execute(sa.delete(tables.facts))  # the epoch of a log in which nothing ever was
        digests = {}
        for table in tables.metadata.sorted_tables:
            digest = digests[table.name] = _Digest()
            _kind(self._write).fill(self._write, table, digest.told(self._counted(_rows(self._read, table))))
        self._fill_index()
        kind = _kind(self._write)
        kind.count_on(self._write, _kind(self._read).last_event(self._read))
        kind.check_references(self._write)
        return digests

    def _counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            yield row
            self._done += 1
            if self._done % _BATCH == 0 or self._done == self._total:
                self._progress("Copying", self._done, self._total)

    def _fill_index(self) -> None:
        """The texts of the search index stay as they are; what each database makes of them is its own."""
        table, made = fulltext.table(self._write.dialect.name), fulltext.maker(self._write.dialect.name)
        rows = _stream(self._read, fulltext.texts(self._read.dialect.name))
        _kind(self._write).fill(self._write, table, (made(*row.values()) for row in rows))


def _read_back(write: sa.Connection, digests: Mapping[str, _Digest], progress: Progress) -> None:
    total, done = sum(digest.rows for digest in digests.values()), 0
    for table in tables.metadata.sorted_tables:
        found = _Digest()
        for number, _ in enumerate(found.told(_rows(write, table)), done + 1):
            if number % _BATCH == 0 or number == total:
                progress("Checking", number, total)
        done += found.rows
        if found != digests[table.name]:
            raise Conflict(f"The rows of {table.name} read differently in the target: nothing was kept there; tell us of it")


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[Row]:
    """All rows, those first that others refer to."""
    query = sa.select(table).order_by(*table.primary_key.columns)
    return _stream(connection, query.where(tables.facts.c.name != _COUNTER) if table is tables.facts else query)


def _stream(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Row]:
    for row in connection.execute(query.execution_options(yield_per=_BATCH)):
        yield row._asdict()


def _state(connection: sa.Connection) -> Sequence[Any]:
    """What others change when they write: rows, or the log."""
    counts = [connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in _TAKEN]
    return [*counts, _kind(connection).last_event(connection)]


def _kind(connection: sa.Connection) -> Any:
    return _module(connection.dialect.name)


def _kind_of(url: str) -> Any:
    return _module(url.partition(":")[0])


def _module(name: str) -> ModuleType:
    if name == "sqlite":
        from blog.db.sqlite import database_copy as sqlite

        return sqlite
    from blog.db.postgresql import database_copy as postgresql

    return postgresql


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value.isoformat())
