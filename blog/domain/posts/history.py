"""The history of a post, as its writers look at it: what each version changed, and how any two differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread

from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.posts import diffs, revisions
from blog.domain.posts.diffs import PostDiff
from blog.domain.posts.models import Revision
from blog.text.diff import WordCount, count_changed_words
from blog.text.markdown import render

PAGE_SIZE = 20
_FIELD_LABELS = {"title": "title", "tags": "tags", "slug": "address", "status": "status"}


@dataclass(frozen=True, slots=True)
class RevisionSummary:
    """One version: how many words it added and removed, and what else it changed, such as `title`."""

    revision: Revision
    word_count: WordCount
    changed_fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class RevisionComparison:
    """Two versions and what changed from the older to the newer one."""

    older: Revision
    newer: Revision
    diff: PostDiff


async def list_page(
    ctx: Context, post_id: int, *, limit: int = PAGE_SIZE, after: CursorKey | None = None
) -> ResultPage[RevisionSummary]:
    """The versions of a post, newest first, each against the one before it. Raises NotSignedIn, NotFound, Forbidden."""
    found = (await revisions.list_page(ctx, post_id, limit=limit + 1, after=after)).items
    steps = await anyio.to_thread.run_sync(_summarise_all, found, limit)
    return ResultPage(steps, ("", found[limit - 1].version) if len(found) > limit else None)


async def compare(ctx: Context, post_id: int, version_a: int, version_b: int) -> RevisionComparison:
    """Two versions, whichever is named first. Raises NotSignedIn, NotFound, Forbidden."""
    older, newer = await revisions.get_pair(ctx, post_id, min(version_a, version_b), max(version_a, version_b))
    return RevisionComparison(older, newer, await diffs.compare(diffs.content_of(older), diffs.content_of(newer)))


async def render_html(revision: Revision) -> str:
    """The safe HTML of a version: only that of the present one is kept."""
    return await anyio.to_thread.run_sync(render, revision.content)


def _summarise_all(found: Sequence[Revision], limit: int) -> list[RevisionSummary]:
    return [
        _summarise(revision, found[index + 1] if index + 1 < len(found) else None) for index, revision in enumerate(found[:limit])
    ]


def _summarise(revision: Revision, before: Revision | None) -> RevisionSummary:
    if before is None:
        return RevisionSummary(revision, count_changed_words("", revision.content), ())
    changed = [word for name, word in _FIELD_LABELS.items() if getattr(revision, name) != getattr(before, name)]
    return RevisionSummary(revision, count_changed_words(before.content, revision.content), changed)
