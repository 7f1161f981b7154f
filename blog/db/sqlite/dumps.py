"""Copies of an SQLite file: by its online backup to keep one, by renaming to bring it back."""

import contextlib
import datetime as dt
import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from blog.db.dumper import DumpInfo
from blog.db.sqlite.backend import sqlite_path
from blog.db.sqlite.errors import explain
from blog.errors import Conflict, Unavailable
from blog.progress import Progress

_PAGES_PER_STEP = 2_000  # a step of 8 MB: then others on this machine get their turn
_BUSY_TIMEOUT = 60.0
_COUNTED_TABLES = ("users", "posts", "comments", "media", "events")
_SIDE_FILE_SUFFIXES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file. Left there, it would be taken for a part of the file that comes in its place."""
_DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SQLiteDumper:
    """See `blog.db.dumps.Snapshots`."""

    kind = "sqlite"
    member = "database.sqlite3"

    def __init__(self, url: str) -> None:
        self._path = Path(sqlite_path(url)).absolute()

    def dump(self, target: Path, while_locked: Callable[[], None], progress: Progress) -> None:
        """Copy the file. Its log grows until that is done, since nothing that the copy still reads is overwritten."""
        with _translate_errors(self._path), closing(_open(self._path)) as source, closing(sqlite3.connect(target)) as copy:
            with closing(_open(self._path)) as lock:
                lock.execute("BEGIN IMMEDIATE")
                # Within a transaction that has read, the copy is of this instant; without, each commit of others would make
                # the backup begin again.
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_master")
                while_locked()
            source.backup(copy, pages=_PAGES_PER_STEP, progress=lambda _status, left, all_: progress(all_ - left, all_))

    def inspect(self, copy: Path) -> DumpInfo:
        """Look through the whole file."""
        with _translate_errors(copy), closing(_open(copy)) as connection:
            damage = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
            damage += [
                f"a row of {row[0]} refers to a missing row of {row[2]}" for row in connection.execute("PRAGMA foreign_key_check")
            ]
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            counts = {name: _count_rows(connection, name) for name in _COUNTED_TABLES if name in names}
            migration = "SELECT version_num FROM alembic_version"
            row = connection.execute(migration).fetchone() if "alembic_version" in names else None
        return DumpInfo(row[0] if row else None, counts, tuple(damage))

    @contextlib.contextmanager
    def replace(self, *, force: bool) -> Iterator["FileReplacement"]:
        """Hold the file, so that no server starts on it, until the block ends."""
        replacement = FileReplacement(self._path)
        with _translate_errors(self._path), contextlib.ExitStack() as stack:
            if self._path.exists():
                stack.enter_context(_exclusive_access(self._path, force=force))
            stack.callback(replacement.clear)
            replacement.clear()
            yield replacement


class FileReplacement:
    """A file beside the database, until it takes its place."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self.path = database.with_name(f"{database.name}.restoring")
        self.url = f"sqlite:///{self.path}"

    def clear(self) -> None:
        """Remove the copy, also one that an earlier attempt left behind."""
        for suffix in ("", *_SIDE_FILE_SUFFIXES):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def load(self) -> None:
        """The copy is the database."""

    def swap(self) -> str | None:
        """Two names for the old file, then one rename: at no instant is there no database."""
        if any(Path(f"{self.path}{suffix}").exists() for suffix in _SIDE_FILE_SUFFIXES):
            raise AssertionError("the copy must be closed before it is put in place")
        kept = self._preserve_old_file() if self._database.exists() else None
        if kept is not None:
            _copy_ownership(kept, self.path)
        _fsync(self.path)
        os.replace(self.path, self._database)
        _fsync(self._database.parent)
        return str(kept) if kept else None

    def _preserve_old_file(self) -> Path:
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        for number in itertools.count():
            kept = self._database.with_name(f"{self._database.name}.{now}" + (f"-{number}" if number else ""))
            with contextlib.suppress(FileExistsError):
                os.link(self._database, kept)
                break
        for suffix in _SIDE_FILE_SUFFIXES:  # only a damaged database has them still: SQLite could not bring it to an end
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._database}{suffix}", f"{kept}{suffix}")
        return kept


@contextlib.contextmanager
def _exclusive_access(path: Path, *, force: bool) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(closing(_open(path, timeout=1)))
        try:
            if not force and _has_content(connection):
                raise Conflict(f"{path} has accounts or posts: give --force to replace it (the old file is renamed, not deleted)")
            # Only who has the file for himself may end its log, and does so by this.
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise Conflict(f"A server or another program has {path} open: stop it first") from error
            if code not in _DAMAGE_CODES:
                raise
            if not force:
                raise Conflict(f"{path} is damaged or is not a database: give --force to replace it") from error
            stack.close()
        yield


def _has_content(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('users', 'posts')").fetchall()
    return any(_count_rows(connection, row[0]) for row in found)


def _count_rows(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 (names of ours)


def _open(path: Path, timeout: float = _BUSY_TIMEOUT) -> sqlite3.Connection:
    """An open connection to a file that is there: SQLite would make an empty one."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=timeout, isolation_level=None)


@contextlib.contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """SQLite's errors with what to do about them."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if (todo := explain(error)) is None:
            raise
        raise Unavailable(f"{todo} ({path})") from error


def _copy_ownership(old: Path, new: Path) -> None:
    """The server's user must be able to write to the new file, whoever brings it back."""
    shutil.copymode(old, new)
    with contextlib.suppress(PermissionError):
        os.chown(new, old.stat().st_uid, old.stat().st_gid)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
