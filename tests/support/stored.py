"""Access to the stored content of the database, to search it for values that must not be stored."""

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core.context import Context
from blog.settings import Settings


async def all_that_is_stored(settings: Settings) -> bytes:
    """Return the files of an SQLite database, including deleted rows; for PostgreSQL all values of all rows."""
    if settings.is_sqlite:
        return b"".join(path.read_bytes() for path in settings.data_dir.glob("blog.db*"))
    async with Database(settings.database_url) as db:
        values = [
            repr(row[column.name])
            for table in tables.metadata.sorted_tables
            for row in await db.fetch_all(sa.select(table))
            for column in table.columns
        ]
        return "\n".join(values).encode()


def nul(ctx: Context) -> str:
    """Return a NUL character, or nothing for PostgreSQL, which cannot store it."""
    return "" if ctx.db.kind == "postgresql" else "\0"
