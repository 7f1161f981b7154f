"""SQLite's errors in the language of the blog, each with what to do about it."""

import contextlib
import sqlite3
from collections.abc import Iterator

from blog.db.database import UniqueViolation
from blog.errors import Unavailable

_LOCKED = "The database is locked: try again; if it stays so, end the other process that writes to it"
_DAMAGED = "The file of the database is damaged, or is not a database: restore a backup"
_FORBIDDEN = "The database cannot be written: let the server's user write to the file and to its folder"
# By SQLite's primary result codes. Any other is a fault in a statement: ours, and nothing that waiting would mend.
_EXPLANATIONS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_INTERRUPT: "The database took too long: try again; if it stays so, look for what keeps it busy",
    sqlite3.SQLITE_FULL: "The disk of the database is full: free some space on it",
    sqlite3.SQLITE_READONLY: _FORBIDDEN,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: "The database cannot be opened: check that its folder exists and that the server may write to it",
    sqlite3.SQLITE_IOERR: "The disk of the database fails: try again; if it stays so, check the disk and the server's log",
    sqlite3.SQLITE_NOMEM: "The server is short of memory: try again; if it stays so, give it more",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def explain(error: BaseException | None) -> str | None:
    """What to do about an error of SQLite, as a sentence; None when it is a fault in the statement."""
    todo = _EXPLANATIONS.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF)
    return f"{todo} ({error})" if todo else None


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """The driver's errors in the language of the blog."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"):
            table, _, column = str(error).rpartition(": ")[2].split(",")[0].partition(".")
            raise UniqueViolation(table, column) from error
        raise
    except sqlite3.DatabaseError as error:
        if (todo := explain(error)) is None:
            raise
        raise Unavailable(todo) from error
