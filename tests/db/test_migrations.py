"""The migrated schema is the tables', whoever migrates and however many at once."""

import sqlite3
import subprocess
import sys

import pytest

from blog.db import migration
from blog.errors import Unavailable


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
    tables = sqlite3.connect(tmp_path / "new.db").execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {name for (name,) in tables} <= {"alembic_version", "sqlite_sequence"}


def test_four_processes_migrate_one_file_at_once(tmp_path):
    url = f"sqlite:///{tmp_path / 'new.db'}"
    program = "import sys; from blog.db import migration; migration.upgrade(sys.argv[1])"
    started = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    migration.check(url)
    epochs = sqlite3.connect(tmp_path / "new.db").execute("SELECT count(*) FROM facts WHERE name = 'event_epoch'").fetchone()
    assert epochs == (1,)


def test_migration_that_fails_leaves_no_trace(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'new.db'}"

    def fail(*_args, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr("alembic.op.bulk_insert", fail)
    with pytest.raises(ZeroDivisionError):
        migration.upgrade(url)
    assert sqlite3.connect(tmp_path / "new.db").execute("SELECT name FROM sqlite_master").fetchall() == []


def test_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(Unavailable, match=r"nowhere/blog\.db"):
        migration.upgrade(f"sqlite:///{tmp_path}/nowhere/blog.db")
