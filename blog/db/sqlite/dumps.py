"""Dumps of an SQLite file: made with SQLite's online backup, restored by renaming."""

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

_PAGES_PER_STEP = 2_000  # 8 MB per step; between steps other processes can use the disk
_BUSY_TIMEOUT = 60.0
_COUNTED_TABLES = ("users", "posts", "comments", "media", "events")
_SIDE_FILE_SUFFIXES = ("-wal", "-shm", "-journal")
"""Files that SQLite keeps next to a database. If they stayed, SQLite would apply them to the new file of the same name."""
_DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SQLiteDumper:
    """The `blog.db.dumper.DatabaseDumper` of an SQLite file."""

    kind = "sqlite"
    member = "database.sqlite3"

    def __init__(self, url: str) -> None:
        self._path = Path(sqlite_path(url)).absolute()

    def dump(self, target: Path, while_locked: Callable[[], None], progress: Progress) -> None:
        """Copy the file. Its write-ahead log grows meanwhile, because pages that the copy still needs are not overwritten."""
        with _translate_errors(self._path), closing(_open(self._path)) as source, closing(sqlite3.connect(target)) as copy:
            with closing(_open(self._path)) as lock:
                lock.execute("BEGIN IMMEDIATE")
                # In a transaction that has read, the copy is of this instant. Without one, each commit of another connection
                # would restart the backup.
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_master")
                while_locked()
            source.backup(copy, pages=_PAGES_PER_STEP, progress=lambda _status, left, all_: progress(all_ - left, all_))

    def inspect(self, copy: Path) -> DumpInfo:
        """Check the whole file for damage and count its rows."""
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
        """Lock the file until the block ends, so that no server starts on it, and prepare a replacement."""
        replacement = FileReplacement(self._path)
        with _translate_errors(self._path), contextlib.ExitStack() as stack:
            if self._path.exists():
                stack.enter_context(_exclusive_access(self._path, force=force))
            stack.callback(replacement.clear)
            replacement.clear()
            yield replacement


class FileReplacement:
    """A file in the folder of the database that will replace it."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self.path = database.with_name(f"{database.name}.restoring")
        self.url = f"sqlite:///{self.path}"

    def clear(self) -> None:
        """Remove the new file, also one that an earlier attempt left behind."""
        for suffix in ("", *_SIDE_FILE_SUFFIXES):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def load(self) -> None:
        """Do nothing: the dump is a database file."""

    def swap(self) -> str | None:
        """Link the old file under a second name, then rename the new file over it: a database exists at every instant."""
        if any(Path(f"{self.path}{suffix}").exists() for suffix in _SIDE_FILE_SUFFIXES):
            raise AssertionError("close the new database before it replaces the old one")
        old_file = self._preserve_old_file() if self._database.exists() else None
        if old_file is not None:
            _copy_ownership(old_file, self.path)
        _fsync(self.path)
        os.replace(self.path, self._database)
        _fsync(self._database.parent)
        return str(old_file) if old_file else None

    def _preserve_old_file(self) -> Path:
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        for number in itertools.count():
            old_file = self._database.with_name(f"{self._database.name}.{now}" + (f"-{number}" if number else ""))
            with contextlib.suppress(FileExistsError):
                os.link(self._database, old_file)
                break
        for suffix in _SIDE_FILE_SUFFIXES:  # left only if the database is damaged, so that SQLite could not close it cleanly
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._database}{suffix}", f"{old_file}{suffix}")
        return old_file


@contextlib.contextmanager
def _exclusive_access(path: Path, *, force: bool) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(closing(_open(path, timeout=1)))
        try:
            if not force and _has_content(connection):
                raise Conflict(f"{path} has accounts or posts: give --force to replace it (the old file is renamed, not deleted)")
            # Leaving WAL mode removes the log, and needs exclusive access.
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
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('users', 'posts')"
    return any(_count_rows(connection, row[0]) for row in connection.execute(query).fetchall())


def _count_rows(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 (constant table names)


def _open(path: Path, timeout: float = _BUSY_TIMEOUT) -> sqlite3.Connection:
    """Open an existing file. By default SQLite would create an empty file if it is missing."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=timeout, isolation_level=None)


@contextlib.contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as Unavailable, with advice."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if (advice := explain(error)) is None:
            raise
        raise Unavailable(f"{advice} ({path})") from error


def _copy_ownership(old: Path, new: Path) -> None:
    """Copy mode and owner: the server's user must be able to write to the new file, even if another user restores it."""
    shutil.copymode(old, new)
    with contextlib.suppress(PermissionError):
        os.chown(new, old.stat().st_uid, old.stat().st_gid)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
