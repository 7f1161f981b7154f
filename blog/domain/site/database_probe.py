"""The state of the database: whether it can be written, its revision, and its last backup."""

import secrets

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database

_f = tables.app_metadata.c
LAST_BACKUP = "last_backup_at"
"""The row of `app_metadata` with the time at which `blog backup` last succeeded."""


async def check_read_write(db: Database) -> None:
    """Insert a row, read it and delete it in one transaction: the commit reaches the disk. Raises Unavailable."""
    name = f"probe-{secrets.token_hex(8)}"
    async with db.transaction():
        await db.execute(tables.app_metadata.insert().values(name=name, value=""))
        if await db.fetch_val(sa.select(_f.name).where(_f.name == name)) != name:
            raise AssertionError("the inserted row is missing")
        await db.execute(tables.app_metadata.delete().where(_f.name == name))


async def current_revision(db: Database) -> str | None:
    """Return the migration revision of the database. Raises Unavailable."""
    version: str | None = await db.fetch_val(sa.select(sa.column("version_num")).select_from(sa.table("alembic_version")))
    return version
