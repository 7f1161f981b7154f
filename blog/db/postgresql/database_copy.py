"""PostgreSQL as the source or the target of a copy."""

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
import sqlalchemy as sa

from blog.db import tables
from blog.db.postgresql.connection import WRITE_LOCK_ID
from blog.errors import Conflict

_COUNT_OTHER_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def begin_snapshot(connection: sa.Connection) -> None:
    """What is read from here on is one state; others go on writing."""
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def require_exclusive_access(_url: str) -> None:
    """Not asked before the transaction begins."""


def begin_load(connection: sa.Connection) -> None:
    """Nobody else writes until the end of the transaction. Raises Conflict when somebody else is there."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK_ID})")
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    if connection.exec_driver_sql(_COUNT_OTHER_SESSIONS).scalar_one():
        raise Conflict("A server or another program has the target open: stop it first")


def insert_rows(connection: sa.Connection, table: sa.TableClause, rows: Iterable[Mapping[str, Any]]) -> None:
    """Put all of the rows into a table, in one statement: that of the log has triggers for each. Raises Conflict."""
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
        told = " ".join(str(error).split())
        raise Conflict(f"PostgreSQL cannot keep a row of {table.name}: change it in the source ({told})") from error


def last_event_id(connection: sa.Connection) -> int:
    """The last id that was given to an event, also to one that is forgotten."""
    value = connection.scalar(sa.select(tables.app_metadata.c.value).where(tables.app_metadata.c.name == "event_last"))
    return int(value or 0)


def reset_sequences(connection: sa.Connection, last: int) -> None:
    """The next event gets an id after this one, and each other row one after the last of its table."""
    put = "INSERT INTO app_metadata VALUES ('event_last', %s) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"
    if last:
        connection.exec_driver_sql(put, (str(last),))
    for table in tables.metadata.sorted_tables:
        if "id" in table.c and table.c.id.autoincrement is True:
            highest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
            counter = sa.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sa.select(sa.func.setval(counter, sa.func.coalesce(highest, 1), highest.is_not(None))))


def check_references(_connection: sa.Connection) -> None:
    """The server has done so."""
