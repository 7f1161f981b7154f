"""Comments and notifications, as queries return them."""

import dataclasses
import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from blog.domain.posts.models import Post
from blog.schemas.comments import CommentStatus


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
