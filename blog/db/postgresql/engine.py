"""How migrations reach the server: blocking, in one transaction, waiting for others who migrate.

By psycopg: asyncpg prepares each statement, and several in one, as migrations may have them, cannot be prepared.
"""

import sqlalchemy as sa

_MIGRATORS = 0x6D696772
"""The advisory lock of whoever migrates: "migr" in ASCII."""
_WAIT_MS = 60_000
_CONNECT_SECONDS = 10


def engine(url: str, *, writing: bool) -> sa.Engine:
    """For `postgresql://…`; `writing` takes the lock at once."""
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    made = sa.create_engine(address, poolclass=sa.NullPool, connect_args={"connect_timeout": _CONNECT_SECONDS})
    if writing:
        sa.event.listen(made, "begin", _take_turns)
    return made


def _take_turns(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_WAIT_MS}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATORS})")
