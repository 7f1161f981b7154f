"""The migrated schema equals the tables, also when several processes migrate at the same time."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from blog.db import migration
from blog.db.sqlite import fulltext
from blog.errors import Unavailable


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if database == "postgresql":
        return str(request.getfixturevalue("databases").new())
    return f"sqlite:///{tmp_path / 'new.db'}"


def run_sql(url: str, sql: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


def names(url: str) -> set[object]:
    """Return the names of everything that a migration could leave: tables, indexes, triggers, functions."""
    if url.startswith("sqlite"):
        return {name for (name,) in run_sql(url, "SELECT name FROM sqlite_master")}
    found = run_sql(url, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
                     "UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")  # fmt: skip
    return {name for (name,) in found}


def test_migrated_schema_equals_the_tables(database_url: str) -> None:
    migration.check(database_url)
    assert migration.pending(database_url) == []


def test_revisions_equal_those_of_alembic() -> None:
    scripts = ScriptDirectory.from_config(migration._config())
    assert [script.revision for script in scripts.walk_revisions()][::-1] == migration._revisions()


def test_empty_database_lacks_every_revision_and_a_second_run_does_nothing(empty_url: str) -> None:
    assert migration.pending(empty_url)[0] == "0001"
    migration.upgrade(empty_url)
    before = names(empty_url), run_sql(empty_url, "SELECT value FROM app_metadata")
    migration.upgrade(empty_url)
    assert (names(empty_url), run_sql(empty_url, "SELECT value FROM app_metadata")) == before
    assert migration.pending(empty_url) == []


def test_downgrade_removes_everything(empty_url: str) -> None:
    migration.upgrade(empty_url)
    migration.downgrade(empty_url, "base")
    assert names(empty_url) <= {"alembic_version", "alembic_version_pkc", "sqlite_sequence"} | {
        name for name in names(empty_url) if str(name).startswith("sqlite_autoindex_alembic_version")
    }


def test_four_processes_migrate_one_database_at_once(empty_url: str) -> None:
    program = "import sys; from blog.db import migration; migration.upgrade(sys.argv[1])"
    started = [subprocess.Popen([sys.executable, "-c", program, empty_url]) for _ in range(4)]
    assert [process.wait(100) for process in started] == [0, 0, 0, 0]
    migration.check(empty_url)
    assert run_sql(empty_url, "SELECT count(*) FROM app_metadata WHERE name = 'event_epoch'") == [(1,)]


def test_failed_migration_is_rolled_back(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("alembic.op.bulk_insert", fail)
    with pytest.raises(ZeroDivisionError):
        migration.upgrade(empty_url)
    assert names(empty_url) == set()


@pytest.mark.parametrize("action", [migration.upgrade, migration.pending])
def test_unknown_revision_is_refused(empty_url: str, action: Callable[[str], object]) -> None:
    migration.upgrade(empty_url)
    with migration.connect(empty_url) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match=r"revision 9999.*knows only 0001.*install the version.*export.*import"):
        action(empty_url)


def test_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"nowhere/blog\.db"):
        migration.upgrade(f"sqlite:///{tmp_path}/nowhere/blog.db")


def test_listing_pending_revisions_creates_no_file(tmp_path: Path) -> None:
    assert migration.pending(f"sqlite:///{tmp_path / 'new.db'}")[:1] == ["0001"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sqlite
def test_listing_pending_revisions_does_not_wait_for_a_writer(database_url: str) -> None:
    holder = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert migration.pending(database_url) == []
    holder.execute("ROLLBACK")
    holder.close()


def test_migrated_index_equals_the_declared_one(migrated_file: Path) -> None:
    connection = sqlite3.connect(migrated_file)
    ((migrated,),) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'posts_fts'").fetchall()
    connection.close()
    assert migrated == fulltext.CREATE_TABLE_SQL


def test_file_of_another_format_is_reported(tmp_path: Path) -> None:
    (tmp_path / "blog.db").write_bytes(b"no database " * 1000)
    for function in (migration.upgrade, migration.pending):
        with pytest.raises(Unavailable, match=r"restore a backup.*blog\.db"):
            function(f"sqlite:///{tmp_path}/blog.db")
