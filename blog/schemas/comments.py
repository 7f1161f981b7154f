"""Comments on the wire."""

import datetime as dt
from enum import StrEnum

from blog.schemas.fields import Changes, CommentText, Id, Input, Output


class CommentStatus(StrEnum):
    """`removed` comments are seen by moderators alone."""

    VISIBLE = "visible"
    REMOVED = "removed"


class NewComment(Input):
    """A comment on a post, or an answer to another one on the same post."""

    content: CommentText
    parent_id: Id | None = None


class CommentChanges(Changes):
    """Its author changes the text; the author of the post and moderators set the status."""

    content: CommentText = ""
    status: CommentStatus = CommentStatus.VISIBLE


class CommentOut(Output):
    """A comment as clients see it."""

    id: int
    post_id: int
    parent_id: int | None
    author: str
    content: str
    html: str
    status: CommentStatus
    created_at: dt.datetime
    updated_at: dt.datetime
