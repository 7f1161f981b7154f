"""The migrated schema is the tables', whoever migrates and however many at once."""

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from blog.db import migration
from blog.db.sqlite import fulltext
from blog.errors import Unavailable


def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_migrated_schema_equals_the_tables(database_url):
    migration.check(database_url)
    assert migration.pending(database_url) == []


def test_fresh_file_lacks_every_revision_and_a_second_run_does_nothing(tmp_path):
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert migration.pending(url)[0] == "0001"
    migration.upgrade(url)
    before = (tmp_path / "new.db").read_bytes()
    migration.upgrade(url)
    assert (tmp_path / "new.db").read_bytes() == before


def test_downgrade_leaves_nothing_behind(tmp_path):
    url = f"sqlite:///{tmp_path / 'new.db'}"
    migration.upgrade(url)
    migration.downgrade(url, "base")
    tables = ask(tmp_path / "new.db", "SELECT name FROM sqlite_master WHERE type = 'table'")
    assert {name for (name,) in tables} <= {"alembic_version", "sqlite_sequence"}


def test_four_processes_migrate_one_file_at_once(tmp_path):
    url = f"sqlite:///{tmp_path / 'new.db'}"
    program = "import sys; from blog.db import migration; migration.upgrade(sys.argv[1])"
    started = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    migration.check(url)
    assert ask(tmp_path / "new.db", "SELECT count(*) FROM facts WHERE name = 'event_epoch'") == [(1,)]


def test_migration_that_fails_leaves_no_trace(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'new.db'}"

    def fail(*_args, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr("alembic.op.bulk_insert", fail)
    with pytest.raises(ZeroDivisionError):
        migration.upgrade(url)
    assert ask(tmp_path / "new.db", "SELECT name FROM sqlite_master") == []


def test_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(Unavailable, match=r"nowhere/blog\.db"):
        migration.upgrade(f"sqlite:///{tmp_path}/nowhere/blog.db")


def test_asking_what_is_pending_makes_no_file(tmp_path):
    assert migration.pending(f"sqlite:///{tmp_path / 'new.db'}")[:1] == ["0001"]
    assert list(tmp_path.iterdir()) == []


def test_asking_what_is_pending_does_not_wait_for_a_writer(database_url):
    holder = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert migration.pending(database_url) == []
    holder.execute("ROLLBACK")
    holder.close()


def test_migrated_index_is_the_one_that_search_declares(migrated_file):
    connection = sqlite3.connect(migrated_file)
    ((migrated,),) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'posts_fts'").fetchall()
    connection.close()
    assert migrated == fulltext.CREATE


def test_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "blog.db").write_bytes(b"no database " * 1000)
    for ask in (migration.upgrade, migration.pending):
        with pytest.raises(Unavailable, match=r"restore a backup.*blog\.db"):
            ask(f"sqlite:///{tmp_path}/blog.db")
