"""The SQLAlchemy engine for migrations: blocking, one transaction, and waits for other processes that migrate.

It uses psycopg: asyncpg prepares each statement, and a migration may send several statements in one string.
"""

import sqlalchemy as sa

MIGRATION_LOCK_ID = 0x6D696772
"""The advisory lock of migrations: "migr" in ASCII."""
_LOCK_TIMEOUT_MS = 60_000
_CONNECT_TIMEOUT = 10


def migration_engine(url: str, *, writing: bool) -> sa.Engine:
    """Return the engine for `postgresql://…`. With `writing` its transactions take the migration lock at once."""
    psycopg_url = sa.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(psycopg_url, poolclass=sa.NullPool, connect_args={"connect_timeout": _CONNECT_TIMEOUT})
    if writing:
        sa.event.listen(engine, "begin", _lock)
    return engine


def _lock(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK_ID})")
