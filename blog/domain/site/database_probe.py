"""Can the database serve? Asked without leaving anything behind."""

import secrets

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database

_f = tables.app_metadata.c


async def check_read_write(db: Database) -> None:
    """Write a row, read it, and remove it: a commit that goes to the disk and changes nothing. Raises Unavailable."""
    name = f"probe-{secrets.token_hex(8)}"
    async with db.transaction():
        await db.execute(tables.app_metadata.insert().values(name=name, value=""))
        if await db.fetch_val(sa.select(_f.name).where(_f.name == name)) != name:
            raise AssertionError("what was just written is not there")
        await db.execute(tables.app_metadata.delete().where(_f.name == name))


async def current_revision(db: Database) -> str | None:
    """The revision that the database is at. Raises Unavailable."""
    version: str | None = await db.fetch_val(sa.select(sa.column("version_num")).select_from(sa.table("alembic_version")))
    return version
