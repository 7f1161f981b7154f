"""Copy a whole database to an empty SQLite or PostgreSQL database, for `blog copy-database`. All functions block.

The source is read from one snapshot. The target is written in one transaction, which commits only after all rows were read back
and compared: a process that is killed midway leaves an empty database.
"""

import contextlib
import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import sqlalchemy as sa

from blog.db import fulltext, migration, tables
from blog.errors import Conflict
from blog.progress import PartProgress, no_progress

Row = Mapping[str, Any]
_BATCH_SIZE = 500
_LAST_EVENT_ID_KEY = "event_last"
"""The row of `app_metadata` from which PostgreSQL takes the next event id. SQLite has a built-in counter instead."""
_COPIED_TABLES = tuple(table for table in tables.metadata.sorted_tables if table is not tables.app_metadata)


@dataclass(frozen=True, slots=True)
class CopyReport:
    """The result of a copy: rows by table, the time of the snapshot, and whether the source was written to meanwhile."""

    counts: Mapping[str, int]
    taken_at: dt.datetime
    is_outdated: bool


class _RowDigest:
    """A digest of a set of rows that does not depend on their order: each kind of database sorts text differently."""

    def __init__(self) -> None:
        self.row_count, self._sum = 0, 0

    def hash_rows(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows unchanged while counting and hashing them."""
        for row in rows:
            self.row_count += 1
            text = json.dumps(list(row.values()), default=_json_default, sort_keys=True)
            self._sum = (self._sum + int.from_bytes(hashlib.sha256(text.encode()).digest())) % 2**256
            yield row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _RowDigest) and (self.row_count, self._sum) == (other.row_count, other._sum)

    __hash__ = None  # type: ignore[assignment]  # mutable


def copy_database(source: str, target: str, progress: PartProgress = no_progress) -> CopyReport:
    """Copy every row of the database at the URL `source` to the empty database at the URL `target`.

    Ids stay the same, so that links, tokens and cursors of live clients stay valid. Raises Conflict if source or target is not
    suitable, if the target cannot store a row, or if a row reads differently afterwards; Unavailable.
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
    """Require the newest schema of the source, and create it in an empty target. Raises Conflict, Unavailable."""
    if source == target:
        raise Conflict("Source and target are the same database: name an empty database as the target")
    if pending := migration.pending(source):
        raise Conflict(f"The source is not a blog, or lacks migrations ({len(pending)}): run `blog migrate` on it")
    pending = migration.pending(target)
    if pending and pending[0] != migration.base():
        raise Conflict("The target belongs to an older version of the blog: name an empty database")
    migration.upgrade(target)


@contextlib.contextmanager
def _open_source(url: str) -> Iterator[sa.Connection]:
    with migration.connect(url, writing=False) as connection:
        _backend_for(connection).begin_snapshot(connection)
        yield connection


@contextlib.contextmanager
def _open_target(url: str) -> Iterator[sa.Connection]:
    """Open a transaction on a database that no other program uses. Raises Conflict if the target is in use or not empty."""
    backend = _backend_for_url(url)
    backend.require_exclusive_access(url)
    with migration.connect(url) as connection:
        backend.begin_load(connection)
        if used := [table.name for table in _COPIED_TABLES if connection.scalar(sa.select(sa.exists(sa.select(table))))]:
            raise Conflict(f"The target is not empty, it has {', '.join(used[:3])}: name an empty database")
        yield connection


class _Copier:
    def __init__(self, read: sa.Connection, write: sa.Connection, progress: PartProgress) -> None:
        self._source, self._target, self._progress = read, write, progress
        self._total = sum(
            read.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables.metadata.sorted_tables
        )
        self._done = 0

    def run(self) -> dict[str, _RowDigest]:
        """Copy all rows and the search index. Return the digests of the source rows by table."""
        self._target.execute(sa.delete(tables.app_metadata))  # the epoch of the empty event log
        digests = {}
        for table in tables.metadata.sorted_tables:
            digest = digests[table.name] = _RowDigest()
            _backend_for(self._target).insert_rows(
                self._target, table, digest.hash_rows(self._with_progress(_rows(self._source, table)))
            )
        self._copy_search_index()
        backend = _backend_for(self._target)
        backend.reset_sequences(self._target, _backend_for(self._source).last_event_id(self._source))
        backend.check_references(self._target)
        return digests

    def _with_progress(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            yield row
            self._done += 1
            if self._done % _BATCH_SIZE == 0 or self._done == self._total:
                self._progress("Copying", self._done, self._total)

    def _copy_search_index(self) -> None:
        """Copy the texts of the search index; the target derives its own index columns from them."""
        kind = self._target.dialect.name
        table, create_row = fulltext.index_table(kind), fulltext.row_factory(kind)
        rows = _stream(self._source, fulltext.stored_texts(self._source.dialect.name))
        _backend_for(self._target).insert_rows(self._target, table, (create_row(*row.values()) for row in rows))


def _verify_target(write: sa.Connection, digests: Mapping[str, _RowDigest], progress: PartProgress) -> None:
    """Read all rows of the target and compare their digests. Raises Conflict if one differs."""
    total, done = sum(digest.row_count for digest in digests.values()), 0
    for table in tables.metadata.sorted_tables:
        digest = _RowDigest()
        for number, _ in enumerate(digest.hash_rows(_rows(write, table)), done + 1):
            if number % _BATCH_SIZE == 0 or number == total:
                progress("Verifying", number, total)
        done += digest.row_count
        if digest != digests[table.name]:
            raise Conflict(
                f"The rows of {table.name} read differently in the target, nothing was copied: please report this as a bug"
            )


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[Row]:
    """Yield all rows, parents before the rows that refer to them."""
    query = sa.select(table).order_by(*table.primary_key.columns)
    return _stream(
        connection, query.where(tables.app_metadata.c.name != _LAST_EVENT_ID_KEY) if table is tables.app_metadata else query
    )


def _stream(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Row]:
    for row in connection.execute(query.execution_options(yield_per=_BATCH_SIZE)):
        yield row._asdict()


def _fingerprint(connection: sa.Connection) -> Sequence[Any]:
    """Return numbers that change when another process writes: row counts and the last event id."""
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
