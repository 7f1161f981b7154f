"""Schemas of comments."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from blog.schemas.fields import Changes, CommentText, Id, Input, Output


class CommentStatus(StrEnum):
    """The status of a comment: public, visible to its author and moderators, or visible to moderators only."""

    VISIBLE = "visible"
    PENDING = "pending"
    REMOVED = "removed"


class Decision(StrEnum):
    """A moderator's decision about a comment. Only the moderation rules make a comment pending."""

    VISIBLE = "visible"
    REMOVED = "removed"


class NewComment(Input):
    """A comment on a post, or a reply to a comment on the same post."""

    content: CommentText
    parent_id: Id | None = None


class CommentChanges(Changes):
    """Changes to a comment: its author edits the text; authors of the post and moderators set the status."""

    content: CommentText = ""
    status: Decision = Decision.VISIBLE


class BulkDecision(Input):
    """One decision that is applied to several comments."""

    status: Decision
    ids: Annotated[list[Id], Field(min_length=1, max_length=50)]


class CommentOut(Output):
    """A comment in responses."""

    id: int
    post_id: int
    parent_id: int | None
    author: Annotated[str | None, BeforeValidator(lambda name: name or None)] = Field(
        description="The username; null for a removed comment that is listed because of its replies"
    )
    content: str
    html: str
    status: CommentStatus
    reason: str | None = Field(description="Why the comment is pending, or who removed it; null if it is visible")
    created_at: dt.datetime
    updated_at: dt.datetime
