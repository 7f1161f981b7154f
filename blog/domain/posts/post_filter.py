"""Filters and orders of lists of posts, and the values of their parameters."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey
from blog.errors import FieldError, InvalidInput
from blog.schemas.posts import PostSort, PostStatus
from blog.text.normalisation import fold_name

PAGE_SIZE = 20
_LIKE_SPECIAL, _ESCAPED = re.compile(r"[%_\\]"), r"\\\g<0>"
UNDELETE_WINDOW = dt.timedelta(days=30)
"""How long deleted posts are listed and can be restored."""


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Filters of a list of posts; a post must match all of them.

    tags: names, all of which a post must have.
    author, author_id: a username or an id.
    text: words of the post; of deleted posts, which are not in the search index, a part of the title.
    status: None: any status.
    is_deleted: deleted posts of the last 30 days instead of others.
    published_after, published_before: exclusive limits of the date: of the publication, or, for other posts, of the planned
        publication, the creation or the deletion.
    full: whether to load content and HTML.
    """

    tags: tuple[str, ...] = ()
    author: str | None = None
    text: str | None = None
    status: PostStatus | None = PostStatus.PUBLISHED
    limit: int = PAGE_SIZE
    after: CursorKey | None = None
    full: bool = False
    author_id: int | None = None
    is_deleted: bool = False
    slug: str | None = None
    published_after: dt.datetime | None = None
    published_before: dt.datetime | None = None
    updated_after: dt.datetime | None = None
    sort: PostSort = PostSort.NEWEST

    @property
    def is_public(self) -> bool:
        """Whether everybody may read the list."""
        return self.status is PostStatus.PUBLISHED and not self.is_deleted


@dataclass(frozen=True, slots=True)
class ListShape:
    """The part of a filter that determines the text of a query: the names of its parameters, but not their values."""

    parameters: frozenset[str]
    status: PostStatus | None
    is_deleted: bool
    full: bool
    sort: PostSort

    @property
    def tags(self) -> list[str]:
        """The names of the parameters of the tags."""
        return sorted(name for name in self.parameters if name.startswith("tag_"))


def shape_of(post_filter: PostFilter, values: dict[str, Any]) -> ListShape:
    """Return the shape of a filter with these values."""
    return ListShape(frozenset(values), post_filter.status, post_filter.is_deleted, post_filter.full, post_filter.sort)


def values_of(ctx: Context, post_filter: PostFilter) -> dict[str, Any]:
    """Return the values of the parameters of a filter, except `text`. Posts that are not public are limited to the actor's own,
    unless the actor is an editor.

    Raises NotAuthenticated and InvalidInput (cursor).
    """
    values: dict[str, Any] = {"limit": post_filter.limit + 1}
    values |= {f"tag_{place}": key for place, key in enumerate(dict.fromkeys(map(fold_name, post_filter.tags)))}
    if post_filter.author is not None:
        values["author"] = fold_name(post_filter.author)
    for name in ("author_id", "slug", "published_after", "published_before", "updated_after"):
        if (value := getattr(post_filter, name)) is not None:
            values[name] = value
    if post_filter.is_deleted:
        values["deleted_since"] = ctx.now - UNDELETE_WINDOW
        if post_filter.text is not None:
            values["title_pattern"] = f"%{re.sub(_LIKE_SPECIAL, _ESCAPED, post_filter.text)}%"
    if not post_filter.is_public and not policy.can_edit_all(actor := ctx.require_actor()):
        values["actor_id"] = actor.id
    return values if post_filter.after is None else values | _cursor_values(post_filter.sort, post_filter.after)


def _cursor_values(sort: PostSort, key: CursorKey) -> dict[str, Any]:
    try:
        return {"after_key": _parse_key(sort, key[0]), "after_id": key[1]}
    except (ValueError, OverflowError):  # the last hours of the year 9999 overflow in UTC
        raise InvalidInput([FieldError(("cursor",), "Not a valid cursor of this list. Start without one.", "cursor")]) from None


def _parse_key(sort: PostSort, text: str) -> Any:
    """Return the sort key in a cursor. Raises ValueError and OverflowError."""
    match sort.field:
        case "title":
            return text
        case "comments" | "views":
            return int(text)
    instant = dt.datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("a time without a zone")
    return instant.astimezone(dt.UTC)


def cursor_key(sort_key: Any, post_id: int) -> CursorKey:
    """Return the key of the last post of a page."""
    return sort_key.isoformat() if isinstance(sort_key, dt.datetime) else str(sort_key), post_id
