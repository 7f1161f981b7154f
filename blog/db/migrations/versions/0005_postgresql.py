"""What only PostgreSQL needs: its full-text index, and events in the order in which their transactions commit.

Revision ID: 0005
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

# An identity is taken when a row is inserted, and seen when its transaction commits: who reads on from the last id that they
# saw would never see a smaller one that commits later. So a transaction has this lock (0x626C6F67, that of all who write)
# before it takes an identity, and until all can see what it wrote. The trigger makes it hold for whoever writes events.
# The identities of transactions that were undone are given again: a hole in the log means, as on SQLite, that rows were lost.
ORDER = """
CREATE FUNCTION events_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1651273575);
    PERFORM setval(pg_get_serial_sequence('events', 'id'), newest) FROM (SELECT max(id) AS newest FROM events) AS log
        WHERE newest IS NOT NULL;
    PERFORM pg_notify('blog_events', '');
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    """Make them, where the database is PostgreSQL."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_table(
        "posts_fts",
        sa.Column("post_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("document", TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("post_id", name="pk_posts_fts"),
    )
    op.create_index("ix_posts_fts_document", "posts_fts", ["document"], postgresql_using="gin")
    op.execute(ORDER)
    op.execute("CREATE TRIGGER events_in_order BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION events_in_order()")


def downgrade() -> None:
    """Drop them."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("DROP TRIGGER events_in_order ON events")
    op.execute("DROP FUNCTION events_in_order()")
    op.drop_table("posts_fts")
