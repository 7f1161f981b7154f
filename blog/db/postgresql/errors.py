"""PostgreSQL's errors in the language of the blog, each with what to do about it.

They are told apart by SQLSTATE, which both drivers know: asyncpg of the application and psycopg of the migrations.
"""

import contextlib
import re
from collections.abc import Iterator

import asyncpg

from blog.db.database import UniqueViolation
from blog.errors import MalformedInput, Unavailable

_UNREACHABLE = "The server of the database is gone or restarts: try again; if it stays so, start it"
_BUSY = "The database is busy: try again"
_REFUSED = "The database refuses this user: check name, password and rights in DATABASE_URL"
# By SQLSTATE, the longest beginning first. Any other is a fault in a statement: ours, and nothing that waiting would mend.
_EXPLANATIONS = {
    "57014": "The database took too long: try again; if it stays so, look for what keeps it busy",
    "25006": "The database only reads, it may be a standby: let DATABASE_URL name the primary server",
    "25P03": "The database ended a transaction that did nothing for too long: try again",
    "25P04": "The database ended a transaction that took too long: try again",
    "3D000": "There is no such database: make it by `createdb`, or name another one in DATABASE_URL",
    "42501": "The user of the database may not do this: give it the rights, or make it the owner of the database",
    "53100": "The disk of the database is full: free some space on it",
    "53300": "The database has no connection left: lower DATABASE_POOL_MAX, or raise max_connections of the server",
    "55P03": "Others write to the database for too long: try again",
    "40": _BUSY,
    "08": _UNREACHABLE,
    "53": "The server of the database is short of memory or room: try again; if it stays so, give it more",
    "57P": _UNREACHABLE,
    "58": "The disk of the database fails: try again; if it stays so, check the disk and the server's log",
    "28": _REFUSED,
}
_KEY_COLUMNS = re.compile(r"\(([^,)]+)[^)]*\)=\(")


def explain(error: BaseException | None) -> str | None:
    """What to do about an error of a driver, as a sentence; None when it is a fault in the statement."""
    state = getattr(error, "sqlstate", None)
    if state is None:  # it did not come from the server: the way there is broken
        return f"{_UNREACHABLE} ({error})" if error is not None and str(error) else _UNREACHABLE
    todo = next((_EXPLANATIONS[state[:length]] for length in (5, 3, 2) if state[:length] in _EXPLANATIONS), None)
    return f"{todo} ({error})" if todo else None


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """asyncpg's errors in the language of the blog."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        named = _KEY_COLUMNS.search(error.detail or "")
        raise UniqueViolation(error.table_name or "", named[1].strip('"') if named else "") from error
    except asyncpg.CharacterNotInRepertoireError as error:  # a null byte
        raise MalformedInput("A text holds a character that cannot be kept") from error
    except asyncpg.PostgresError as error:
        if (todo := explain(error)) is None:
            raise
        raise Unavailable(todo) from error
    except TimeoutError as error:
        raise Unavailable(_EXPLANATIONS["57014"]) from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if isinstance(error, ValueError):  # a value, or a setting, that cannot be
            raise
        raise Unavailable(f"{_UNREACHABLE} ({error})") from error
