"""Writing of imported posts to the database, inside a transaction of the caller."""

import datetime as dt
from typing import Any

from blog.domain.accounts import imported_authors
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import Author
from blog.domain.media.imported_images import ImportedImages
from blog.domain.posts import authors, feature_image, import_records, post_writes, slugs
from blog.domain.posts.rendering import RenderedPost
from blog.errors import NotFound, VersionConflict
from blog.import_export.markdown.folder import Rejection, SourceFolder
from blog.import_export.markdown.plan import DELETED_IN_BLOG, EDITED_IN_BLOG, Action, PlannedPost
from blog.import_export.markdown.source import SourcePost
from blog.schemas.posts import PostStatus


class Writer:
    """Writes posts as `actor`, the author of posts without an author."""

    def __init__(self, ctx: Context, actor: Actor, folder: SourceFolder, images: ImportedImages) -> None:
        self._ctx, self._actor, self._folder, self._images = ctx, actor, folder, images
        self._authors: dict[str, Author] = {}

    async def insert_images(self) -> None:
        """Insert the entries of the images that were stored since the last call."""
        await self._images.insert_entries()

    async def write(self, step: PlannedPost, content: RenderedPost | None) -> int | Rejection:
        """Apply a step, record its file, and return the id of the post.

        `content` is None if the step does not write the post. Rejects a post that changed in the blog since the plan was made.
        """
        source = self._folder.source_name(step.post.path)
        if step.action is Action.NEW and (existing := await import_records.find_post_id(self._ctx.db, source)) is not None:
            return existing  # a concurrent import was first
        try:
            post_id, version = await self._apply(step, content)
        except VersionConflict:
            return Rejection(step.post.path, 1, EDITED_IN_BLOG)
        except NotFound:
            return Rejection(step.post.path, 1, DELETED_IN_BLOG)
        if step.action is not Action.UNCHANGED:
            await import_records.save(self._ctx.db, source, step.post.digest, post_id, version)
        return post_id

    async def assign_old_slugs(self, post: SourcePost, post_id: int) -> list[str]:
        """Assign the old slugs of a post, and return those that belong to another post already."""
        taken: list[str] = []
        for slug in post.old_slugs:
            owner = await slugs.owner_of(self._ctx.db, slug)
            if owner is None:
                await slugs.assign(self._ctx.db, slug, post_id)
            elif owner != post_id:
                taken.append(slug)
        return taken

    async def _apply(self, step: PlannedPost, content: RenderedPost | None) -> tuple[int, int]:
        """Insert or overwrite the post; return its id and version."""
        record = step.record
        if content is None:
            if record is None:
                raise AssertionError("only a new post has no record, and a new post has content")
            return record.post_id, record.imported_version
        values: dict[str, Any] = {"authors": await self._find_authors(step.post)}
        if (image := content.content.feature_image) is not None:
            values["feature_image"] = await feature_image.complete(self._ctx, image)
        if record is None:
            slug = await slugs.first_available(self._ctx.db, step.post.slug_candidates)
            date = step.post.date or self._ctx.now
            content = content.with_changes(slug=slug, **values, **self._publication(step.post, date))
            post = await post_writes.insert(self._ctx, content, created_at=min(date, self._ctx.now))
        else:
            slug = await self._slug_after_change(step.post, record.post_id, record.slug)
            content = content.with_changes(slug=slug, **values, **self._publication(step.post, step.post.date))
            post = await post_writes.overwrite(self._ctx, content, post_id=record.post_id, if_match=record.imported_version)
        return post.id, post.version

    async def _slug_after_change(self, post: SourcePost, post_id: int, current: str) -> str:
        if post.accepts_slug(current):
            return current
        if await slugs.owner_of(self._ctx.db, post.slug) == post_id:
            return post.slug
        return await slugs.first_available(self._ctx.db, post.slug_candidates)

    async def _find_authors(self, post: SourcePost) -> list[Author]:
        for name in post.authors:
            if name not in self._authors:
                self._authors[name] = await imported_authors.get_or_create_author(self._ctx, name)
        return list(dict.fromkeys(self._authors[name] for name in post.authors)) or [authors.of_actor(self._actor)]

    def _publication(self, post: SourcePost, date: dt.datetime | None) -> dict[str, Any]:
        """Return the status with its time or date: a post with a date in the future is scheduled."""
        if post.draft:
            return {}
        if post.visible_from is not None and post.visible_from > self._ctx.now:
            return {"status": PostStatus.SCHEDULED, "publish_at": post.visible_from}
        return {"published_at": date}
