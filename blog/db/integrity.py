"""The database's own search for damage."""

import sqlalchemy as sa

from blog.db.database import Database


async def damage(db: Database) -> list[str]:
    """What SQLite finds wrong with itself, a sentence for each; reads the whole file. PostgreSQL has tools of its own for it."""
    if db.kind != "sqlite":
        return []
    pages = await db.fetch_all(sa.select(sa.column("integrity_check")).select_from(sa.func.pragma_integrity_check()))
    found = [f"The database is damaged ({row[0]}): restore a backup" for row in pages if row[0] != "ok"]
    columns: list[sa.ColumnClause[str]] = [sa.column("table"), sa.column("parent")]
    lost = await db.fetch_all(sa.select(*columns).select_from(sa.func.pragma_foreign_key_check()))
    return found + [f"A row of {row[0]} refers to a row of {row[1]} that is gone: restore a backup" for row in lost]
