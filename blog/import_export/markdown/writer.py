"""Writing the posts of a folder into the blog. All of it runs inside a transaction of the caller."""

import datetime as dt

from blog.domain.accounts import imported_authors
from blog.domain.core.context import Actor, Context
from blog.domain.posts import import_records, posts, slugs
from blog.domain.posts.posts import Publication
from blog.domain.posts.rendering import RenderedPost
from blog.errors import NotFound, VersionConflict
from blog.import_export.markdown.folder import Rejection, SourceFolder
from blog.import_export.markdown.plan import DELETED_IN_BLOG, EDITED_IN_BLOG, Action, PlannedPost
from blog.import_export.markdown.source import SourcePost
from blog.schemas.posts import PostStatus


class Writer:
    """Writes in the name of the actor, who is also the author of posts that name none."""

    def __init__(self, ctx: Context, actor: Actor, tree: SourceFolder) -> None:
        self._ctx, self._actor, self._folder = ctx, actor, tree
        self._account_ids: dict[str, int] = {}

    async def write(self, step: PlannedPost, manuscript: RenderedPost | None) -> int | Rejection:
        """Do a step and remember its file; the id of its post. What changed in the blog meanwhile is refused."""
        source = self._folder.source_name(step.post.path)
        if step.action is Action.NEW and (known := await import_records.find_post_id(self._ctx.db, source)) is not None:
            return known  # another import, running at the same time, was first
        try:
            post_id, version = await self._apply(step, manuscript)
        except VersionConflict:
            return Rejection(step.post.path, 1, EDITED_IN_BLOG)
        except NotFound:
            return Rejection(step.post.path, 1, DELETED_IN_BLOG)
        if step.action is not Action.UNCHANGED:
            await import_records.save(self._ctx.db, source, step.post.digest, post_id, version)
        return post_id

    async def assign_old_slugs(self, post: SourcePost, post_id: int) -> list[str]:
        """Let the old addresses of a post lead to it; those that lead to another one already."""
        taken: list[str] = []
        for slug in post.old_slugs:
            owner = await slugs.owner_of(self._ctx.db, slug)
            if owner is None:
                await slugs.assign(self._ctx.db, slug, post_id)
            elif owner != post_id:
                taken.append(slug)
        return taken

    async def _apply(self, step: PlannedPost, manuscript: RenderedPost | None) -> tuple[int, int]:
        trace = step.record
        if manuscript is None:
            if trace is None:
                raise AssertionError("what is not written was written before")
            return trace.post_id, trace.imported_version
        author_ids = await self._author_ids(step.post)
        if trace is None:
            slug = await slugs.first_available(self._ctx.db, step.post.slug_candidates)
            date = step.post.date or self._ctx.now
            timing, created_at = self._publication(step.post, date), min(date, self._ctx.now)
            written = await posts.insert(self._ctx, manuscript, timing, slug=slug, author_ids=author_ids, created_at=created_at)
        else:
            slug = await self._slug_after_change(step.post, trace.post_id, trace.slug)
            written = await posts.overwrite(
                self._ctx,
                manuscript,
                self._publication(step.post, step.post.date),
                post_id=trace.post_id,
                slug=slug,
                author_ids=author_ids,
                if_match=trace.imported_version,
            )
        return written.id, written.version

    async def _slug_after_change(self, post: SourcePost, post_id: int, present: str) -> str:
        if post.accepts_slug(present):
            return present
        if await slugs.owner_of(self._ctx.db, post.slug) == post_id:
            return post.slug
        return await slugs.first_available(self._ctx.db, post.slug_candidates)

    async def _author_ids(self, post: SourcePost) -> list[int]:
        for name in post.authors:
            if name not in self._account_ids:
                self._account_ids[name] = await imported_authors.get_or_create_author(self._ctx, name)
        return list(dict.fromkeys(self._account_ids[name] for name in post.authors)) or [self._actor.id]

    def _publication(self, post: SourcePost, date: dt.datetime | None) -> Publication:
        if post.draft:
            return Publication(PostStatus.DRAFT)
        if date is not None and date > self._ctx.now:
            return Publication(PostStatus.SCHEDULED, publish_at=date)
        return Publication(PostStatus.PUBLISHED, published_at=date)
