"""Import of a folder of Markdown files: in batches, each whole or not at all; a second run changes nothing."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.posts import import_records
from blog.domain.posts.rendering import Manuscript
from blog.import_export.markdown import folder as markdown_folder
from blog.import_export.markdown import rendering, source
from blog.import_export.markdown.folder import Refusal, Tree, shown
from blog.import_export.markdown.images import Images
from blog.import_export.markdown.plan import EDITED, Action, Planner, Step
from blog.import_export.markdown.process_pool import Typeset, Typesetter, typesetter
from blog.import_export.markdown.source import SourcePost
from blog.import_export.markdown.totals import Tally, Totals
from blog.import_export.markdown.writer import Writer

BATCH = 25
"""Posts a transaction: all is rendered before it begins, so that others wait for the write lock only shortly."""
_AHEAD = 2  # batches that are rendered while another is written

T = TypeVar("T")
Noted = tuple[Step, Sequence[str]]
"""A step, and what of the post will not be quite as it was written."""
Ready = tuple[Step, Manuscript | None]
"""A step with all that needs no database done."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did: totals, refused files, and warnings (`path: what`) about posts that are not quite as written."""

    totals: Totals
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]


def unseen(done: int, total: int) -> None:
    """The progress that nobody looks at."""


async def import_markdown(
    ctx: Context,
    folder: Path,
    *,
    dry_run: bool = False,
    media_address: str = "/media/",
    progress: Callable[[int, int], None] = unseen,
) -> Report:
    """Import the posts of a folder; the actor becomes their editor, and the author of those that name none.

    `progress` is called with the files done and their total number: first with 0, then after each batch. A dry run
    reads, checks and renders all, and writes nothing. Raises InvalidInput (no folder), NotSignedIn, Unavailable.
    """
    actor = ctx.signed_in()
    source = await anyio.to_thread.run_sync(markdown_folder.scan, folder)
    keep = media.name_of if dry_run else partial(media.keep, ctx.site.media)
    writer = None if dry_run else Writer(ctx, actor, source)
    run = _Run(ctx, source, Images(source, keep, media_address), writer)
    total = len(source.paths)
    progress(0, total)
    size = await anyio.to_thread.run_sync(source.size)
    async with typesetter(size) as typeset, contextlib.aclosing(run.do(typeset)) as numbers:
        async for done in numbers:
            progress(done, total)
    await run.give_old_slugs()
    return run.report()


class _Run:
    """One import, from its first batch to its last. Without a writer nothing is written."""

    def __init__(self, ctx: Context, source: Tree, images: Images, writer: Writer | None) -> None:
        self._db, self._source, self._images, self._writer = ctx.db, source, images, writer
        self._planner = Planner(source)
        self._tally = Tally()
        self._refusals = list(source.refusals)
        self._warnings: list[str] = []
        self._with_old_slugs: list[tuple[SourcePost, int]] = []

    async def do(self, typeset: Typesetter) -> AsyncGenerator[int, None]:
        """Read, render and write all, batch by batch, and tell after each how many files are done.

        While some are rendered the next are read and those before are written. That is safe: a plan depends on the traces of
        earlier imports alone, and what changed meanwhile is refused when it is written.
        """
        paths, coming, done = self._source.paths, deque[tuple[list[Noted], asyncio.Future[list[Typeset]]]](), 0
        try:
            for start in range(0, len(paths), BATCH):
                steps = await self._plan(await anyio.to_thread.run_sync(self._read, paths[start : start + BATCH]))
                bodies = await anyio.to_thread.run_sync(self._bodies, steps)
                works = [(step.post, body) for step, (body, _) in zip(steps, bodies, strict=True) if step.writes]
                noted = [(step, warnings) for step, (_, warnings) in zip(steps, bodies, strict=True)]
                coming.append((noted, asyncio.ensure_future(typeset(works))))
                if len(coming) > _AHEAD:
                    await self._keep(*coming.popleft())
                    done += BATCH
                    yield done
            while coming:
                await self._keep(*coming.popleft())
                done = min(done + BATCH, len(paths))
                yield done
        finally:
            for _, typesets in coming:
                typesets.cancel()
            await asyncio.gather(*(typesets for _, typesets in coming), return_exceptions=True)

    async def _keep(self, noted: Sequence[Noted], coming: Awaitable[list[Typeset]]) -> None:
        """Write a batch, and count it."""
        typesets = iter(await coming)
        found = [self._ready(step, warnings, next(typesets) if step.writes else None) for step, warnings in noted]
        ready = self._accepted(found)
        if self._writer is not None:
            ready = await self._write(self._writer, ready)
        for step, manuscript in ready:
            self._tally.add(step.post)
            self._tally.unchanged += manuscript is None

    async def give_old_slugs(self) -> None:
        """Let old addresses lead to the posts; last of all, so that none takes a slug that a later post has itself."""
        if self._writer is None:
            return
        for start in range(0, len(self._with_old_slugs), BATCH):
            async with self._db.transaction():
                for post, post_id in self._with_old_slugs[start : start + BATCH]:
                    taken = await self._writer.give_old_slugs(post, post_id)
                    self._warn(post, *(f"the old address {slug} leads to another post already" for slug in taken))

    def report(self) -> Report:
        """What was done."""
        refusals = tuple(sorted(self._refusals, key=lambda refusal: refusal.path))
        totals = self._tally.totals(images=self._images.kept, refused=len(refusals))
        return Report(totals, refusals, tuple(self._warnings))

    def _read(self, paths: Sequence[str]) -> list[SourcePost]:
        return self._accepted([source.read(self._source, path) for path in paths])

    async def _plan(self, found: Sequence[SourcePost]) -> list[Step]:
        names = [self._source.source(post.path) for post in found]
        traces = await import_records.traces(self._db, names, [post.digest for post in found])
        plan = self._planner.plan(found, traces)
        for post, decision in zip(found, plan, strict=True):
            if isinstance(decision, Refusal) and decision.reason == EDITED:
                self._tally.add(post)  # an older state of it is in the blog
        return self._accepted(plan)

    def _bodies(self, steps: Sequence[Step]) -> list[tuple[str, Sequence[str]]]:
        return [rendering.body_of(step.post, self._images) for step in steps]

    def _ready(self, step: Step, warnings: Sequence[str], typeset: Typeset | None) -> Ready | Refusal:
        if isinstance(typeset, Refusal):
            return typeset
        manuscript, about_tags = typeset or (None, ())
        self._warn(step.post, *warnings, *about_tags)
        return step, manuscript

    async def _write(self, writer: Writer, ready: Sequence[Ready]) -> list[Ready]:
        """Write a batch, all or nothing; what of it is in the blog then."""
        if all(step.action is Action.KEEP for step, _ in ready):
            outcomes = [await writer.write(*work) for work in ready]
        else:
            async with self._db.transaction():
                outcomes = [await writer.write(*work) for work in ready]
        in_blog = [(work, post_id) for work, post_id in zip(ready, outcomes, strict=True) if isinstance(post_id, int)]
        self._accepted(outcomes)
        self._with_old_slugs += [(work[0].post, post_id) for work, post_id in in_blog if work[0].post.old_slugs]
        return [work for work, _ in in_blog]

    def _accepted(self, outcomes: Sequence[T | Refusal]) -> list[T]:
        self._refusals.extend(outcome for outcome in outcomes if isinstance(outcome, Refusal))
        return [outcome for outcome in outcomes if not isinstance(outcome, Refusal)]

    def _warn(self, post: SourcePost, *warnings: str) -> None:
        self._warnings.extend(f"{shown(post.path)}: {warning}" for warning in warnings)
