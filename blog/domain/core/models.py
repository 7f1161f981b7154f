"""The blog's own objects, as queries return them: frozen, complete, with no database behind them."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from blog.schemas.accounts import Role, Scope
from blog.schemas.comments import CommentStatus
from blog.schemas.feature_flags import Flag
from blog.schemas.posts import PostStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    id: int
    username: str
    name: str
    email: str | None
    age: int | None
    role: Role
    created_at: dt.datetime
    updated_at: dt.datetime
    can_sign_in: bool
    bio: str  # in the Markdown of comments
    avatar: str | None  # the name of an image file
    is_deleted: bool
    pending_email: str | None = None  # for its own user: waits for the letter to it to be answered


@dataclass(frozen=True, slots=True)
class Byline:
    """One author of a post, as shown: `username` for links, `name` for people."""

    username: str
    name: str
    avatar: str | None = None  # the name of an image file


@dataclass(frozen=True, slots=True)
class Post:
    """A post with its tags and authors, in order. In lists `content` and `html` are empty unless asked for."""

    id: int
    slug: str
    title: str
    content: str
    html: str
    excerpt: str
    status: PostStatus
    version: int
    word_count: int
    comment_count: int
    comments_open: bool
    publish_at: dt.datetime | None
    published_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime
    bylines: tuple[Byline, ...]
    tags: tuple[str, ...]

    @property
    def author(self) -> str:
        """The username of the first author."""
        return self.bylines[0].username

    @property
    def authors(self) -> list[str]:
        """All usernames, in order."""
        return [byline.username for byline in self.bylines]


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of a post."""

    post_id: int
    version: int
    slug: str
    title: str
    content: str
    tags: tuple[str, ...]
    status: PostStatus
    editor: str
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment; `author` is a username."""

    id: int
    post_id: int
    parent_id: int | None
    author: str
    author_name: str
    content: str
    html: str
    status: CommentStatus
    created_at: dt.datetime
    updated_at: dt.datetime
    reason: str | None = None  # why it waits for a moderator, or who removed it

    def redacted(self) -> "Comment":
        """Only the place of it in a discussion: without text and writer, as if it were removed."""
        removed = CommentStatus.REMOVED
        return dataclasses.replace(self, author="", author_name="", content="", html="", reason=None, status=removed)


class NotificationType(StrEnum):
    """What somebody is told of: a comment on their post, one that waits for them, an answer to their comment."""

    COMMENT = "comment"
    PENDING = "waiting"
    REPLY = "answer"


@dataclass(frozen=True, slots=True)
class Notification:
    """Told to one person. Of a comment that this person may not see any more, only that there was one: `comment` is None."""

    id: int
    notification_type: NotificationType
    created_at: dt.datetime
    is_read: bool
    comment: Comment | None
    post: Post | None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag and the number of published posts that carry it."""

    name: str
    posts: int


@dataclass(frozen=True, slots=True)
class Variant:
    """A smaller copy of an image; sizes in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Media:
    """An uploaded image, its files by name."""

    id: int
    name: str
    media_type: str
    width: int
    height: int
    alt: str
    variants: tuple[Variant, ...]
    user_id: int
    created_at: dt.datetime

    @property
    def file_names(self) -> tuple[str, ...]:
        """Its files."""
        return (self.name, *(variant.name for variant in self.variants))


@dataclass(frozen=True, slots=True)
class FlagState:
    """A feature flag: as it is, as the settings have it, and when an owner last set it."""

    name: Flag
    enabled: bool
    default: bool
    updated_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token without its secret."""

    id: int
    name: str
    scopes: tuple[Scope, ...]
    created_at: dt.datetime
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which somebody is signed in. `key` tells one's sessions apart and opens none."""

    public_id: str
    user_agent: str
    created_at: dt.datetime
    last_seen_at: dt.datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that happened to an account or a right; `actor` and `subject` are usernames."""

    id: int
    action: str
    occurred_at: dt.datetime
    actor: str | None  # None: an operator, or somebody unknown
    subject: str | None
    data: Mapping[str, Any]
    address: str
    user_agent: str
    correlation_id: str

    def without_client_details(self) -> "AuditEntry":
        """The same without what says from where it was done."""
        return dataclasses.replace(self, address="", user_agent="", correlation_id="")


@dataclass(frozen=True, slots=True)
class TwoFactorStatus:
    """Whether an account asks for codes, since when, and how many recovery codes are left."""

    enabled_at: dt.datetime | None
    recovery_codes_left: int

    @property
    def is_enabled(self) -> bool:
        """Does signing in need a code?"""
        return self.enabled_at is not None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A key on a device; `last_used_at` is None until it opened the account once."""

    id: int
    name: str
    created_at: dt.datetime
    last_used_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class QueuedEmail:
    """A letter that is to be sent; `attempts` counts the one at hand."""

    id: int
    kind: str
    data: Mapping[str, Any]
    attempts: int
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class UserListEntry:
    """An account as owners see it in a list; `posts` are those published."""

    id: int
    username: str
    name: str
    email: str | None
    role: Role
    created_at: dt.datetime
    post_count: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link by which one person becomes a member; `user` is who came by it."""

    id: int
    role: Role
    note: str
    created_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None
    revoked_at: dt.datetime | None
    inviter: str
    accepted_by: str | None


@dataclass(frozen=True, slots=True)
class StaticPage:
    """A page that stands by itself, such as "About"."""

    id: int
    slug: str
    title: str
    content: str
    html: str
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ResultPage(Generic[T]):
    """Some items of a list; `next` is the sort key of the last one when more follow, else None."""

    items: Sequence[T]
    next: tuple[str, int] | None
