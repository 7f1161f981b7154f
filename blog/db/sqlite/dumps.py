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

from blog.db.dumps import Contents, Progress
from blog.db.sqlite.backend import path_of
from blog.db.sqlite.errors import advice
from blog.errors import Conflict, Unavailable

_PAGES = 2_000  # a step of 8 MB: then others on this machine get their turn
_PATIENCE = 60.0
_COUNTED = ("users", "posts", "comments", "media", "events")
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file. Left there, it would be taken for a part of the file that comes in its place."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SQLiteSnapshots:
    """See `blog.db.dumps.Snapshots`."""

    kind = "sqlite"
    member = "database.sqlite3"

    def __init__(self, url: str) -> None:
        self._path = Path(path_of(url)).absolute()

    def take(self, target: Path, meanwhile: Callable[[], None], progress: Progress) -> None:
        """Copy the file. Its log grows until that is done, since nothing that the copy still reads is overwritten."""
        with _told(self._path), closing(_open(self._path)) as source, closing(sqlite3.connect(target)) as copy:
            with closing(_open(self._path)) as lock:
                lock.execute("BEGIN IMMEDIATE")
                # Within a transaction that has read, the copy is of this instant; without, each commit of others would make
                # the backup begin again.
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_master")
                meanwhile()
            source.backup(copy, pages=_PAGES, progress=lambda _status, left, all_: progress(all_ - left, all_))

    def inspect(self, copy: Path) -> Contents:
        """Look through the whole file."""
        with _told(copy), closing(_open(copy)) as connection:
            damage = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
            damage += [f"a row of {row[0]} refers to nothing" for row in connection.execute("PRAGMA foreign_key_check")]
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            counts = {name: _count(connection, name) for name in _COUNTED if name in names}
            migration = "SELECT version_num FROM alembic_version"
            row = connection.execute(migration).fetchone() if "alembic_version" in names else None
        return Contents(row[0] if row else None, counts, tuple(damage))

    @contextlib.contextmanager
    def replacing(self, *, force: bool) -> Iterator["FileReplacement"]:
        """Hold the file, so that no server starts on it, until the block ends."""
        replacement = FileReplacement(self._path)
        with _told(self._path), contextlib.ExitStack() as stack:
            if self._path.exists():
                stack.enter_context(_alone(self._path, force=force))
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
        for suffix in ("", *_BESIDE):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def fill(self) -> None:
        """The copy is the database."""

    def swap(self) -> str | None:
        """Two names for the old file, then one rename: at no instant is there no database."""
        if any(Path(f"{self.path}{suffix}").exists() for suffix in _BESIDE):
            raise AssertionError("the copy must be closed before it is put in place")
        kept = self._keep() if self._database.exists() else None
        if kept is not None:
            _own_alike(kept, self.path)
        _sync(self.path)
        os.replace(self.path, self._database)
        _sync(self._database.parent)
        return str(kept) if kept else None

    def _keep(self) -> Path:
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        for number in itertools.count():
            kept = self._database.with_name(f"{self._database.name}.{now}" + (f"-{number}" if number else ""))
            with contextlib.suppress(FileExistsError):
                os.link(self._database, kept)
                break
        for suffix in _BESIDE:  # only a damaged database has them still: SQLite could not bring it to an end
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._database}{suffix}", f"{kept}{suffix}")
        return kept


@contextlib.contextmanager
def _alone(path: Path, *, force: bool) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(closing(_open(path, patience=1)))
        try:
            if not force and _is_used(connection):
                raise Conflict(f"{path} holds accounts or posts: give --force to replace it; it is kept under another name")
            # Only who has the file for himself may end its log, and does so by this.
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise Conflict(f"A server or another program has {path} open: stop it first") from error
            if code not in _DAMAGED:
                raise
            if not force:
                raise Conflict(f"{path} is damaged, or no database: give --force to replace it") from error
            stack.close()
        yield


def _is_used(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('users', 'posts')").fetchall()
    return any(_count(connection, row[0]) for row in found)


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 (names of ours)


def _open(path: Path, patience: float = _PATIENCE) -> sqlite3.Connection:
    """An open connection to a file that is there: SQLite would make an empty one."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=patience, isolation_level=None)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's errors with what to do about them."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if (todo := advice(error)) is None:
            raise
        raise Unavailable(f"{todo} ({path})") from error


def _own_alike(old: Path, new: Path) -> None:
    """The server's user must be able to write to the new file, whoever brings it back."""
    shutil.copymode(old, new)
    with contextlib.suppress(PermissionError):
        os.chown(new, old.stat().st_uid, old.stat().st_gid)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
