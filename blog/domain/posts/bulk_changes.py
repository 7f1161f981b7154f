"""The same change of several posts. Each post is changed as by a single edit, in a separate transaction.

So the write lock is held for one post at a time, and a request that ends in the middle keeps what it has done. A repeated request
changes the other posts only.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import anyio
import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts import authors, post_queries, posts
from blog.domain.posts.models import Post
from blog.errors import BlogError, Conflict, FieldError, InvalidInput, NotFound, Unavailable, VersionConflict
from blog.schemas.fields import MAX_TAGS
from blog.schemas.post_management import BulkAction, BulkChange
from blog.schemas.posts import PostStatus
from blog.text.normalisation import fold_name

_p = tables.posts.c
_BATCH_SIZE = 50  # posts that are read at once
_MAX_RETRIES = 3  # after another writer has changed the post in the meantime


class Outcome(Enum):
    """The outcome of the change of one post."""

    DONE = auto()
    UNCHANGED = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class PostOutcome:
    """The outcome for one post, and the reason if it was refused."""

    title: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The outcome for each post, and the ids that were not reached within the time limit."""

    outcomes: Sequence[PostOutcome]
    remaining: Sequence[int]

    def count(self, outcome: Outcome) -> int:
        """Return the number of posts with an outcome."""
        return sum(item.outcome is outcome for item in self.outcomes)

    @property
    def refused(self) -> Sequence[PostOutcome]:
        """The posts that were refused."""
        return [item for item in self.outcomes if item.outcome is Outcome.REFUSED]


async def selected(ctx: Context, ids: Sequence[int]) -> Sequence[Post]:
    """Return the posts with these ids that the actor may change, deleted ones included, in this order."""
    found = await _read(ctx, ids)
    return [found[post_id] for post_id in dict.fromkeys(ids) if post_id in found]


async def require_known_author(ctx: Context, change: BulkChange) -> None:
    """Raise InvalidInput (author) if the change names a new author without the right to write posts."""
    if change.action is not BulkAction.SET_AUTHOR or change.author is None:
        return
    try:
        await authors.resolve(ctx, [change.author])
    except InvalidInput as error:
        raise InvalidInput([FieldError(("author",), error.errors[0].msg, "author")]) from None


async def apply(ctx: Context, change: BulkChange, ids: Sequence[int], *, time_limit: float) -> BulkResult:
    """Change the posts, in this order, for at most about `time_limit` seconds. Raises NotAuthenticated, Forbidden, Unavailable.

    A post that has the result of the change already is left unchanged, so that a repeated request is harmless.
    """
    policy.require_writer(ctx)
    ids = list(dict.fromkeys(ids))
    deadline = anyio.current_time() + time_limit
    outcomes: list[PostOutcome] = []
    async for post_id, post in _each(ctx, ids):
        if anyio.current_time() > deadline:
            break
        outcomes.append(await _change_or_refuse(ctx, change, post_id, post))
    return BulkResult(outcomes, ids[len(outcomes) :])


async def _each(ctx: Context, ids: Sequence[int]) -> AsyncIterator[tuple[int, Post | None]]:
    for start in range(0, len(ids), _BATCH_SIZE):
        batch = ids[start : start + _BATCH_SIZE]
        found = await _read(ctx, batch)
        for post_id in batch:
            yield post_id, found.get(post_id)


async def _read(ctx: Context, ids: Sequence[int]) -> Mapping[int, Post]:
    query = sa.select(*post_queries.SUMMARY_COLUMNS).where(_p.id.in_(list(ids)))
    return {post.id: post for post in await post_queries.fetch(ctx.db, query) if policy.can_edit(ctx.actor, post)}


async def _change_or_refuse(ctx: Context, change: BulkChange, post_id: int, post: Post | None) -> PostOutcome:
    if post is None:
        return PostOutcome(f"Post {post_id}", Outcome.REFUSED, "This post does not exist")
    try:
        return PostOutcome(post.title, await _change(ctx, change, post))
    except Unavailable:
        raise
    except BlogError as error:
        reason = error.errors[0].msg if isinstance(error, InvalidInput | Conflict) and error.errors else error.detail
        return PostOutcome(post.title, Outcome.REFUSED, reason)


async def _change(ctx: Context, change: BulkChange, post: Post) -> Outcome:
    if change.action in (BulkAction.DELETE, BulkAction.RESTORE):
        return await _delete_or_restore(ctx, change, post)
    if post.deleted_at is not None:
        raise NotFound("This post was deleted")
    for _ in range(_MAX_RETRIES):
        if (changes := _changes(change, post)) is None:
            return Outcome.UNCHANGED
        with contextlib.suppress(VersionConflict):
            await posts.save_changes(ctx, post.id, changes, if_match={post.version})
            return Outcome.DONE
        post = await posts.get(ctx, post.id)
    raise VersionConflict("Somebody else is changing this post. Try again.")


async def _delete_or_restore(ctx: Context, change: BulkChange, post: Post) -> Outcome:
    if (change.action is BulkAction.DELETE) == (post.deleted_at is not None):
        return Outcome.UNCHANGED
    if change.action is BulkAction.DELETE:
        await posts.delete(ctx, post.id)
    else:
        await posts.undelete(ctx, post.id)
    return Outcome.DONE


def _changes(change: BulkChange, post: Post) -> dict[str, Any] | None:
    """Return the changed fields, or None if the post has the result already."""
    match change.action:
        case BulkAction.PUBLISH | BulkAction.UNPUBLISH:
            status = PostStatus.PUBLISHED if change.action is BulkAction.PUBLISH else PostStatus.DRAFT
            return None if post.status is status else {"status": status}
        case BulkAction.ADD_TAG | BulkAction.REMOVE_TAG:
            tag = change.tag or ""
            others = [name for name in post.tags if fold_name(name) != fold_name(tag)]
            has_tag, adds = len(others) < len(post.tags), change.action is BulkAction.ADD_TAG
            if has_tag == adds:
                return None
            if adds and len(others) >= MAX_TAGS:
                raise InvalidInput(
                    [FieldError(("tag",), f"It has {MAX_TAGS} tags already, and no post may have more", "too_long")]
                )
            return {"tags": [*others, tag] if adds else others}
        case BulkAction.SET_AUTHOR:
            author = change.author or ""
            return None if [fold_name(each.username) for each in post.authors] == [fold_name(author)] else {"authors": [author]}
        case _:
            raise ValueError(f"{change.action} is not an edit")
