"""Types that every feature of the domain shares."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from blog.schemas.comments import CommentStatus
from blog.schemas.posts import PostStatus

T = TypeVar("T")
U = TypeVar("U")
CursorKey = tuple[str, int]
"""The sort key of an item, and its id."""


class HasId(Protocol):
    """An object with a primary key."""

    @property
    def id(self) -> int:
        """Return the primary key."""


HasIdT = TypeVar("HasIdT", bound=HasId)


@dataclass(frozen=True, slots=True)
class ResultPage(Generic[T]):
    """Some items of a list. `next` is the sort key of the last item if more items follow, else None."""

    items: Sequence[T]
    next: CursorKey | None

    @classmethod
    def of(cls, rows: Sequence[T], limit: int, key: Callable[[T], CursorKey]) -> "ResultPage[T]":
        """Return the first `limit` rows as a page.

        rows: the result of a query for `limit + 1` rows; the additional row shows that more items follow.
        key: returns the sort key of a row.
        """
        items = rows[:limit]
        return cls(items, key(items[-1]) if len(rows) > limit else None)

    @staticmethod
    def by_id(rows: Sequence[HasIdT], limit: int) -> "ResultPage[HasIdT]":
        """Return the first `limit` rows as a page of a list that is ordered by id. Arguments as for `of`."""
        return ResultPage.of(rows, limit, lambda row: ("", row.id))

    def map(self, convert: Callable[[T], U]) -> "ResultPage[U]":
        """Return the same page with each item converted."""
        return ResultPage([convert(item) for item in self.items], self.next)


@dataclass(frozen=True, slots=True)
class Author:
    """An author of a post: `username` for links, `name` for people, `avatar` the name of an image file.

    Equal if the accounts are: two versions of a post do not differ because an author has a new name.
    """

    id: int
    username: str = field(compare=False)
    name: str = field(compare=False)
    avatar: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Variant:
    """A smaller copy of an image; sizes in pixels."""

    name: str
    width: int
    height: int


class PostLike(HasId, Protocol):
    """The attributes of a post that access rules and events read. `posts.models.Post` has them."""

    @property
    def slug(self) -> str:
        """Return the last part of the URL."""

    @property
    def status(self) -> PostStatus:
        """Return the publication status."""

    @property
    def tags(self) -> Sequence[str]:
        """Return the names of the tags, in order."""

    @property
    def authors(self) -> Sequence[Author]:
        """Return the authors, in order."""


class NotificationType(StrEnum):
    """The reason of a notification: a comment on the user's post, a pending one, a reply to the user's comment, or a by-line."""

    COMMENT = "comment"
    PENDING = "pending"
    REPLY = "reply"
    AUTHOR = "author"


class CommentLike(HasId, Protocol):
    """The attributes of a comment that access rules and events read. `comments.models.Comment` has them."""

    @property
    def post_id(self) -> int:
        """Return the id of the post."""

    @property
    def author(self) -> str:
        """Return the username of the author."""

    @property
    def status(self) -> CommentStatus:
        """Return the moderation status."""

    @property
    def created_at(self) -> dt.datetime:
        """Return the time of creation."""
