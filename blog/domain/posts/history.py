"""The history of a post: what each version changed, and how two versions differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread

from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.posts import diffs, revisions
from blog.domain.posts.diffs import PostDiff
from blog.domain.posts.models import Revision
from blog.domain.posts.post_content import FieldKind, changed_fields
from blog.text.diff import WordCount, count_changed_words
from blog.text.markdown import render
from blog.text.word_count import count_words

PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class RevisionSummary:
    """A version, the number of words it added to and removed from the body, and the other fields it changed."""

    revision: Revision
    word_count: WordCount
    changed_fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class RevisionComparison:
    """Two versions and the changes from the older to the newer one."""

    older: Revision
    newer: Revision
    diff: PostDiff


async def list_page(
    ctx: Context, post_id: int, *, limit: int = PAGE_SIZE, after: CursorKey | None = None
) -> ResultPage[RevisionSummary]:
    """Return the versions of a post, newest first, each compared with the one before.

    Raises NotAuthenticated, NotFound or Forbidden.
    """
    # One more than the page: the oldest version of the page is compared with it.
    rows = (await revisions.list_page(ctx, post_id, limit=limit + 1, after=after)).items
    summaries = await anyio.to_thread.run_sync(_summarise_all, rows)
    return ResultPage.of(summaries, limit, lambda summary: ("", summary.revision.version))


async def compare(ctx: Context, post_id: int, version_a: int, version_b: int) -> RevisionComparison:
    """Compare two versions, in either order. Raises NotAuthenticated, NotFound or Forbidden."""
    older, newer = await revisions.get_pair(ctx, post_id, min(version_a, version_b), max(version_a, version_b))
    return RevisionComparison(older, newer, await diffs.compare(older, newer, ctx.site.formats))


async def render_html(revision: Revision) -> str:
    """Return the sanitised HTML of a version; only the HTML of the current version is stored."""
    return await anyio.to_thread.run_sync(render, revision.content)


def _summarise_all(rows: Sequence[Revision]) -> list[RevisionSummary]:
    return [_summarise(revision, before) for revision, before in zip(rows, (*rows[1:], None), strict=True)]


def _summarise(revision: Revision, before: Revision | None) -> RevisionSummary:
    if before is None:
        return RevisionSummary(revision, WordCount(count_words(revision.content), 0), ())
    nouns = [field.noun for field in changed_fields(before, revision) if field.kind is not FieldKind.TEXT]
    return RevisionSummary(revision, count_changed_words(before.content, revision.content), nouns)
