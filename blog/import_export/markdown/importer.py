"""Import of a folder of Markdown files: in batches, each of them atomic. A second run changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from blog.domain.core.context import Context
from blog.domain.media.imported_images import ImportedImages, content_name
from blog.domain.posts import import_records
from blog.domain.posts.rendering import RenderedPost
from blog.import_export.markdown import folder as markdown_folder
from blog.import_export.markdown import rendering, source
from blog.import_export.markdown.folder import Rejection, SourceFolder, printable
from blog.import_export.markdown.images import ImageImporter
from blog.import_export.markdown.plan import EDITED_IN_BLOG, Action, PlannedPost, Planner
from blog.import_export.markdown.source import SourcePost
from blog.import_export.markdown.totals import ImportCounter, ImportTotals
from blog.import_export.markdown.visibility_keys import simplify
from blog.import_export.markdown.writer import Writer
from blog.progress import Progress, no_progress

BATCH_SIZE = 25
"""Posts per transaction. A batch is rendered before its transaction begins, so that it holds the write lock only shortly."""

T = TypeVar("T")
RenderedStep = tuple[PlannedPost, RenderedPost | None]
"""A planned post and its rendered content; None if the post is not written."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import: totals, rejected files, and warnings (`path: reason`) about posts imported with changes."""

    totals: ImportTotals
    rejections: tuple[Rejection, ...]
    warnings: tuple[str, ...]


async def import_markdown(
    ctx: Context,
    directory: Path,
    *,
    dry_run: bool = False,
    ignored_keys: Iterable[str] = (),
    media_url: str = "/media/",
    progress: Progress = no_progress,
) -> ImportReport:
    """Import the posts of a folder. The current user becomes the author of posts without an author.

    - `dry_run`: read, check and render everything, and write nothing.
    - `ignored_keys`: metadata keys that hide no post, although the importer does not know them.
    - `media_url`: the URL prefix of stored images, with its last slash.
    - `progress`: called with the number of finished files and of all files: first with 0, then after each batch.

    Raises InvalidInput (not a folder), NotAuthenticated, Unavailable.
    """
    actor = ctx.require_actor()
    folder = await anyio.to_thread.run_sync(markdown_folder.scan, directory, frozenset(map(simplify, ignored_keys)))
    stored = ImportedImages(ctx)
    await stored.load_known()
    writer = None if dry_run else Writer(ctx, actor, folder, stored)
    store_image = content_name if dry_run else stored.store
    run = _ImportRun(ctx, folder, ImageImporter(folder, store_image, media_url), writer)
    total = len(folder.paths)
    progress(0, total)
    for start in range(0, total, BATCH_SIZE):
        await run.import_batch(folder.paths[start : start + BATCH_SIZE])
        progress(min(start + BATCH_SIZE, total), total)
    await run.assign_old_slugs()
    return run.report()


class _ImportRun:
    """The state of one import. Without a writer it is a dry run."""

    def __init__(self, ctx: Context, folder: SourceFolder, images: ImageImporter, writer: Writer | None) -> None:
        self._db, self._folder, self._images, self._writer = ctx.db, folder, images, writer
        self._planner = Planner(folder)
        self._counter = ImportCounter()
        self._rejections = list(folder.rejections)
        self._warnings: list[str] = []
        self._with_old_slugs: list[tuple[SourcePost, int]] = []

    async def import_batch(self, paths: Sequence[str]) -> None:
        """Read, render and write some files. Only one batch is in memory at a time."""
        steps = await self._plan(await anyio.to_thread.run_sync(self._read, paths))
        rendered = await anyio.to_thread.run_sync(self._render, steps)
        if self._writer is not None:
            rendered = await self._write(self._writer, rendered)
        for step, content in rendered:
            self._counter.add(step.post)
            self._counter.unchanged += content is None

    async def assign_old_slugs(self) -> None:
        """Redirect old URLs to the posts. Runs last, so that no old slug takes the own slug of a later post."""
        if self._writer is None:
            return
        for start in range(0, len(self._with_old_slugs), BATCH_SIZE):
            async with self._db.transaction():
                for post, post_id in self._with_old_slugs[start : start + BATCH_SIZE]:
                    taken = await self._writer.assign_old_slugs(post, post_id)
                    self._warn(post, *(f"the old URL {slug} already belongs to another post" for slug in taken))

    def report(self) -> ImportReport:
        """Return the result so far, with rejections sorted by path."""
        rejections = tuple(sorted(self._rejections, key=lambda rejection: rejection.path))
        totals = self._counter.totals(images=self._images.stored_count, refused=len(rejections), not_read=self._folder.not_read)
        return ImportReport(totals, rejections, tuple(self._warnings))

    def _read(self, paths: Sequence[str]) -> list[SourcePost]:
        return self._collect_rejections([source.read_post(self._folder, path) for path in paths])

    async def _plan(self, posts: Sequence[SourcePost]) -> list[PlannedPost]:
        sources = [self._folder.source_name(post.path) for post in posts]
        records = await import_records.find(self._db, sources, [post.digest for post in posts])
        plan = self._planner.plan(posts, records)
        for post, step in zip(posts, plan, strict=True):
            if isinstance(step, Rejection) and step.reason == EDITED_IN_BLOG:
                self._counter.add(post)  # the blog has an older version of the file
        return self._collect_rejections(plan)

    def _render(self, steps: Sequence[PlannedPost]) -> list[RenderedStep]:
        return self._collect_rejections([self._render_step(step) for step in steps])

    def _render_step(self, step: PlannedPost) -> RenderedStep | Rejection:
        # Also for unchanged posts: images that the storage has lost are stored again.
        body, warnings = rendering.convert_body(step.post, self._images)
        image, image_warnings = rendering.convert_lead_image(step.post, self._images)
        warnings = (*warnings, *image_warnings)
        content = None
        if step.is_write:
            result = rendering.render_source_post(step.post, body, image)
            if isinstance(result, Rejection):
                return result
            content, tag_warnings = result
            warnings = (*warnings, *tag_warnings)
        self._warn(step.post, *warnings)
        return step, content

    async def _write(self, writer: Writer, rendered: Sequence[RenderedStep]) -> list[RenderedStep]:
        """Write a batch in one transaction, and return the steps that were not rejected."""
        await writer.insert_images()
        if all(step.action is Action.UNCHANGED for step, _ in rendered):
            outcomes = [await writer.write(*work) for work in rendered]
        else:
            async with self._db.transaction():
                outcomes = [await writer.write(*work) for work in rendered]
        self._collect_rejections(outcomes)
        written = [(work, post_id) for work, post_id in zip(rendered, outcomes, strict=True) if isinstance(post_id, int)]
        self._with_old_slugs += [(step.post, post_id) for (step, _), post_id in written if step.post.old_slugs]
        return [work for work, _ in written]

    def _collect_rejections(self, outcomes: Sequence[T | Rejection]) -> list[T]:
        self._rejections.extend(outcome for outcome in outcomes if isinstance(outcome, Rejection))
        return [outcome for outcome in outcomes if not isinstance(outcome, Rejection)]

    def _warn(self, post: SourcePost, *warnings: str) -> None:
        self._warnings.extend(f"{printable(post.path)}: {warning}" for warning in warnings)
