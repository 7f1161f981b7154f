"""PostgreSQL as the source or the target of `blog.db.database_copy`."""

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
import sqlalchemy as sa

from blog.db import tables
from blog.db.postgresql.connection import WRITE_LOCK_ID
from blog.errors import Conflict

_COUNT_OTHER_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def begin_snapshot(connection: sa.Connection) -> None:
    """Make the transaction read-only: all later reads see one state of the database."""
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def require_exclusive_access(_url: str) -> None:
    """Do nothing: `begin_load` checks it inside the transaction."""


def begin_load(connection: sa.Connection) -> None:
    """Take the write lock until the end of the transaction. Raises Conflict if there are other sessions."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK_ID})")
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    if connection.exec_driver_sql(_COUNT_OTHER_SESSIONS).scalar_one():
        raise Conflict("A server or another program has the target open: stop it first")


def insert_rows(connection: sa.Connection, table: sa.TableClause, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert all rows into a table with one COPY, since the event log runs triggers per statement. Raises Conflict."""
    driver: Any = connection.connection.driver_connection
    columns = [column.name for column in table.columns]
    processors = [column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect) for column in table.columns]
    target = psycopg.sql.SQL("COPY {} ({}) FROM STDIN").format(
        psycopg.sql.Identifier(table.name), psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))
    )
    try:
        with driver.cursor() as cursor, cursor.copy(target) as copy:
            for row in rows:
                values = zip((row[name] for name in columns), processors, strict=True)
                copy.write_row([process(value) if process else value for value, process in values])
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        reason = " ".join(str(error).split())
        raise Conflict(f"PostgreSQL cannot store a row of {table.name}: change it in the source ({reason})") from error


def last_event_id(connection: sa.Connection) -> int:
    """Return the last assigned event id, even if that event was deleted."""
    value = connection.scalar(sa.select(tables.app_metadata.c.value).where(tables.app_metadata.c.name == "event_last"))
    return int(value or 0)


def reset_sequences(connection: sa.Connection, last: int) -> None:
    """Let the next event id follow `last`, and the next id of every other table its largest id."""
    upsert = "INSERT INTO app_metadata VALUES ('event_last', %s) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"
    if last:
        connection.exec_driver_sql(upsert, (str(last),))
    for table in tables.metadata.sorted_tables:
        if "id" in table.c and table.c.id.autoincrement is True:
            highest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
            counter = sa.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sa.select(sa.func.setval(counter, sa.func.coalesce(highest, 1), highest.is_not(None))))


def check_references(_connection: sa.Connection) -> None:
    """Do nothing: the server checks foreign keys itself."""
