"""Initial schema: all tables, the full-text index, the triggers, and the epoch of the event log.

Revision ID: 0001
Revises:
"""

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

from blog.db.migrations import initial_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

LISTED_COLUMNS = ("id", "status", "deleted_at")
IS_DELETED = "deleted_at IS NOT NULL"

TABLES = (
    "app_metadata",
    "users",
    "sessions",
    "api_tokens",
    "posts",
    "post_slugs",
    "post_authors",
    "tags",
    "tag_aliases",
    "post_tags",
    "revisions",
    "revision_authors",
    "comments",
    "events",
    "trimmed_channels",
    "import_records",
    "idempotency_keys",
    "media",
    "feature_flags",
    "site_preferences",
    "static_pages",
    "invitations",
    "preview_links",
    "autosaves",
    "editing_sessions",
    "notifications",
    "post_views",
    "referrer_views",
    "audit_log",
    "email_queue",
    "two_factor",
    "recovery_codes",
    "passkeys",
    "webauthn_challenges",
    "email_changes",
)


def _id_column() -> sa.Column[int]:
    return sa.Column("id", ID, primary_key=True, autoincrement=True)


def _reference(name: str, target: str, *, ondelete: str = "CASCADE", nullable: bool = False, **options: Any) -> sa.Column[int]:
    return sa.Column(name, ID, sa.ForeignKey(target, ondelete=ondelete), nullable=nullable, **options)


