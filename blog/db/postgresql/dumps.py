"""Dumps of a PostgreSQL database: made with `pg_dump`, restored with `pg_restore` to a new database that is then renamed.

Both tools must be installed and not older than the server: Debian's package `postgresql-client`, or the one that has psql.
"""

import contextlib
import datetime as dt
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import sqlalchemy as sa

from blog.db import tables
from blog.db.dumper import DumpInfo
from blog.db.postgresql.connection import WRITE_LOCK_ID
from blog.db.postgresql.errors import explain
from blog.errors import Conflict, Unavailable
from blog.progress import Progress

_CONNECT_TIMEOUT = 10
_DISCONNECT_TIMEOUT = 2
_MAINTENANCE_DATABASE = "postgres"  # the database to connect to while others are created and renamed
_COUNTED_TABLES = ("users", "posts", "comments", "media", "events")
_COPY_STATEMENT = re.compile(rb"COPY (?:\w+\.)?(\w+) \(.*\) FROM stdin;\n")
_IN_USE_MESSAGE = "A server or another program has the database open: stop it first"
Connection = psycopg.Connection[tuple[Any, ...]]


class PostgreSQLDumper:
    """The `blog.db.dumper.DatabaseDumper` of a PostgreSQL database."""

    kind = "postgresql"
    member = "database.pgdump"

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)

    def dump(self, target: Path, while_locked: Callable[[], None], progress: Progress) -> None:
        """Dump a snapshot of the database, which this process keeps open until the dump is complete."""
        with _connect(self._url) as connection, connection.transaction():
            tool = _find_tool("pg_dump", connection.info.server_version)
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            with _connect(self._url) as lock, lock.transaction():
                lock.execute(f"SELECT pg_advisory_xact_lock({WRITE_LOCK_ID})")
                (snapshot,) = connection.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
                while_locked()
            _run_pg_dump(self._url, tool, snapshot, target, progress)

    def inspect(self, copy: Path) -> DumpInfo:
        """Read the whole dump and count its rows. The server checks foreign keys when the dump is restored."""
        counts: Counter[str] = Counter()
        migration: str | None = None
        command = [_find_tool("pg_restore"), "--data-only", "--file=-", str(copy)]
        with tempfile.TemporaryFile() as errors:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:  # noqa: S603 (no shell)
                for table, row in _parse_rows(process.stdout or ()):
                    counts[table] += 1
                    if table == "alembic_version":
                        migration = row.decode().strip()
            errors.seek(0)
            damage = (_last_line(errors.read().decode()),) if process.returncode else ()
        return DumpInfo(migration, {name: counts[name] for name in _COUNTED_TABLES}, damage)

    @contextlib.contextmanager
    def replace(self, *, force: bool) -> Iterator["DatabaseReplacement"]:
        """Prepare a new database on the same server. It is dropped at the end of the block unless it was swapped in."""
        with _connect(self._url.set(database=_MAINTENANCE_DATABASE)) as server, contextlib.ExitStack() as stack:
            exists = _check_replaceable(server, self._url, force=force)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="blog-restore-"))
            replacement = DatabaseReplacement(self._url, server, Path(folder, self.member), exists=exists)
            stack.callback(replacement.clear)
            replacement.clear()
            yield replacement


