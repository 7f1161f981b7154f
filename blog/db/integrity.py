"""Low-level integrity check: damaged pages and broken foreign keys. `blog.domain.integrity` checks the content."""

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database


async def find_damage(db: Database) -> list[str]:
    """Return one sentence for each fault of the database. Reads all of it."""
    return await (_check_file(db) if db.kind == "sqlite" else _check_references(db))


async def _check_file(db: Database) -> list[str]:
    pages = await db.fetch_all(sa.select(sa.column("integrity_check")).select_from(sa.func.pragma_integrity_check()))
    faults = [f"The database is damaged ({row[0]}): restore a backup" for row in pages if row[0] != "ok"]
    columns: list[sa.ColumnClause[str]] = [sa.column("table"), sa.column("parent")]
    orphans = await db.fetch_all(sa.select(*columns).select_from(sa.func.pragma_foreign_key_check()))
    return faults + [_missing_parent(row[0], row[1]) for row in orphans]


async def _check_references(db: Database) -> list[str]:
    """Check foreign keys only: PostgreSQL has its own tools for damaged pages, such as pg_amcheck and checksums."""
    faults: list[str] = []
    for table in tables.metadata.sorted_tables:
        for reference in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            target = reference.column.table.alias()
            has_parent = sa.exists().where(target.c[reference.column.name] == reference.parent)
            orphans = sa.select(sa.func.count()).select_from(table).where(reference.parent.is_not(None), ~has_parent)
            faults += [_missing_parent(table.name, reference.column.table.name)] * int(await db.fetch_val(orphans))
    return faults


def _missing_parent(table: str, parent: str) -> str:
    return f"A row of {table} refers to a missing row of {parent}: restore a backup"
