"""Lists and their pagination."""

import datetime as dt
from typing import Annotated, Generic, TypeVar

from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from blog.schemas.accounts import TokenSummary, UserOut
from blog.schemas.comments import CommentOut
from blog.schemas.fields import NORMALISED, Input, Instant, Line, Output, Slug
from blog.schemas.invitations import InvitationOut
from blog.schemas.media import MediaOut
from blog.schemas.members import MemberOut
from blog.schemas.posts import ListedStatus, PostOut, PublicPostSort, RevisionOut
from blog.schemas.static_pages import StaticPageOut

T = TypeVar("T")

Limit = Annotated[int, Field(ge=1, le=100)]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PageQuery(Input):
    """Query of a page: at most `limit` items after `cursor`, which the previous page returned as `next`."""

    limit: Limit = 20
    cursor: Cursor | None = None


class PostQuery(PageQuery):
    """Query of a page of posts. Posts must match all filters."""

    tag: list[Annotated[Line, Field(min_length=1, max_length=50), NORMALISED]] = Field(
        default_factory=list, max_length=20, description="Repeat it for posts that have several tags"
    )
    author: Annotated[Line, Field(min_length=1, max_length=50), NORMALISED] | None = None
    slug: Annotated[Slug, Field(description="The current slug")] | None = None
    q: Annotated[Line, Field(min_length=1, max_length=200, description="Words to search for")] | None = None
    status: ListedStatus | None = Field(
        default=None,
        description=(
            "Default: published. Other statuses need a token: they list the user's own posts, and all posts for editors. "
            "`deleted` lists posts that were deleted in the last 30 days; it cannot be combined with `q`"
        ),
    )
    published_after: Instant | None = Field(default=None, description="Only posts published after this time")
    published_before: Instant | None = Field(
        default=None, description="Only posts published before this time, which must be later than `published_after`"
    )
    updated_after: Instant | None = Field(default=None, description="Only posts whose last version is from after this time")
    sort: PublicPostSort = Field(
        default=PublicPostSort.NEWEST,
        description=(
            "In a list of drafts or scheduled posts, `published_at` means the time of creation; in one of deleted posts, that "
            "of deletion"
        ),
    )
    count: bool = Field(default=False, description="Whether the response has `total`, the number of posts on all pages")

    @field_validator("status", "published_after", "published_before")
    @classmethod
    def _check_contradictions(cls, value: T, info: ValidationInfo) -> T:
        """Refuse a value that contradicts an earlier member, because the list would always be empty."""
        others = info.data
        if value is ListedStatus.DELETED and others.get("q") is not None:
            raise PydanticCustomError("contradiction", "Deleted posts are not in the search index. Leave out `q` or `status`")
        if info.field_name != "status" and value is not None:
            if others.get("status") not in (None, ListedStatus.PUBLISHED):
                raise PydanticCustomError("contradiction", "Only published posts have this time. Leave it or `status` out")
            after = others.get("published_after")
            if info.field_name == "published_before" and isinstance(value, dt.datetime) and after and value <= after:
                raise PydanticCustomError("contradiction", "Use a time after `published_after`")
        return value


class MediaQuery(PageQuery):
    """Query of a page of files."""

    q: Annotated[Line, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Text in the file name or the alt text"
    )
    uploader: Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9_-]{3,50})$")] | None = Field(
        default=None, description="For editors: a username, or `*` for the files of everybody. Absent: your own files"
    )


class AuthorQuery(Input):
    """Query for users to name as authors. `q` is the start of a username, or of a word of a name."""

    q: Annotated[Line, Field(max_length=50), NORMALISED] = ""


class ListOut(Output, Generic[T]):
    """One page of a list. `next` is the cursor of the following page, or null."""

    items: list[T]
    next: str | None


class PostListOut(ListOut[PostOut]):
    """A page of posts. `total`, the number of posts on all pages, is there if `count=true` was sent."""

    total: int | None = None


class RevisionListOut(ListOut[RevisionOut]):
    """A page of versions of a post."""


class CommentListOut(ListOut[CommentOut]):
    """A page of comments."""


class MediaListOut(ListOut[MediaOut]):
    """A page of uploaded files, newest first."""


class UserListOut(ListOut[MemberOut | UserOut]):
    """A page of accounts, for owners; or the public profile with a username."""


class StaticPageListOut(ListOut[StaticPageOut]):
    """A page of static pages, oldest first."""


class TokenListOut(ListOut[TokenSummary]):
    """A page of the valid tokens of an account."""


class InvitationListOut(ListOut[InvitationOut]):
    """A page of invitations, newest first."""
