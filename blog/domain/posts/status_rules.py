"""The status of a post: how it follows from the fields that a writer sends, and what it requires of the content."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from blog.domain.posts.models import Post
from blog.domain.posts.post_content import PostContent
from blog.domain.posts.rendering import RenderedPost
from blog.errors import FieldError, InvalidInput
from blog.schemas.posts import PostStatus
from blog.text.plain_text import has_visible_content, html_to_text

_CONTRADICTION = "Only a scheduled post has a publication time. Schedule the post, or leave the time out."
_PAST = "A scheduled post needs a time in the future"
_NOT_PUBLISHED = "Only a published post has a publication date. Publish the post, or leave the date out."
_FUTURE = "The publication date is in the future. Use the publication time to schedule the post."
_EMPTY = "This post is empty. Write something before you publish it, or save it as a draft."


def resolve_status(changes: Mapping[str, Any], before: PostContent | None, now: dt.datetime) -> dict[str, Any]:
    """Return the changes with the status, the publication time and the publication date that follow from them.

    changes: the values that were sent, by field name. An absent status is not the same as a default one.
    before: the stored content; None for a new post, which is published unless something else was sent.

    The date of the first publication stays when the post is unpublished and published again, unless another one was sent.

    Raises InvalidInput for a time in the past, a date in the future, and a status that contradicts a time or a date.
    """
    if before is not None and changes.keys().isdisjoint({"status", "publish_at", "published_at"}):
        return dict(changes)
    at = changes.get("publish_at")
    implied = before.status if before is not None and "publish_at" not in changes else _implied_status(at, before)
    status = changes.get("status") or implied
    if status is not PostStatus.SCHEDULED:
        if at is not None:
            raise _error(_CONTRADICTION)
    elif "publish_at" not in changes and before is not None and before.status is PostStatus.SCHEDULED:
        at = before.publish_at
    elif at is None or at <= now:
        raise _error(_PAST)
    published_at = _resolve_published_at(changes.get("published_at"), status, before, now)
    return {**changes, "status": status, "publish_at": at, "published_at": published_at}


def _resolve_published_at(
    sent: dt.datetime | None, status: PostStatus, before: PostContent | None, now: dt.datetime
) -> dt.datetime | None:
    if sent is not None:
        if status is not PostStatus.PUBLISHED:
            raise _error(_NOT_PUBLISHED, "published_at")
        if sent > now:
            raise _error(_FUTURE, "published_at")
        return sent
    first = before.published_at if before is not None else None
    return first or (now if status is PostStatus.PUBLISHED else None)


def require_visible_content(rendered: RenderedPost, before: Post | None) -> None:
    """Raise InvalidInput for a public or scheduled post without visible content, which readers would see as an empty page.

    before: the stored post, if any. A post that is public and empty already, as an import can make it, stays editable.
    """
    if not rendered.is_empty or rendered.content.status is PostStatus.DRAFT:
        return
    if before is None or before.status is PostStatus.DRAFT or has_visible_content(before.html, html_to_text(before.html)):
        raise InvalidInput([FieldError(("content",), _EMPTY, "empty_post")])


def _implied_status(at: dt.datetime | None, before: PostContent | None) -> PostStatus:
    """Return the status without a sent one: a time schedules a post that is not public, and no time ends a schedule."""
    if before is None:
        return PostStatus.PUBLISHED if at is None else PostStatus.SCHEDULED
    if at is not None and before.status is PostStatus.DRAFT:
        return PostStatus.SCHEDULED
    if at is None and before.status is PostStatus.SCHEDULED:
        return PostStatus.DRAFT
    return before.status


def _error(message: str, field: str = "publish_at") -> InvalidInput:
    return InvalidInput([FieldError((field,), message, field)])
