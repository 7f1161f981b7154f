"""Translation of PostgreSQL's errors to domain errors with advice.

Errors are recognised by SQLSTATE, which both drivers have: asyncpg of the application and psycopg of the migrations.
"""

import contextlib
import re
from collections.abc import Iterator

import asyncpg

from blog.db.database import UniqueViolation
from blog.errors import MalformedInput, Unavailable

_UNREACHABLE = "The database server is down or restarting: try again; if this continues, start it"
_BUSY = "The database is busy: try again"
_REFUSED = "The database refuses this user: check name, password and privileges in DATABASE_URL"
# By the first characters of the SQLSTATE, the longest match first. All others are bugs in our statements, which a retry
# cannot solve.
_EXPLANATIONS = {
    "57014": "The database took too long: try again; if this continues, find out what keeps it busy",
    "25006": "The database is read-only, it may be a standby: let DATABASE_URL name the primary server",
    "25P03": "The database ended a transaction that was idle for too long: try again",
    "25P04": "The database ended a transaction that took too long: try again",
    "3D000": "The database does not exist: create it with `createdb`, or name another one in DATABASE_URL",
    "42501": "The database user lacks a privilege: grant it, or make the user the owner of the database",
    "53100": "The disk of the database is full: free some space on it",
    "53300": "The database has no free connections: lower DATABASE_POOL_MAX, or raise max_connections of the server",
    "55P03": "Other processes write to the database for too long: try again",
    "40": _BUSY,
    "08": _UNREACHABLE,
    "53": "The database server is out of memory or disk space: try again; if this continues, add more",
    "57P": _UNREACHABLE,
    "58": "The disk of the database fails: try again; if this continues, check the disk and the server's log",
    "28": _REFUSED,
}
_KEY_COLUMNS = re.compile(r"\(([^,)]+)[^)]*\)=\(")


def explain(error: BaseException | None) -> str | None:
    """Return a sentence that explains a driver's error and what to do; None if the error is a bug in the statement."""
    state = getattr(error, "sqlstate", None)
    if state is None:  # the error did not come from the server: the connection failed
        return f"{_UNREACHABLE} ({error})" if error is not None and str(error) else _UNREACHABLE
    advice = next((_EXPLANATIONS[state[:length]] for length in (5, 3, 2) if state[:length] in _EXPLANATIONS), None)
    return f"{advice} ({error})" if advice else None


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Raise asyncpg's errors as UniqueViolation, MalformedInput or Unavailable."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        match = _KEY_COLUMNS.search(error.detail or "")
        raise UniqueViolation(error.table_name or "", match[1].strip('"') if match else "") from error
    except asyncpg.CharacterNotInRepertoireError as error:  # a null byte
        raise MalformedInput("The text contains a character that cannot be stored: remove it") from error
    except asyncpg.PostgresError as error:
        if (advice := explain(error)) is None:
            raise
        raise Unavailable(advice) from error
    except TimeoutError as error:
        raise Unavailable(_EXPLANATIONS["57014"]) from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if isinstance(error, ValueError):  # an invalid value or option: a bug
            raise
        raise Unavailable(f"{_UNREACHABLE} ({error})") from error
