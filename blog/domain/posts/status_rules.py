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
_EMPTY = "This post is empty. Write something before you publish it, or save it as a draft."


def resolve_status(changes: Mapping[str, Any], before: PostContent | None, now: dt.datetime) -> dict[str, Any]:
    """Return the changes with the status and the publication time that follow from them.

    changes: the values that were sent, by field name. An absent status is not the same as a default one.
    before: the stored content; None for a new post, which is published unless something else was sent.

    Raises InvalidInput for a time in the past, and for a status and a time that contradict each other.
    """
    if before is not None and changes.keys().isdisjoint({"status", "publish_at"}):
        return dict(changes)
    at = changes.get("publish_at")
    status = changes.get("status") or _implied_status(at, before)
    if status is not PostStatus.SCHEDULED:
        if at is not None:
            raise _error(_CONTRADICTION)
    elif "publish_at" not in changes and before is not None and before.status is PostStatus.SCHEDULED:
        at = before.publish_at
    elif at is None or at <= now:
        raise _error(_PAST)
    return {**changes, "status": status, "publish_at": at}


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


def _error(message: str) -> InvalidInput:
    return InvalidInput([FieldError(("publish_at",), message, "publish_at")])
