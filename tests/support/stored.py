"""What the database keeps: to look for what it must not keep, and to put in what it can."""

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core.context import Context
from blog.settings import Settings


async def all_that_is_stored(settings: Settings) -> bytes:
    """Of SQLite the files, with what was deleted and is still there; else each value of each row."""
    if settings.is_sqlite:
        return b"".join(path.read_bytes() for path in settings.data_dir.glob("blog.db*"))
    async with Database(settings.database_url) as db:
        rows = [row for table in tables.metadata.sorted_tables for row in await db.fetch_all(sa.select(table))]
        return "\n".join(repr(value) for row in rows for value in row.values()).encode()


def nul(ctx: Context) -> str:
    """The character NUL, where the database takes it: no text of PostgreSQL holds one."""
    return "" if ctx.db.kind == "postgresql" else "\0"
