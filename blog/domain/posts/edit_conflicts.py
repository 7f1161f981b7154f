"""Two people changed one post: what the later one is shown, so that neither text is lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread

from blog.domain.core.context import Context
from blog.domain.posts import diffs, revisions
from blog.domain.posts.diffs import PostContent, PostDiff, content_of
from blog.domain.posts.models import Post, Revision
from blog.errors import NotFound
from blog.schemas.posts import PostChanges, PostStatus
from blog.text.three_way_merge import merge

_FIELD_LABELS = {"title": "the title", "slug": "the address", "tags": "the tags"}


@dataclass(frozen=True, slots=True)
class EditConflict:
    """The present text (`theirs`) and the typed one (`mine`), each seen from the other and from where the later one began.

    `base` is that beginning, `latest` the version that came between, `since` what it changed; all None when the beginning
    is not known. `merged` holds both changes, where they do not touch, and `joining` what it does to `theirs`; else
    `touching` names what both changed, such as `the title`.
    """

    theirs: PostContent
    mine: PostContent
    diff: PostDiff
    base: Revision | None = None
    latest: Revision | None = None
    diff_since_base: PostDiff | None = None
    merged: PostContent | None = None
    merged_diff: PostDiff | None = None
    overlapping: Sequence[str] = ()


async def describe(ctx: Context, theirs: Post, mine: PostChanges, base_version: int) -> EditConflict:
    """What both did since the version that the later one began with. Raises NotSignedIn, NotFound (post), Forbidden."""
    present = content_of(theirs)
    try:
        base, latest = await revisions.get_pair(ctx, theirs.id, base_version, theirs.version)
    except NotFound:  # a form that was made up, or a history that is not whole
        typed = _submitted_content(mine, present)
        return EditConflict(present, typed, await diffs.compare(present, typed))
    start = content_of(base)
    typed = _submitted_content(mine, start)
    merged, touching = await anyio.to_thread.run_sync(_merge, start, typed, present)
    return EditConflict(
        present,
        typed,
        await diffs.compare(present, typed),
        base,
        latest,
        await diffs.compare(start, present),
        merged,
        await diffs.compare(present, merged) if merged else None,
        touching,
    )


def _submitted_content(mine: PostChanges, start: PostContent) -> PostContent:
    """What the form held. A form that leaves the address empty leaves it as it was."""
    slug = mine.slug if "slug" in mine.model_fields_set else start.slug
    return PostContent(mine.title, mine.content, tuple(mine.tags), slug, mine.status, mine.publish_at)


def _merge(base: PostContent, mine: PostContent, theirs: PostContent) -> tuple[PostContent | None, Sequence[str]]:
    found: dict[str, Any] = {}
    touching: list[str] = []
    for name, words in _FIELD_LABELS.items():
        before, ours, others = (getattr(side, name) for side in (base, mine, theirs))
        found[name] = others if ours in (before, others) else ours
        if others not in (before, ours) and ours != before:
            touching.append(words)
    content = merge(base.content, mine.content, theirs.content)
    if content is None:
        touching.append("the same lines of the text")
    if _both_changed_publication(base, mine, theirs):
        touching.append("who can read it")
    if touching or content is None:
        return None, touching
    timing = theirs if mine.status in (base.status, theirs.status) else mine
    return PostContent(content=content, status=timing.status, publish_at=timing.publish_at, **found), ()


def _both_changed_publication(base: PostContent, mine: PostContent, theirs: PostContent) -> bool:
    if mine.status is theirs.status is PostStatus.SCHEDULED:
        return _publish_minute(mine) != _publish_minute(theirs)
    return base.status not in (mine.status, theirs.status) and mine.status is not theirs.status


def _publish_minute(side: PostContent) -> str:
    """A form knows no seconds."""
    return f"{side.publish_at:%Y-%m-%dT%H:%M}" if side.publish_at else ""