class DatabaseReplacement:
    """A new database on the same server that will replace the current one."""

    def __init__(self, url: sa.URL, server: Connection, path: Path, *, exists: bool) -> None:
        self._server, self._name, self._exists = server, str(url.database), exists
        self._new_url = url.set(database=f"{self._name[:50]}_restoring")
        self.path, self.url = path, self._new_url.render_as_string(hide_password=False)

    def clear(self) -> None:
        """Drop the new database, also one that an earlier attempt left behind."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", str(self._new_url.database))

    def load(self) -> None:
        """Create the new database from the dump. Raises Unavailable if `pg_restore` fails."""
        tool = _find_tool("pg_restore", self._server.info.server_version)
        self._execute("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", str(self._new_url.database))
        options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
        address, environment = _tool_connection(self._new_url)
        command = [tool, f"--dbname={address}", *options, str(self.path)]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603 (no shell)
        if result.returncode:
            raise Unavailable(f"pg_restore failed, nothing was changed: {_last_line(result.stderr)}")

    def swap(self) -> str | None:
        """Rename both databases in one transaction: a database of the name exists at every instant."""
        for name in (self._name, str(self._new_url.database)):
            if _is_in_use(self._server, name):
                raise Conflict(_IN_USE_MESSAGE)
        old_name = f"{self._name[:40]}_{dt.datetime.now(dt.UTC):%Y%m%d%H%M%S%f}" if self._exists else None
        with self._server.transaction():
            if old_name is not None:
                self._execute("ALTER DATABASE {} RENAME TO {}", self._name, old_name)
            self._execute("ALTER DATABASE {} RENAME TO {}", str(self._new_url.database), self._name)
        return f"the database {old_name}" if old_name else None

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with _translate_errors():
            self._server.execute(psycopg.sql.SQL(statement).format(*map(psycopg.sql.Identifier, names)))


def _check_replaceable(server: Connection, url: sa.URL, *, force: bool) -> bool:
    """Return whether the database exists. Raises Conflict if it is in use or, without `force`, has accounts or posts."""
    if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (url.database,)).fetchone():
        return False
    if _is_in_use(server, str(url.database)):
        raise Conflict(_IN_USE_MESSAGE)
    if not force:
        with _connect(url) as connection:
            if any(_has_rows(connection, name) for name in ("users", "posts")):
                raise Conflict(
                    f"The database {url.database} has accounts or posts: give --force to replace it "
                    "(the old database is renamed, not deleted)"
                )
    return True


def _is_in_use(server: Connection, name: str) -> bool:
    """Return whether a session has the database open for 2 s: the server may notice late that a client has disconnected."""
    until = time.monotonic() + _DISCONNECT_TIMEOUT
    while server.execute("SELECT 1 FROM pg_stat_activity WHERE datname = %s", (name,)).fetchone():
        if time.monotonic() > until:
            return True
        time.sleep(0.05)
    return False


def _has_rows(connection: Connection, table: LiteralString) -> bool:
    exists = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,)
    return exists and connection.execute(psycopg.sql.SQL("SELECT 1 FROM {}").format(psycopg.sql.Identifier(table))).rowcount > 0


@contextlib.contextmanager
def _connect(url: sa.URL) -> Iterator[Connection]:
    """Open a connection in autocommit mode. Raises Unavailable."""
    address = url.render_as_string(hide_password=False)
    with _translate_errors(), psycopg.connect(address, autocommit=True, connect_timeout=_CONNECT_TIMEOUT) as connection:
        yield connection


@contextlib.contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise the driver's errors as Conflict or Unavailable, with advice."""
    try:
        yield
    except psycopg.errors.ObjectInUse as error:
        raise Conflict(_IN_USE_MESSAGE) from error
    except psycopg.Error as error:
        if (advice := explain(error)) is None:
            raise
        raise Unavailable(advice) from error


# pg_dump and pg_restore


def _find_tool(name: str, server: int = 0) -> str:
    """Return the path of a tool. Raises Conflict if it is missing, or older than the version number `server`."""
    path = shutil.which(name)
    if path is None:
        raise Conflict(f"{name} is not installed: install PostgreSQL's client, such as Debian's package postgresql-client")
    output = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 (no shell)
    version = int(match[1]) if (match := re.search(r"\) (\d+)", output)) else 0
    required = server // 10_000
    if version < required:
        raise Conflict(
            f"{name} has version {version} and the server {required}: install postgresql-client-{required}, or add it to PATH"
        )
    return path


def _tool_connection(url: sa.URL) -> tuple[str, dict[str, str]]:
    """Return the URL and the environment for a tool. Other users can see its arguments, so the password is not among them."""
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    return url.set(password=None).render_as_string(hide_password=False), {**os.environ, **password}


def _run_pg_dump(url: sa.URL, tool: str, snapshot: str, target: Path, progress: Progress) -> None:
    address, environment = _tool_connection(url)
    command = [tool, "--format=custom", "--verbose", f"--snapshot={snapshot}", f"--file={target}", f"--dbname={address}"]
    total, done, line = len(tables.metadata.tables) + 2, 0, ""  # the other two are the search index and the migrations
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 (no shell)
        for line in process.stderr or ():
            if line.startswith("pg_dump: dumping contents of table"):
                done += 1
                progress(min(done, total), total)
    if process.returncode:
        raise Unavailable(f"pg_dump failed: {_last_line(line)}")


def _parse_rows(lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the rows in a script of pg_restore, each with its table. A row is one line."""
    table = None
    for line in lines:
        if table is None:
            table = match[1].decode() if (match := _COPY_STATEMENT.fullmatch(line)) else None
        elif line == b"\\.\n":
            table = None
        else:
            yield table, line


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "it gave no reason"
