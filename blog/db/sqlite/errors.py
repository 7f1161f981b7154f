"""Translation of SQLite's errors to domain errors with advice."""

import contextlib
import sqlite3
from collections.abc import Iterator

from blog.db.database import UniqueViolation
from blog.errors import Unavailable

_LOCKED = "The database is locked: try again; if this continues, stop the other process that writes to it"
_DAMAGED = "The database file is damaged, or is not a database: restore a backup"
_FORBIDDEN = "The database cannot be written: give the server's user write access to the file and to its folder"
# By SQLite's primary result code. All other codes are bugs in our statements, which a retry cannot solve.
_EXPLANATIONS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_INTERRUPT: "The database took too long: try again; if this continues, find out what keeps it busy",
    sqlite3.SQLITE_FULL: "The disk of the database is full: free some space on it",
    sqlite3.SQLITE_READONLY: _FORBIDDEN,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: "The database cannot be opened: check that its folder exists and that the server may write to it",
    sqlite3.SQLITE_IOERR: "The disk of the database fails: try again; if this continues, check the disk and the server's log",
    sqlite3.SQLITE_NOMEM: "The server is out of memory: try again; if this continues, add memory",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def explain(error: BaseException | None) -> str | None:
    """Return a sentence that explains an error of SQLite and what to do; None if the error is a bug in the statement."""
    advice = _EXPLANATIONS.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF)
    return f"{advice} ({error})" if advice else None


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Raise the driver's errors as UniqueViolation or Unavailable."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
            table, _, column = str(error).rpartition(": ")[2].split(",")[0].partition(".")
            raise UniqueViolation(table, column) from error
        raise
    except sqlite3.DatabaseError as error:
        if (advice := explain(error)) is None:
            raise
        raise Unavailable(advice) from error
