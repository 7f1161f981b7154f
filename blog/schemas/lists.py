"""Lists and their pagination."""

from typing import Annotated, Generic, TypeVar

from pydantic import Field, StringConstraints

from blog.schemas.accounts import MemberOut, TokenSummary, UserOut
from blog.schemas.comments import CommentOut
from blog.schemas.fields import NORMALISED, Input, Line, Output
from blog.schemas.media import MediaOut
from blog.schemas.posts import PostOut, PostStatus, RevisionOut

T = TypeVar("T")

Limit = Annotated[int, Field(ge=1, le=100)]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PageQuery(Input):
    """Query of a page: at most `limit` items after `cursor`, which the previous page returned as `next`."""

    limit: Limit = 20
    cursor: Cursor | None = None


class PostQuery(PageQuery):
    """Query of a page of posts. Posts must match all filters."""

    tag: Annotated[Line, Field(min_length=1, max_length=50), NORMALISED] | None = None
    author: Annotated[Line, Field(min_length=1, max_length=50), NORMALISED] | None = None
    q: Annotated[Line, Field(min_length=1, max_length=200)] | None = None
    status: PostStatus | None = None


class MediaQuery(PageQuery):
    """Query of a page of images."""

    q: Annotated[Line, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Text in the file name or the alt text"
    )
    uploader: Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9_-]{3,50})$")] | None = Field(
        default=None, description="For editors: a username, or `*` for the images of everybody. Absent: your own images"
    )


class ListOut(Output, Generic[T]):
    """One page of a list. `next` is the cursor of the following page, or null."""

    items: list[T]
    next: str | None


class PostListOut(ListOut[PostOut]):
    """A page of posts."""


class RevisionListOut(ListOut[RevisionOut]):
    """A page of versions of a post."""


class CommentListOut(ListOut[CommentOut]):
    """A page of comments."""


class MediaListOut(ListOut[MediaOut]):
    """A page of images, newest first."""


class UserListOut(ListOut[MemberOut | UserOut]):
    """A page of accounts, for owners; or the public profile with a username."""


class TokenListOut(ListOut[TokenSummary]):
    """A page of the valid tokens of an account."""
