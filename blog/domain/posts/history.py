"""The history of a post, as its writers look at it: what each version changed, and how any two differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread

from blog.domain.core.context import Context
from blog.domain.core.models import Page, Revision
from blog.domain.posts import diffs, revisions
from blog.domain.posts.diffs import Differences
from blog.text.diff import Volume, volume
from blog.text.markdown import render

PAGE = 20
_FACTS = {"title": "title", "tags": "tags", "slug": "address", "status": "status"}


@dataclass(frozen=True, slots=True)
class Step:
    """One version: how many words it added and removed, and what else it changed, such as `title`."""

    revision: Revision
    volume: Volume
    changed: Sequence[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions and what changed from the older to the newer one."""

    older: Revision
    newer: Revision
    differences: Differences


async def page(ctx: Context, post_id: int, *, limit: int = PAGE, after: tuple[str, int] | None = None) -> Page[Step]:
    """The versions of a post, newest first, each against the one before it. Raises NotSignedIn, NotFound, Forbidden."""
    found = (await revisions.page(ctx, post_id, limit=limit + 1, after=after)).items
    steps = await anyio.to_thread.run_sync(_steps, found, limit)
    return Page(steps, ("", found[limit - 1].version) if len(found) > limit else None)


async def compare(ctx: Context, post_id: int, one: int, other: int) -> Comparison:
    """Two versions, whichever is named first. Raises NotSignedIn, NotFound, Forbidden."""
    older, newer = await revisions.both(ctx, post_id, min(one, other), max(one, other))
    return Comparison(older, newer, await diffs.between(diffs.side_of(older), diffs.side_of(newer)))


async def rendered(revision: Revision) -> str:
    """The safe HTML of a version: only that of the present one is kept."""
    return await anyio.to_thread.run_sync(render, revision.content)


def _steps(found: Sequence[Revision], limit: int) -> list[Step]:
    return [_step(revision, found[index + 1] if index + 1 < len(found) else None) for index, revision in enumerate(found[:limit])]


def _step(revision: Revision, before: Revision | None) -> Step:
    if before is None:
        return Step(revision, volume("", revision.content), ())
    changed = [word for name, word in _FACTS.items() if getattr(revision, name) != getattr(before, name)]
    return Step(revision, volume(before.content, revision.content), changed)
