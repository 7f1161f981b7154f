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
from blog.domain.posts.rendering import RenderedPost
from blog.import_export.markdown import folder as markdown_folder
from blog.import_export.markdown import rendering, source
from blog.import_export.markdown.folder import Rejection, SourceFolder, printable
from blog.import_export.markdown.images import ImageImporter
from blog.import_export.markdown.plan import EDITED_IN_BLOG, Action, PlannedPost, Planner
from blog.import_export.markdown.process_pool import Typeset, Typesetter, typesetter
from blog.import_export.markdown.source import SourcePost
from blog.import_export.markdown.totals import ImportCounter, ImportTotals
from blog.import_export.markdown.writer import Writer

BATCH_SIZE = 25
"""Posts a transaction: all is rendered before it begins, so that others wait for the write lock only shortly."""
_PREFETCH_BATCHES = 2  # batches that are rendered while another is written

T = TypeVar("T")
StepWithWarnings = tuple[PlannedPost, Sequence[str]]
"""A step, and what of the post will not be quite as it was written."""
RenderedStep = tuple[PlannedPost, RenderedPost | None]
"""A step with all that needs no database done."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What a run did: totals, refused files, and warnings (`path: what`) about posts that are not quite as written."""

    totals: ImportTotals
    rejections: tuple[Rejection, ...]
    warnings: tuple[str, ...]


def no_progress(done: int, total: int) -> None:
    """The progress that nobody looks at."""


async def import_markdown(
    ctx: Context,
    directory: Path,
    *,
    dry_run: bool = False,
    media_url: str = "/media/",
    progress: Callable[[int, int], None] = no_progress,
) -> ImportReport:
    """Import the posts of a folder; the actor becomes their editor, and the author of those that name none.

    `progress` is called with the files done and their total number: first with 0, then after each batch. A dry run
    reads, checks and renders all, and writes nothing. Raises InvalidInput (no folder), NotSignedIn, Unavailable.
    """
    actor = ctx.require_actor()
    source = await anyio.to_thread.run_sync(markdown_folder.scan, directory)
    keep = media.content_name if dry_run else partial(media.store_imported, ctx.site.storage)
    writer = None if dry_run else Writer(ctx, actor, source)
    run = _ImportRun(ctx, source, ImageImporter(source, keep, media_url), writer)
    total = len(source.paths)
    progress(0, total)
    size = await anyio.to_thread.run_sync(source.total_bytes)
    async with typesetter(size) as typeset, contextlib.aclosing(run.run(typeset)) as numbers:
        async for done in numbers:
            progress(done, total)
    await run.assign_old_slugs()
    return run.report()


