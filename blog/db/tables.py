"""All tables and columns of the blog, as SQLAlchemy Core.

Columns that end in `_at` are UTC instants. The table of the search index is defined in `blog.db.fulltext`, because it differs
between the databases.
"""

import datetime as dt
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    # SQLite's batch ALTER can only drop constraints that have a name.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UTCDateTime(sa.types.TypeDecorator[dt.datetime]):
    """A UTC instant with a time zone on every database. Raises ValueError for naive values: SQLite would drop the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored: give it a time zone")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def _id_column() -> sa.Column[int]:
    # In SQLite only an INTEGER primary key is an alias of the rowid; elsewhere ids have 64 bits.
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True)


def _foreign_key(name: str, target: str, *, ondelete: str = "CASCADE", nullable: bool = False, **options: Any) -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, kind, sa.ForeignKey(target, ondelete=ondelete), nullable=nullable, **options)


def _timestamp(name: str, *, nullable: bool = False) -> sa.Column[dt.datetime]:
    return sa.Column(name, UTCDateTime(), nullable=nullable)


# Data about the installation itself, such as the epoch of the event log.
app_metadata = sa.Table(
    "app_metadata",
    metadata,
    sa.Column("name", sa.String(50), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    _id_column(),
    sa.Column("username", sa.String(50), nullable=False),
    sa.Column("username_folded", sa.String(100), nullable=False, unique=True),  # case-folded
    sa.Column("name", sa.String(200), nullable=False),  # shown in bylines
    sa.Column("email", sa.String(320)),  # null for imported authors
    sa.Column("email_folded", sa.String(320), unique=True),
    sa.Column("age", sa.SmallInteger),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("password_hash", sa.String(255)),  # null: the user cannot sign in with a password
    sa.Column("password_set_at", UTCDateTime()),
    sa.Column("bio", sa.Text, nullable=False, server_default=""),
    sa.Column("avatar", sa.String(80)),  # name of an image file
    sa.Column("last_seen_at", UTCDateTime()),  # written at most once an hour
    sa.Column("suspended_at", UTCDateTime()),  # null: not suspended
    sa.Column("deleted_at", UTCDateTime()),  # the row stays without personal data, because posts and comments refer to it
    _timestamp("created_at"),
    _timestamp("updated_at"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id_hash", sa.String(64), primary_key=True),  # SHA-256 of the id in the cookie
    _foreign_key("user_id", "users.id", index=True),
    sa.Column("user_agent", sa.String(200), nullable=False),
    _timestamp("created_at"),
    _timestamp("last_seen_at"),
    _timestamp("expires_at"),
    _timestamp("confirmed_at", nullable=True),  # when the user last entered the password
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    _id_column(),
    _foreign_key("user_id", "users.id", index=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("secret_hash", sa.String(64), nullable=False),  # SHA-256 of the random part
    sa.Column("scopes", sa.JSON, nullable=False),
    _timestamp("created_at"),
    _timestamp("expires_at"),
    _timestamp("revoked_at", nullable=True),
)

_LISTED_COLUMNS = ("id", "status", "deleted_at")


def _where(condition: str) -> dict[str, Any]:
    return {f"{dialect}_where": sa.text(condition) for dialect in ("sqlite", "postgresql")}


posts = sa.Table(
    "posts",
    metadata,
    _id_column(),
    sa.Column("slug", sa.String(120), nullable=False, unique=True),
    sa.Column("title", sa.String(300), nullable=False),
    sa.Column("content", sa.Text, nullable=False),  # Markdown, as written
    sa.Column("html", sa.Text, nullable=False),  # rendered and sanitised when the post is written
    sa.Column("excerpt", sa.Text, nullable=False),
    sa.Column("custom_excerpt", sa.Text),  # written by the author; `excerpt` is made from the content without one
    sa.Column("meta_title", sa.String(300)),
    sa.Column("meta_description", sa.String(500)),
    sa.Column("canonical_url", sa.String(2000)),
    sa.Column("language", sa.String(35)),
    sa.Column("featured", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false()),
    sa.Column("feature_image", sa.JSON(none_as_null=True)),
    sa.Column("renderer_version", sa.SmallInteger, nullable=False),  # older HTML is rendered again in the background
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("comment_count", sa.Integer, nullable=False, server_default="0"),  # visible comments, updated with each change
    sa.Column("view_count", sa.Integer, nullable=False, server_default="0"),  # the sum of `post_views`
    sa.Column("comments_open", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.true()),
    sa.Column("word_count", sa.Integer, nullable=False, server_default="0"),
    _timestamp("publish_at", nullable=True),
    _timestamp("published_at", nullable=True),
    _timestamp("deleted_at", nullable=True),  # a deleted post stays in the table for undo, and is invisible
    _timestamp("created_at"),
    _timestamp("updated_at"),
    sa.Index("ix_posts_status_published_at_id", "status", "published_at", "id", "deleted_at"),
    # The orders of the list of all posts. With the columns of its filters, a filtered walk or count reads no rows. The indexes
    # of the date and the title are on expressions, which SQLAlchemy cannot reflect: see `blog.db.migrations.initial_sql`.
    sa.Index("ix_posts_updated_at", "updated_at", *_LISTED_COLUMNS),
    sa.Index("ix_posts_comment_count", "comment_count", *_LISTED_COLUMNS),
    sa.Index("ix_posts_view_count", "view_count", *_LISTED_COLUMNS),
    sa.Index("ix_posts_deleted_at", "deleted_at", **_where("deleted_at IS NOT NULL")),
    sa.Index(
        "ix_posts_featured_published_at_id",
        "published_at",
        "id",
        sqlite_where=sa.text("featured = 1"),
        postgresql_where=sa.text("featured"),
    ),
)

# Every slug that a post has or had: an old one redirects to the new one, and is never assigned to a different post.
post_slugs = sa.Table(
    "post_slugs",
    metadata,
    sa.Column("slug", sa.String(120), primary_key=True),
    _foreign_key("post_id", "posts.id", index=True),
)

post_authors = sa.Table(
    "post_authors",
    metadata,
    _foreign_key("post_id", "posts.id", primary_key=True),
    _foreign_key("user_id", "users.id", ondelete="RESTRICT", primary_key=True),
    sa.Column("position", sa.SmallInteger, nullable=False),
    _timestamp("listed_at", nullable=True),  # publication time of a visible post, set by triggers, for lists by author
    sa.Index("ix_post_authors_user_id_listed_at_post_id", "user_id", "listed_at", "post_id"),
)

tags = sa.Table(
    "tags",
    metadata,
    _id_column(),
    sa.Column("name", sa.String(50), nullable=False),
    sa.Column("name_folded", sa.String(100), nullable=False, unique=True),  # case-folded
    sa.Column("own_slug", sa.String(120), unique=True),  # null: the name is the last part of the URL
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("image", sa.Text),  # a URL
)

# Former names of tags, names of merged tags, and own slugs: in addresses and in posts that are written, they mean the tag.
tag_aliases = sa.Table(
    "tag_aliases",
    metadata,
    sa.Column("name_folded", sa.String(240), primary_key=True),
    _foreign_key("tag_id", "tags.id", index=True),
)

post_tags = sa.Table(
    "post_tags",
    metadata,
    _foreign_key("post_id", "posts.id", primary_key=True),
    _foreign_key("tag_id", "tags.id", primary_key=True),
    sa.Column("position", sa.SmallInteger, nullable=False),
    _timestamp("listed_at", nullable=True),  # as with authors
    sa.Index("ix_post_tags_tag_id_listed_at_post_id", "tag_id", "listed_at", "post_id"),
)

revisions = sa.Table(
    "revisions",
    metadata,
    _foreign_key("post_id", "posts.id", primary_key=True),
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
    _foreign_key("editor_id", "users.id", ondelete="RESTRICT"),
    _timestamp("created_at"),
)

revision_authors = sa.Table(
    "revision_authors",
    metadata,
    _foreign_key("post_id", "posts.id", primary_key=True),
    sa.Column("version", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    _foreign_key("user_id", "users.id", ondelete="RESTRICT", primary_key=True),
    sa.Column("position", sa.SmallInteger, nullable=False),
    sa.ForeignKeyConstraint(["post_id", "version"], ["revisions.post_id", "revisions.version"], ondelete="CASCADE"),
)

comments = sa.Table(
    "comments",
    metadata,
    _id_column(),
    _foreign_key("post_id", "posts.id"),
    _foreign_key("author_id", "users.id", ondelete="RESTRICT", nullable=True, index=True),  # null: a guest
    _foreign_key("parent_id", "comments.id", nullable=True, index=True),
    sa.Column("guest_name", sa.String(100)),  # of a comment without an account
    sa.Column("guest_email", sa.String(254), index=True),  # in lower case, for moderators; erased after a time
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("html", sa.Text, nullable=False),
    sa.Column("renderer_version", sa.SmallInteger, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("moderation_note", sa.String(200)),  # why it waits for a moderator, or who removed it
    _timestamp("created_at"),
    _timestamp("updated_at"),
    sa.Index("ix_comments_post_id_id", "post_id", "id"),
    sa.Index("ix_comments_status_id", "status", "id"),
)

# The ordered event log that live updates read. Each row is written in the transaction of its change.
events = sa.Table(
    "events",
    metadata,
    _id_column(),
    sa.Column("type", sa.String(50), nullable=False),
    sa.Column("occurred_at", UTCDateTime(), nullable=False),
    sa.Column("correlation_id", sa.String(128), nullable=False),
    sa.Column("channels", sa.JSON, nullable=False),
    # No foreign keys: events stay when posts and comments are deleted.
    sa.Column("post_id", sa.BigInteger, nullable=False),
    sa.Column("comment_id", sa.BigInteger),
    sa.Column("data", sa.JSON, nullable=False),  # values that are needed after the post or comment is deleted
    sqlite_autoincrement=True,  # an id is never used twice, even after the newest rows were deleted
)

# The newest deleted event of each channel: a client with an older cursor has missed it. "*" stands for every channel.
trimmed_channels = sa.Table(
    "trimmed_channels",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("event_id", sa.BigInteger, nullable=False),
    sa.Column("trimmed_at", UTCDateTime(), nullable=False),
)

# Where an imported post came from, so that a second run changes nothing.
import_records = sa.Table(
    "import_records",
    metadata,
    sa.Column("source", sa.String(500), primary_key=True),  # the name of the imported folder and the path below it
    sa.Column("digest", sa.String(64), nullable=False),  # SHA-256 of the file
    _foreign_key("post_id", "posts.id", index=True),
    sa.Column("version", sa.Integer, nullable=False),  # of the post, as the import left it
)

# Responses to requests with an `Idempotency-Key`, written in the transaction of the change, for retries of the request.
idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("client_key", sa.String(150), primary_key=True),  # a user, or the address of an anonymous client
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("request_hash", sa.String(64), nullable=False),  # keyed SHA-256 of method, path and body
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("headers", sa.JSON, nullable=False),
    sa.Column("body", sa.LargeBinary),  # null if the response contains a secret, which is never stored
    sa.Column("created_at", UTCDateTime(), nullable=False, index=True),
)

# Uploaded files. Their names are digests of the content. Only images have a width and a height.
media = sa.Table(
    "media",
    metadata,
    _id_column(),
    sa.Column("name", sa.String(80), nullable=False, index=True),
    sa.Column("media_type", sa.String(50), nullable=False),
    sa.Column("width", sa.Integer, nullable=True),
    sa.Column("height", sa.Integer, nullable=True),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("alt", sa.String(500), nullable=False),
    sa.Column("file_name", sa.String(200), nullable=False),
    sa.Column("variants", sa.JSON, nullable=False),  # [{"name", "width", "height"}], widest first
    _foreign_key("user_id", "users.id", ondelete="RESTRICT", index=True),
    _timestamp("created_at"),
    sa.UniqueConstraint("user_id", "name"),  # an image that somebody uploads again keeps its entry
)

# Feature flags that an owner has changed. The defaults are in the settings.
feature_flags = sa.Table(
    "feature_flags",
    metadata,
    sa.Column("name", sa.String(50), primary_key=True),
    sa.Column("enabled", sa.Boolean(create_constraint=False), nullable=False),
    _foreign_key("user_id", "users.id", ondelete="SET NULL", nullable=True),
    _timestamp("updated_at"),
)

# Preferences that an owner has changed: title, description, colour, navigation, moderation rules. The defaults are in the code.
site_preferences = sa.Table(
    "site_preferences",
    metadata,
    sa.Column("name", sa.String(50), primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    _foreign_key("user_id", "users.id", ondelete="SET NULL", nullable=True),
    _timestamp("updated_at"),
)

# Static pages, such as "About". `status` is `published` or `draft`.
static_pages = sa.Table(
    "static_pages",
    metadata,
    _id_column(),
    sa.Column("slug", sa.String(120), nullable=False, unique=True),
    sa.Column("title", sa.String(300), nullable=False),
    sa.Column("content", sa.Text, nullable=False),  # Markdown, as written
    sa.Column("html", sa.Text, nullable=False),
    sa.Column("renderer_version", sa.SmallInteger, nullable=False),
    sa.Column("status", sa.String(20), nullable=False, server_default="published"),
    sa.Column("version", sa.Integer, nullable=False),
    _foreign_key("editor_id", "users.id", ondelete="RESTRICT"),
    _timestamp("created_at"),
    _timestamp("updated_at"),
)

# Signed links to create an account; each works once.
invitations = sa.Table(
    "invitations",
    metadata,
    _id_column(),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("note", sa.String(200), nullable=False),  # the inviter's note about the invited person
    sa.Column("email", sa.String(254)),  # of the invited person; erased when the invitation is used, revoked or long expired
    sa.Column("email_folded", sa.String(320), index=True),
    sa.Column("email_status", sa.String(20)),  # of the e-mail with the link; null if none was to be sent
    sa.Column("link_number", sa.Integer, nullable=False),  # of the valid link: a new e-mail has a new one
    _foreign_key("inviter_id", "users.id"),
    _foreign_key("user_id", "users.id", nullable=True),  # the account that was created with it
    _timestamp("created_at"),
    _timestamp("link_created_at"),
    _timestamp("expires_at"),
    _timestamp("used_at", nullable=True),
    _timestamp("revoked_at", nullable=True),
)

# Signed links that show one draft without signing in.
preview_links = sa.Table(
    "preview_links",
    metadata,
    _id_column(),
    _foreign_key("post_id", "posts.id", index=True),
    _foreign_key("user_id", "users.id"),
    _timestamp("created_at"),
    _timestamp("expires_at"),
    _timestamp("revoked_at", nullable=True),
)

# Unsaved text of the editor: the values of its form. `kind` is `post` or `page`, and the id is null for a new one.
autosaves = sa.Table(
    "autosaves",
    metadata,
    _id_column(),
    _foreign_key("user_id", "users.id"),
    sa.Column("kind", sa.String(10), nullable=False),
    _foreign_key("post_id", "posts.id", nullable=True, index=True),
    _foreign_key("page_id", "static_pages.id", nullable=True, index=True),
    sa.Column("form", sa.JSON, nullable=False),
    _timestamp("updated_at"),
    sa.Index("ix_autosaves_user_id_post_id", "user_id", "post_id"),
)

# Users with the editor of a post open, so that each sees the others.
editing_sessions = sa.Table(
    "editing_sessions",
    metadata,
    _foreign_key("post_id", "posts.id", primary_key=True),
    _foreign_key("user_id", "users.id", primary_key=True, index=True),
    _timestamp("seen_at"),
)

# Notifications of users: a reply, a comment on their post, a comment that waits for moderation, a post that names them.
notifications = sa.Table(
    "notifications",
    metadata,
    _id_column(),
    _foreign_key("user_id", "users.id"),
    sa.Column("type", sa.String(50), nullable=False),
    _foreign_key("comment_id", "comments.id", nullable=True, index=True),  # null: about the post alone
    _foreign_key("post_id", "posts.id", nullable=True, index=True),  # null: the post of the comment
    _foreign_key("actor_id", "users.id", nullable=True),  # null: the author of the comment
    _timestamp("created_at"),
    _timestamp("read_at", nullable=True),
    sa.Index("ix_notifications_user_id_id", "user_id", "id"),
)

# Views of a post per day (in the time zone that the blog had then), without any data about readers.
post_views = sa.Table(
    "post_views",
    metadata,
    _foreign_key("post_id", "posts.id", primary_key=True),
    sa.Column("day", sa.Date, primary_key=True, index=True),
    sa.Column("views", sa.Integer, nullable=False),
)

# Views of posts by referring site per day (as in `post_views`): a host name, "" for direct views, "*" for all other sites.
referrer_views = sa.Table(
    "referrer_views",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("host", sa.String(253), primary_key=True),
    sa.Column("views", sa.Integer, nullable=False),
)

# Changes of accounts and permissions, for owners and for the users concerned.
audit_log = sa.Table(
    "audit_log",
    metadata,
    _id_column(),
    sa.Column("action", sa.String(50), nullable=False),
    sa.Column("occurred_at", UTCDateTime(), nullable=False, index=True),
    # No foreign keys: entries stay when accounts are deleted.
    sa.Column("actor_id", sa.BigInteger),  # null: an operator or an anonymous client
    sa.Column("subject_id", sa.BigInteger),  # the account concerned
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("user_agent", sa.String(200), nullable=False),
    sa.Column("correlation_id", sa.String(128), nullable=False),
    sa.Index("ix_audit_log_subject_id_id", "subject_id", "id"),
    sa.Index("ix_audit_log_action_id", "action", "id"),
)

# E-mails that wait to be sent. They are rendered when they are sent: no link and no secret is stored here.
email_queue = sa.Table(
    "email_queue",
    metadata,
    _id_column(),
    sa.Column("kind", sa.String(50), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    _timestamp("created_at"),
    sa.Column("due_at", UTCDateTime(), nullable=False, index=True),
    sa.Column("attempts", sa.SmallInteger, nullable=False),
)

# Two-factor authentication of an account: the secret of its authenticator app. It is active from `confirmed_at` on.
two_factor = sa.Table(
    "two_factor",
    metadata,
    _foreign_key("user_id", "users.id", primary_key=True, autoincrement=False),
    sa.Column("secret", sa.String(64), nullable=False),  # not hashed, because codes are computed from it
    sa.Column("last_totp_step", sa.BigInteger, nullable=False),  # time step of the last accepted code: no code works twice
    sa.Column("failures", sa.SmallInteger, nullable=False),  # wrong codes since the last correct one
    _timestamp("blocked_until", nullable=True),
    _timestamp("created_at"),
    _timestamp("confirmed_at", nullable=True),
)

# Recovery codes for two-factor authentication; each works once and is then deleted.
recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    _foreign_key("user_id", "users.id", primary_key=True),
    sa.Column("code_hash", sa.String(64), primary_key=True),  # SHA-256 of 80 random bits
)

# Passkeys. Bytes are base64url. `user_handle` identifies the user on a device: random, one per account.
passkeys = sa.Table(
    "passkeys",
    metadata,
    _id_column(),
    _foreign_key("user_id", "users.id", index=True),
    sa.Column("credential_id", sa.String(1400), nullable=False, unique=True),
    sa.Column("public_key", sa.Text, nullable=False),  # COSE
    sa.Column("user_handle", sa.String(100), nullable=False),
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    _timestamp("created_at"),
    _timestamp("last_used_at", nullable=True),
)

# Used WebAuthn challenges until they expire: none is accepted twice.
webauthn_challenges = sa.Table(
    "webauthn_challenges",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("used_at", UTCDateTime(), nullable=False, index=True),
)

# New e-mail addresses that are not confirmed yet; at most one per account.
email_changes = sa.Table(
    "email_changes",
    metadata,
    _foreign_key("user_id", "users.id", primary_key=True, autoincrement=False),
    sa.Column("email", sa.String(320), nullable=False),
    sa.Column("nonce", sa.String(64), nullable=False),  # part of a signed link: it does not suffice to build the link
    _timestamp("expires_at"),
)
