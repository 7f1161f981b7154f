"""The date of a post beside its tags and authors, so that a list by one of them reads only what it shows.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

LINKS = (("post_tags", "tag_id"), ("post_authors", "user_id"))
# Whoever writes posts or links, by whatever program: the dates follow. A later migration that builds one of these tables anew
# on SQLite must make its triggers anew.
FILL = """
UPDATE {table} SET listed_at = (
    SELECT published_at FROM posts WHERE id = {table}.post_id AND status = 'published' AND deleted_at IS NULL
)
"""
ON_SQLITE = (
    """
    CREATE TRIGGER {table}_listed AFTER INSERT ON {table} BEGIN
        UPDATE {table} SET listed_at = (
            SELECT published_at FROM posts WHERE id = NEW.post_id AND status = 'published' AND deleted_at IS NULL
        ) WHERE post_id = NEW.post_id AND {column} = NEW.{column};
    END
    """,
    """
    CREATE TRIGGER posts_{table}_listed AFTER UPDATE OF status, published_at, deleted_at ON posts
    WHEN OLD.status IS NOT NEW.status OR OLD.published_at IS NOT NEW.published_at OR OLD.deleted_at IS NOT NEW.deleted_at BEGIN
        UPDATE {table} SET listed_at = CASE WHEN NEW.status = 'published' AND NEW.deleted_at IS NULL THEN NEW.published_at END
        WHERE post_id = NEW.id;
    END
    """,
)
ON_POSTGRESQL = (
    """
    CREATE FUNCTION {table}_link_listed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.listed_at := (
            SELECT published_at FROM posts WHERE id = NEW.post_id AND status = 'published' AND deleted_at IS NULL
        );
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER {table}_listed BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_link_listed()",
    """
    CREATE FUNCTION {table}_post_listed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE {table} SET listed_at = CASE WHEN NEW.status = 'published' AND NEW.deleted_at IS NULL THEN NEW.published_at END
        WHERE post_id = NEW.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER posts_{table}_listed AFTER UPDATE OF status, published_at, deleted_at ON posts FOR EACH ROW
    WHEN ((OLD.status, OLD.published_at, OLD.deleted_at) IS DISTINCT FROM (NEW.status, NEW.published_at, NEW.deleted_at))
    EXECUTE FUNCTION {table}_post_listed()
    """,
)


def upgrade() -> None:
    """Add the dates and what keeps them."""
    triggers = ON_POSTGRESQL if op.get_bind().dialect.name == "postgresql" else ON_SQLITE
    for table, column in LINKS:
        op.add_column(table, sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True))
        op.create_index(f"ix_{table}_{column}_listed_at_post_id", table, [column, "listed_at", "post_id"], unique=False)
        op.drop_index(f"ix_{table}_{column}", table_name=table)
        for statement in (FILL, *triggers):
            op.execute(statement.replace("{table}", table).replace("{column}", column))


def downgrade() -> None:
    """Drop them."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for table, column in LINKS:
        for trigger, on in ((f"{table}_listed", table), (f"posts_{table}_listed", "posts")):
            op.execute(f"DROP TRIGGER {trigger}" + (f" ON {on}" if is_postgresql else ""))
        for function in (f"{table}_link_listed", f"{table}_post_listed") if is_postgresql else ():
            op.execute(f"DROP FUNCTION {function}()")
        op.create_index(f"ix_{table}_{column}", table, [column], unique=False)
        op.drop_index(f"ix_{table}_{column}_listed_at_post_id", table_name=table)
        op.drop_column(table, "listed_at")