class _ImportRun:
    """One import, from its first batch to its last. Without a writer nothing is written."""

    def __init__(self, ctx: Context, source: SourceFolder, images: ImageImporter, writer: Writer | None) -> None:
        self._db, self._folder, self._images, self._writer = ctx.db, source, images, writer
        self._planner = Planner(source)
        self._counter = ImportCounter()
        self._rejections = list(source.rejections)
        self._warnings: list[str] = []
        self._with_old_slugs: list[tuple[SourcePost, int]] = []

    async def run(self, typeset: Typesetter) -> AsyncGenerator[int, None]:
        """Read, render and write all, batch by batch, and tell after each how many files are done.

        While some are rendered the next are read and those before are written. That is safe: a plan depends on the traces of
        earlier imports alone, and what changed meanwhile is refused when it is written.
        """
        paths, coming, done = self._folder.paths, deque[tuple[list[StepWithWarnings], asyncio.Future[list[Typeset]]]](), 0
        try:
            for start in range(0, len(paths), BATCH_SIZE):
                steps = await self._plan(await anyio.to_thread.run_sync(self._read, paths[start : start + BATCH_SIZE]))
                bodies = await anyio.to_thread.run_sync(self._convert_bodies, steps)
                works = [(step.post, body) for step, (body, _) in zip(steps, bodies, strict=True) if step.is_write]
                noted = [(step, warnings) for step, (_, warnings) in zip(steps, bodies, strict=True)]
                coming.append((noted, asyncio.ensure_future(typeset(works))))
                if len(coming) > _PREFETCH_BATCHES:
                    await self._finish_batch(*coming.popleft())
                    done += BATCH_SIZE
                    yield done
            while coming:
                await self._finish_batch(*coming.popleft())
                done = min(done + BATCH_SIZE, len(paths))
                yield done
        finally:
            for _, typesets in coming:
                typesets.cancel()
            await asyncio.gather(*(typesets for _, typesets in coming), return_exceptions=True)

    async def _finish_batch(self, noted: Sequence[StepWithWarnings], coming: Awaitable[list[Typeset]]) -> None:
        """Write a batch, and count it."""
        typesets = iter(await coming)
        found = [self._to_rendered_step(step, warnings, next(typesets) if step.is_write else None) for step, warnings in noted]
        ready = self._collect_rejections(found)
        if self._writer is not None:
            ready = await self._write_batch(self._writer, ready)
        for step, manuscript in ready:
            self._counter.add(step.post)
            self._counter.unchanged += manuscript is None

    async def assign_old_slugs(self) -> None:
        """Let old addresses lead to the posts; last of all, so that none takes a slug that a later post has itself."""
        if self._writer is None:
            return
        for start in range(0, len(self._with_old_slugs), BATCH_SIZE):
            async with self._db.transaction():
                for post, post_id in self._with_old_slugs[start : start + BATCH_SIZE]:
                    taken = await self._writer.assign_old_slugs(post, post_id)
                    self._warn(post, *(f"the old address {slug} leads to another post already" for slug in taken))

    def report(self) -> ImportReport:
        """What was done."""
        refusals = tuple(sorted(self._rejections, key=lambda refusal: refusal.path))
        totals = self._counter.totals(images=self._images.stored_count, refused=len(refusals))
        return ImportReport(totals, refusals, tuple(self._warnings))

    def _read(self, paths: Sequence[str]) -> list[SourcePost]:
        return self._collect_rejections([source.read_post(self._folder, path) for path in paths])

    async def _plan(self, found: Sequence[SourcePost]) -> list[PlannedPost]:
        names = [self._folder.source_name(post.path) for post in found]
        traces = await import_records.find(self._db, names, [post.digest for post in found])
        plan = self._planner.plan(found, traces)
        for post, decision in zip(found, plan, strict=True):
            if isinstance(decision, Rejection) and decision.reason == EDITED_IN_BLOG:
                self._counter.add(post)  # an older state of it is in the blog
        return self._collect_rejections(plan)

    def _convert_bodies(self, steps: Sequence[PlannedPost]) -> list[tuple[str, Sequence[str]]]:
        return [rendering.convert_body(step.post, self._images) for step in steps]

    def _to_rendered_step(self, step: PlannedPost, warnings: Sequence[str], typeset: Typeset | None) -> RenderedStep | Rejection:
        if isinstance(typeset, Rejection):
            return typeset
        manuscript, about_tags = typeset or (None, ())
        self._warn(step.post, *warnings, *about_tags)
        return step, manuscript

    async def _write_batch(self, writer: Writer, ready: Sequence[RenderedStep]) -> list[RenderedStep]:
        """Write a batch, all or nothing; what of it is in the blog then."""
        if all(step.action is Action.UNCHANGED for step, _ in ready):
            outcomes = [await writer.write(*work) for work in ready]
        else:
            async with self._db.transaction():
                outcomes = [await writer.write(*work) for work in ready]
        in_blog = [(work, post_id) for work, post_id in zip(ready, outcomes, strict=True) if isinstance(post_id, int)]
        self._collect_rejections(outcomes)
        self._with_old_slugs += [(work[0].post, post_id) for work, post_id in in_blog if work[0].post.old_slugs]
        return [work for work, _ in in_blog]

    def _collect_rejections(self, outcomes: Sequence[T | Rejection]) -> list[T]:
        self._rejections.extend(outcome for outcome in outcomes if isinstance(outcome, Rejection))
        return [outcome for outcome in outcomes if not isinstance(outcome, Rejection)]

    def _warn(self, post: SourcePost, *warnings: str) -> None:
        self._warnings.extend(f"{printable(post.path)}: {warning}" for warning in warnings)
