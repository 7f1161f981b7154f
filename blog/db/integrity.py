"""The database's own search for damage."""

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database


async def find_damage(db: Database) -> list[str]:
    """What is wrong with the database itself, a sentence for each; reads all of it."""
    return await (_check_file(db) if db.kind == "sqlite" else _check_references(db))


async def _check_file(db: Database) -> list[str]:
    pages = await db.fetch_all(sa.select(sa.column("integrity_check")).select_from(sa.func.pragma_integrity_check()))
    found = [f"The database is damaged ({row[0]}): restore a backup" for row in pages if row[0] != "ok"]
    columns: list[sa.ColumnClause[str]] = [sa.column("table"), sa.column("parent")]
    lost = await db.fetch_all(sa.select(*columns).select_from(sa.func.pragma_foreign_key_check()))
    return found + [_missing_parent(row[0], row[1]) for row in lost]


async def _check_references(db: Database) -> list[str]:
    """The pages are for PostgreSQL's own tools, such as pg_amcheck and its checksums."""
    found: list[str] = []
    for table in tables.metadata.sorted_tables:
        for reference in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            target = reference.column.table.alias()
            is_there = sa.exists().where(target.c[reference.column.name] == reference.parent)
            lost = sa.select(sa.func.count()).select_from(table).where(reference.parent.is_not(None), ~is_there)
            found += [_missing_parent(table.name, reference.column.table.name)] * int(await db.fetch_val(lost))
    return found


def _missing_parent(table: str, parent: str) -> str:
    return f"A row of {table} refers to a row of {parent} that is gone: restore a backup"
