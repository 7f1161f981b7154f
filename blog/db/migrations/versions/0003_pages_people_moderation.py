"""Pages, preferences, invitations, previews, autosaves, notices, views; more about people, posts and comments.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)
# In this order they can be dropped.
TABLES = ("views", "notices", "editing", "autosaves", "preview_links", "invitations", "pages", "preferences")


def upgrade() -> None:
    """Make the tables and columns."""
    op.add_column("users", sa.Column("bio", sa.Text(), server_default="", nullable=False))
    op.add_column("users", sa.Column("avatar", sa.String(length=80), nullable=True))
    op.add_column("users", sa.Column("deleted_at", AT, nullable=True))
    op.add_column("posts", sa.Column("comments_open", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("posts", sa.Column("words", sa.Integer(), server_default="0", nullable=False))
    # Near enough for a reading time; the next change of a post counts them.
    op.execute("UPDATE posts SET words = length(content) / 6")
    op.add_column("comments", sa.Column("reason", sa.String(length=200), nullable=True))
    op.create_index("ix_comments_status_id", "comments", ["status", "id"], unique=False)
    op.create_table(
        "invitations",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("inviter_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.Column("used_at", AT, nullable=True),
        sa.Column("revoked_at", AT, nullable=True),
        sa.ForeignKeyConstraint(["inviter_id"], ["users.id"], name="fk_invitations_inviter_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_invitations_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
    )
    op.create_table(
        "pages",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(length=120), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("renderer_version", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("editor_id", ID, nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("updated_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["editor_id"], ["users.id"], name="fk_pages_editor_id", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_pages"),
        sa.UniqueConstraint("slug", name="uq_pages_slug"),
    )
    op.create_table(
        "preferences",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("updated_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_preferences_user_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("name", name="pk_preferences"),
    )
    op.create_table(
        "autosaves",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("post_id", ID, nullable=True),
        sa.Column("form", sa.JSON(), nullable=False),
        sa.Column("updated_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name="fk_autosaves_post_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_autosaves_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_autosaves"),
    )
    op.create_index("ix_autosaves_post_id", "autosaves", ["post_id"], unique=False)
    op.create_index("ix_autosaves_user_id_post_id", "autosaves", ["user_id", "post_id"], unique=False)
    op.create_table(
        "editing",
        sa.Column("post_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("seen_at", AT, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name="fk_editing_post_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_editing_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "user_id", name="pk_editing"),
    )
    op.create_index("ix_editing_user_id", "editing", ["user_id"], unique=False)
    op.create_table(
        "preview_links",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("expires_at", AT, nullable=False),
        sa.Column("revoked_at", AT, nullable=True),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name="fk_preview_links_post_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_preview_links_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_preview_links"),
    )
    op.create_index("ix_preview_links_post_id", "preview_links", ["post_id"], unique=False)
    op.create_table(
        "views",
        sa.Column("post_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("views", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name="fk_views_post_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "day", name="pk_views"),
    )
    op.create_index("ix_views_day", "views", ["day"], unique=False)
    op.create_table(
        "notices",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("comment_id", ID, nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("read_at", AT, nullable=True),
        sa.ForeignKeyConstraint(["comment_id"], ["comments.id"], name="fk_notices_comment_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_notices_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_comment_id", "notices", ["comment_id"], unique=False)
    op.create_index("ix_notices_user_id_id", "notices", ["user_id", "id"], unique=False)


def downgrade() -> None:
    """Drop them."""
    for table in TABLES:
        op.drop_table(table)
    op.drop_index("ix_comments_status_id", table_name="comments")
    for table, column in (
        ("comments", "reason"),
        ("posts", "words"),
        ("posts", "comments_open"),
        ("users", "deleted_at"),
        ("users", "avatar"),
        ("users", "bio"),
    ):
        op.drop_column(table, column)
