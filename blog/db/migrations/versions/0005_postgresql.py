"""What only PostgreSQL needs: its full-text index, and events in the order in which their transactions commit.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# An identity is taken when a row is inserted, and seen when its transaction commits: who reads on from the last id that they
# saw would never see a smaller one that commits later. So a transaction has this lock (0x626C6F67, that of all who write)
# before it takes an identity, and until all can see what it wrote. The trigger makes it hold for whoever writes events.
#
# A sequence counts on when a transaction is undone. Here the next identity follows the last that was kept, and none is given
# twice: a hole in the log means, as on SQLite, that rows were lost.
ORDER = """
CREATE FUNCTION events_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
BEGIN
    IF TG_WHEN = 'AFTER' THEN
        INSERT INTO facts SELECT 'event_last', max(id) FROM events HAVING max(id) IS NOT NULL
            ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value;
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(1651273575);
    PERFORM pg_notify('blog_events', '');
    last := greatest((SELECT value::bigint FROM facts WHERE name = 'event_last'), (SELECT max(id) FROM events));
    PERFORM setval(pg_get_serial_sequence('events', 'id'), coalesce(last, 1), last IS NOT NULL);
    RETURN NULL;
END
$$
"""
TRIGGER = "CREATE TRIGGER events_{when} {when} INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION events_in_order()"


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
    # Addresses and cursors name versions: of a number that is too large there is none, which is no error.
    op.alter_column("revisions", "version", type_=sa.BigInteger())
    op.execute(ORDER)
    for when in ("before", "after"):
        op.execute(TRIGGER.format(when=when))


def downgrade() -> None:
    """Drop them."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("DROP TRIGGER events_before ON events")
    op.execute("DROP TRIGGER events_after ON events")
    op.execute("DELETE FROM facts WHERE name = 'event_last'")
    op.execute("DROP FUNCTION events_in_order()")
    op.alter_column("revisions", "version", type_=sa.Integer())
    op.drop_table("posts_fts")