def _timestamp(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, INSTANT, nullable=nullable)


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "app_metadata",
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "users",
        _id_column(),
        sa.Column("username", sa.String(50), nullable=False),
        sa.Column("username_folded", sa.String(100), nullable=False, unique=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(320)),
        sa.Column("email_folded", sa.String(320), unique=True),
        sa.Column("age", sa.SmallInteger),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("password_set_at", INSTANT),
        sa.Column("bio", sa.Text, nullable=False, server_default=""),
        sa.Column("avatar", sa.String(80)),
        sa.Column("last_seen_at", INSTANT),
        sa.Column("suspended_at", INSTANT),
        sa.Column("deleted_at", INSTANT),
        _timestamp("created_at"),
        _timestamp("updated_at"),
    )
    op.create_table(
        "sessions",
        sa.Column("id_hash", sa.String(64), primary_key=True),
        _reference("user_id", "users.id", index=True),
        sa.Column("user_agent", sa.String(200), nullable=False),
        _timestamp("created_at"),
        _timestamp("last_seen_at"),
        _timestamp("expires_at"),
        _timestamp("confirmed_at", nullable=True),
    )
    op.create_table(
        "api_tokens",
        _id_column(),
        _reference("user_id", "users.id", index=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        _timestamp("created_at"),
        _timestamp("expires_at"),
        _timestamp("revoked_at", nullable=True),
    )
    op.create_table(
        "posts",
        _id_column(),
        sa.Column("slug", sa.String(120), nullable=False, unique=True),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("excerpt", sa.Text, nullable=False),
        sa.Column("custom_excerpt", sa.Text),
        sa.Column("meta_title", sa.String(300)),
        sa.Column("meta_description", sa.String(500)),
        sa.Column("canonical_url", sa.String(2000)),
        sa.Column("language", sa.String(35)),
        sa.Column("featured", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false()),
        sa.Column("feature_image", sa.JSON(none_as_null=True)),
        sa.Column("renderer_version", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("comment_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("view_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("comments_open", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.true()),
        sa.Column("word_count", sa.Integer, nullable=False, server_default="0"),
        _timestamp("publish_at", nullable=True),
        _timestamp("published_at", nullable=True),
        _timestamp("deleted_at", nullable=True),
        _timestamp("created_at"),
        _timestamp("updated_at"),
        sa.Index("ix_posts_status_published_at_id", "status", "published_at", "id", "deleted_at"),
        sa.Index("ix_posts_updated_at", "updated_at", *LISTED_COLUMNS),
        sa.Index("ix_posts_comment_count", "comment_count", *LISTED_COLUMNS),
        sa.Index("ix_posts_view_count", "view_count", *LISTED_COLUMNS),
        sa.Index("ix_posts_deleted_at", "deleted_at", sqlite_where=sa.text(IS_DELETED), postgresql_where=sa.text(IS_DELETED)),
        sa.Index(
            "ix_posts_featured_published_at_id",
            "published_at",
            "id",
            sqlite_where=sa.text("featured = 1"),
            postgresql_where=sa.text("featured"),
        ),
    )
    op.create_table(
        "post_slugs",
        sa.Column("slug", sa.String(120), primary_key=True),
        _reference("post_id", "posts.id", index=True),
    )
    op.create_table(
        "post_authors",
        _reference("post_id", "posts.id", primary_key=True),
        _reference("user_id", "users.id", ondelete="RESTRICT", primary_key=True),
        sa.Column("position", sa.SmallInteger, nullable=False),
        _timestamp("listed_at", nullable=True),
        sa.Index("ix_post_authors_user_id_listed_at_post_id", "user_id", "listed_at", "post_id"),
    )
    op.create_table(
        "tags",
        _id_column(),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("name_folded", sa.String(100), nullable=False, unique=True),
        sa.Column("own_slug", sa.String(120), unique=True),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("image", sa.Text),
    )
    op.create_table(
        "tag_aliases",
        sa.Column("name_folded", sa.String(240), primary_key=True),
        _reference("tag_id", "tags.id", index=True),
    )
    op.create_table(
        "post_tags",
        _reference("post_id", "posts.id", primary_key=True),
        _reference("tag_id", "tags.id", primary_key=True),
        sa.Column("position", sa.SmallInteger, nullable=False),
        _timestamp("listed_at", nullable=True),
        sa.Index("ix_post_tags_tag_id_listed_at_post_id", "tag_id", "listed_at", "post_id"),
    )
    op.create_table(
        "revisions",
        _reference("post_id", "posts.id", primary_key=True),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("slug", sa.String(120), nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        _timestamp("publish_at", nullable=True),
        _timestamp("published_at", nullable=True),
        sa.Column("comments_open", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.true()),
        sa.Column("custom_excerpt", sa.Text),
        sa.Column("meta_title", sa.String(300)),
        sa.Column("meta_description", sa.String(500)),
        sa.Column("canonical_url", sa.String(2000)),
        sa.Column("language", sa.String(35)),
        sa.Column("featured", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false()),
        sa.Column("feature_image", sa.JSON(none_as_null=True)),
        _reference("editor_id", "users.id", ondelete="RESTRICT"),
        _timestamp("created_at"),
    )
    op.create_table(
        "revision_authors",
        _reference("post_id", "posts.id", primary_key=True),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        _reference("user_id", "users.id", ondelete="RESTRICT", primary_key=True),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.ForeignKeyConstraint(["post_id", "version"], ["revisions.post_id", "revisions.version"], ondelete="CASCADE"),
    )
    op.create_table(
        "comments",
        _id_column(),
        _reference("post_id", "posts.id"),
        _reference("author_id", "users.id", ondelete="RESTRICT", nullable=True, index=True),
        _reference("parent_id", "comments.id", nullable=True, index=True),
        sa.Column("guest_name", sa.String(100)),
        sa.Column("guest_email", sa.String(254), index=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("renderer_version", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("moderation_note", sa.String(200)),
        _timestamp("created_at"),
        _timestamp("updated_at"),
        sa.Index("ix_comments_post_id_id", "post_id", "id"),
        sa.Index("ix_comments_status_id", "status", "id"),
    )
    op.create_table(
        "events",
        _id_column(),
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("correlation_id", sa.String(128), nullable=False),
        sa.Column("channels", sa.JSON, nullable=False),
        sa.Column("post_id", sa.BigInteger, nullable=False),
        sa.Column("comment_id", sa.BigInteger),
        sa.Column("data", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "trimmed_channels",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("event_id", sa.BigInteger, nullable=False),
        sa.Column("trimmed_at", INSTANT, nullable=False),
    )
    op.create_table(
        "import_records",
        sa.Column("source", sa.String(500), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        _reference("post_id", "posts.id", index=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("client_key", sa.String(150), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("created_at", INSTANT, nullable=False, index=True),
    )
    op.create_table(
        "media",
        _id_column(),
        sa.Column("name", sa.String(80), nullable=False, index=True),
        sa.Column("media_type", sa.String(50), nullable=False),
        sa.Column("width", sa.Integer, nullable=True),
        sa.Column("height", sa.Integer, nullable=True),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("alt", sa.String(500), nullable=False),
        sa.Column("file_name", sa.String(200), nullable=False),
        sa.Column("variants", sa.JSON, nullable=False),
        _reference("user_id", "users.id", ondelete="RESTRICT", index=True),
        _timestamp("created_at"),
        sa.UniqueConstraint("user_id", "name"),
    )
    op.create_table(
        "feature_flags",
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("enabled", sa.Boolean(create_constraint=False), nullable=False),
        _reference("user_id", "users.id", ondelete="SET NULL", nullable=True),
        _timestamp("updated_at"),
    )
    op.create_table(
        "site_preferences",
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
        _reference("user_id", "users.id", ondelete="SET NULL", nullable=True),
        _timestamp("updated_at"),
    )
    op.create_table(
        "static_pages",
        _id_column(),
        sa.Column("slug", sa.String(120), nullable=False, unique=True),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("renderer_version", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="published"),
        sa.Column("version", sa.Integer, nullable=False),
        _reference("editor_id", "users.id", ondelete="RESTRICT"),
        _timestamp("created_at"),
        _timestamp("updated_at"),
    )
    op.create_table(
        "invitations",
        _id_column(),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("email_folded", sa.String(320), index=True),
        sa.Column("email_status", sa.String(20)),
        sa.Column("link_number", sa.Integer, nullable=False),
        _reference("inviter_id", "users.id"),
        _reference("user_id", "users.id", nullable=True),
        _timestamp("created_at"),
        _timestamp("link_created_at"),
        _timestamp("expires_at"),
        _timestamp("used_at", nullable=True),
        _timestamp("revoked_at", nullable=True),
    )
    op.create_table(
        "preview_links",
        _id_column(),
        _reference("post_id", "posts.id", index=True),
        _reference("user_id", "users.id"),
        _timestamp("created_at"),
        _timestamp("expires_at"),
        _timestamp("revoked_at", nullable=True),
    )
    op.create_table(
        "autosaves",
        _id_column(),
        _reference("user_id", "users.id"),
        sa.Column("kind", sa.String(10), nullable=False),
        _reference("post_id", "posts.id", nullable=True, index=True),
        _reference("page_id", "static_pages.id", nullable=True, index=True),
        sa.Column("form", sa.JSON, nullable=False),
        _timestamp("updated_at"),
        sa.Index("ix_autosaves_user_id_post_id", "user_id", "post_id"),
    )
    op.create_table(
        "editing_sessions",
        _reference("post_id", "posts.id", primary_key=True),
        _reference("user_id", "users.id", primary_key=True, index=True),
        _timestamp("seen_at"),
    )
    op.create_table(
        "notifications",
        _id_column(),
        _reference("user_id", "users.id"),
        sa.Column("type", sa.String(50), nullable=False),
        _reference("comment_id", "comments.id", nullable=True, index=True),
        _reference("post_id", "posts.id", nullable=True, index=True),
        _reference("actor_id", "users.id", nullable=True),
        _timestamp("created_at"),
        _timestamp("read_at", nullable=True),
        sa.Index("ix_notifications_user_id_id", "user_id", "id"),
    )
    op.create_table(
        "post_views",
        _reference("post_id", "posts.id", primary_key=True),
        sa.Column("day", sa.Date, primary_key=True, index=True),
        sa.Column("views", sa.Integer, nullable=False),
    )
    op.create_table(
        "referrer_views",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("host", sa.String(253), primary_key=True),
        sa.Column("views", sa.Integer, nullable=False),
    )
    op.create_table(
        "audit_log",
        _id_column(),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False, index=True),
        sa.Column("actor_id", sa.BigInteger),
        sa.Column("subject_id", sa.BigInteger),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(200), nullable=False),
        sa.Column("correlation_id", sa.String(128), nullable=False),
        sa.Index("ix_audit_log_subject_id_id", "subject_id", "id"),
        sa.Index("ix_audit_log_action_id", "action", "id"),
    )
    op.create_table(
        "email_queue",
        _id_column(),
        sa.Column("kind", sa.String(50), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        _timestamp("created_at"),
        sa.Column("due_at", INSTANT, nullable=False, index=True),
        sa.Column("attempts", sa.SmallInteger, nullable=False),
    )
    op.create_table(
        "two_factor",
        _reference("user_id", "users.id", primary_key=True, autoincrement=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("last_totp_step", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.SmallInteger, nullable=False),
        _timestamp("blocked_until", nullable=True),
        _timestamp("created_at"),
        _timestamp("confirmed_at", nullable=True),
    )
    op.create_table(
        "recovery_codes",
        _reference("user_id", "users.id", primary_key=True),
        sa.Column("code_hash", sa.String(64), primary_key=True),
    )
    op.create_table(
        "passkeys",
        _id_column(),
        _reference("user_id", "users.id", index=True),
        sa.Column("credential_id", sa.String(1400), nullable=False, unique=True),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("user_handle", sa.String(100), nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        _timestamp("created_at"),
        _timestamp("last_used_at", nullable=True),
    )
    op.create_table(
        "webauthn_challenges",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("used_at", INSTANT, nullable=False, index=True),
    )
    op.create_table(
        "email_changes",
        _reference("user_id", "users.id", primary_key=True, autoincrement=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        _timestamp("expires_at"),
    )
    metadata = sa.table("app_metadata", sa.column("name"), sa.column("value"))
    op.bulk_insert(metadata, [{"name": "event_epoch", "value": secrets.token_hex(4)}])
    for statement in initial_sql.create_statements(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """Drop everything, in reverse order of creation."""
    for statement in initial_sql.drop_statements(op.get_bind().dialect.name):
        op.execute(statement)
    for table in reversed(TABLES):
        op.drop_table(table)
