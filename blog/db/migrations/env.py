"""Alembic's environment: the connection comes from `blog.db.migration`."""

from typing import Any

from alembic import context

from blog.db.migrations.initial_sql import EXPRESSION_INDEXES
from blog.db.tables import metadata


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Return whether Alembic compares a table or an index.

    The full-text index and its shadow tables belong to the engine; indexes of expressions are not in the metadata.
    """
    if kind == "index":
        return name not in EXPRESSION_INDEXES
    return not (kind == "table" and name is not None and name.startswith("posts_fts"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    include_name=include_name,
)
with context.begin_transaction():
    context.run_migrations()
