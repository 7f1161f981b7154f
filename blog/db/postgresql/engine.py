"""How migrations reach the server: blocking, in one transaction, waiting for others who migrate.

By psycopg: asyncpg prepares each statement, and several in one, as migrations may have them, cannot be prepared.
"""

import sqlalchemy as sa

MIGRATION_LOCK_ID = 0x6D696772
"""The advisory lock of whoever migrates: "migr" in ASCII."""
_LOCK_TIMEOUT_MS = 60_000
_CONNECT_TIMEOUT = 10


def migration_engine(url: str, *, writing: bool) -> sa.Engine:
    """For `postgresql://…`; `writing` takes the lock at once."""
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    made = sa.create_engine(address, poolclass=sa.NullPool, connect_args={"connect_timeout": _CONNECT_TIMEOUT})
    if writing:
        sa.event.listen(made, "begin", _lock)
    return made


def _lock(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK_ID})")
