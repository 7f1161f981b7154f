"""Models of comments and notifications."""

import dataclasses
import datetime as dt
from dataclasses import dataclass

from blog.domain.core.models import Author, NotificationType
from blog.domain.posts.models import Post
from blog.schemas.accounts import Role
from blog.schemas.comments import Badge, CommentStatus


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment; `author` is a username, `author_avatar` the name of an image file.

    A comment by a guest has no `author_id`, an empty `author`, and the typed name as `author_name` and `guest_name`.
    `guest_email` is for moderators alone, and None once it is erased.
    """

    id: int
    post_id: int
    parent_id: int | None
    author_id: int | None  # None if it is not shown
    author: str
    author_name: str
    author_avatar: str | None
    author_role: Role
    content: str
    html: str
    status: CommentStatus
    created_at: dt.datetime
    updated_at: dt.datetime
    reason: str | None = None  # why it is pending, or which moderator removed it
    guest_name: str | None = None
    guest_email: str | None = None

    @property
    def is_by_guest(self) -> bool:
        """Whether the author has no account."""
        return self.guest_name is not None

    @property
    def badge(self) -> Badge | None:
        """The author's role, if it is more than that of a reader."""
        return None if self.author_role is Role.READER else Badge(self.author_role.value)

    def redacted(self) -> "Comment":
        """Return a removed comment without text and author, to keep its place in the thread."""
        without_author = dataclasses.replace(
            self, author_id=None, author="", author_name="", author_avatar=None, author_role=Role.READER
        )
        without_author = dataclasses.replace(without_author, guest_name=None, guest_email=None)
        return dataclasses.replace(without_author, content="", html="", reason=None, status=CommentStatus.REMOVED)


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification for one user.

    comment, post: None if the user may no longer see them; a notification about a post alone has no comment.
    sender: the user behind a notification about a post alone.
    can_leave: whether the user may stop being an author of the post.
    """

    id: int
    notification_type: NotificationType
    created_at: dt.datetime
    is_read: bool
    comment: Comment | None
    post: Post | None
    sender: Author | None = None
    can_leave: bool = False
