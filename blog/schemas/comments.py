"""Comments on the wire."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from blog.schemas.fields import Changes, CommentText, Id, Input, Output


class CommentStatus(StrEnum):
    """Who sees a comment: everybody, its writer and moderators until one of them decides, or moderators alone."""

    VISIBLE = "visible"
    PENDING = "pending"
    REMOVED = "removed"


class Decision(StrEnum):
    """What a moderator makes of a comment; it is the blog that lets one wait."""

    VISIBLE = "visible"
    REMOVED = "removed"


class NewComment(Input):
    """A comment on a post, or an answer to another one on the same post."""

    content: CommentText
    parent_id: Id | None = None


class CommentChanges(Changes):
    """Its author changes the text; the author of the post and moderators set the status."""

    content: CommentText = ""
    status: Decision = Decision.VISIBLE


class BulkDecision(Input):
    """One decision about several comments."""

    status: Decision
    ids: Annotated[list[Id], Field(min_length=1, max_length=50)]


class CommentOut(Output):
    """A comment as clients see it."""

    id: int
    post_id: int
    parent_id: int | None
    author: str
    content: str
    html: str
    status: CommentStatus
    reason: str | None = Field(description="Why it waits for a moderator, or who removed it; null when it is visible")
    created_at: dt.datetime
    updated_at: dt.datetime
