"""Schemas of comments."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from blog.schemas.fields import Changes, CommentText, Id, Input, Name, Output
from blog.text.email_address import EmailAddress


class CommentStatus(StrEnum):
    """The status of a comment: public, visible to its author and moderators, or visible to moderators only.

    `spam` is a removed comment that counts against its author: later comments of the author are held.
    """

    VISIBLE = "visible"
    PENDING = "pending"
    REMOVED = "removed"
    SPAM = "spam"

    @property
    def is_hidden(self) -> bool:
        """Whether only moderators see the comment."""
        return self in (CommentStatus.REMOVED, CommentStatus.SPAM)


class Decision(StrEnum):
    """A moderator's decision about a comment. Only the moderation rules make a comment pending."""

    VISIBLE = "visible"
    REMOVED = "removed"
    SPAM = "spam"


class NewComment(Input):
    """A comment on a post, or a reply to a comment on the same post."""

    content: CommentText
    parent_id: Id | None = None


class NewGuestComment(NewComment):
    """A comment without an account, from the form on the page. It is held for moderation, and the address is never shown."""

    name: Name
    email: Annotated[EmailAddress, StringConstraints(max_length=254)]


class CommentChanges(Changes):
    """Changes to a comment: its author edits the text; authors of the post and moderators set the status."""

    content: CommentText = ""
    status: Decision = Decision.VISIBLE


class BulkDecision(Input):
    """One decision that is applied to several comments."""

    status: Decision
    ids: Annotated[list[Id], Field(min_length=1, max_length=50)]


class Badge(StrEnum):
    """The role of a comment's author, shown next to the name. Readers have none."""

    AUTHOR = "author"
    EDITOR = "editor"
    OWNER = "owner"


class CommentAuthorOut(Output):
    """The author of a comment. Names are chosen freely and can be alike; usernames are unique."""

    username: str
    name: str
    avatar: str | None = Field(description="The URL of a square picture")
    badge: Badge | None = Field(description="The author's role on the blog; null for readers")


class CommentGuestOut(Output):
    """The author of a comment without an account. Anybody can type any name."""

    name: str


class CommentOut(Output):
    """A comment in responses."""

    id: int
    post_id: int
    parent_id: int | None
    author: CommentAuthorOut | None = Field(
        description="null for a guest, and if the comment was removed and only its place in the thread is left"
    )
    guest: CommentGuestOut | None = Field(description="The author, if it has no account; null for members")
    content: str
    html: str
    status: CommentStatus
    reason: str | None = Field(
        description="Why the comment is pending, or the moderator that removed it or marked it as spam; null if it is visible"
    )
    created_at: dt.datetime
    updated_at: dt.datetime
