"""Dumps of a whole database: the implementation for each kind of database."""

from blog.db.dumper import DatabaseDumper
from blog.db.sqlite.dumps import SQLiteDumper


def for_url(url: str) -> DatabaseDumper:
    """Return the dumper for a database URL."""
    if url.startswith("postgresql:"):
        from blog.db.postgresql.dumps import PostgreSQLDumper  # needs the optional extra `postgres`

        return PostgreSQLDumper(url)
    return SQLiteDumper(url)
