"""Writing the posts of a folder into the blog. All of it runs inside a transaction of the caller."""

import datetime as dt

from blog.domain.accounts import imported_authors
from blog.domain.core.context import Actor, Context
from blog.domain.posts import import_records, posts, slugs
from blog.domain.posts.posts import Timing
from blog.domain.posts.rendering import Manuscript
from blog.errors import NotFound, StaleVersion
from blog.import_export.markdown.folder import Refusal, Tree
from blog.import_export.markdown.plan import DELETED, EDITED, Action, Step
from blog.import_export.markdown.source import SourcePost
from blog.schemas.posts import PostStatus


class Writer:
    """Writes in the name of the actor, who is also the author of posts that name none."""

    def __init__(self, ctx: Context, actor: Actor, tree: Tree) -> None:
        self._ctx, self._actor, self._tree = ctx, actor, tree
        self._accounts: dict[str, int] = {}

    async def write(self, step: Step, manuscript: Manuscript | None) -> int | Refusal:
        """Do a step and remember its file; the id of its post. What changed in the blog meanwhile is refused."""
        source = self._tree.source(step.post.path)
        if step.action is Action.WRITE and (known := await import_records.post_of(self._ctx.db, source)) is not None:
            return known  # another import, running at the same time, was first
        try:
            post_id, version = await self._apply(step, manuscript)
        except StaleVersion:
            return Refusal(step.post.path, 1, EDITED)
        except NotFound:
            return Refusal(step.post.path, 1, DELETED)
        if step.action is not Action.KEEP:
            await import_records.remember(self._ctx.db, source, step.post.digest, post_id, version)
        return post_id

    async def give_old_slugs(self, post: SourcePost, post_id: int) -> list[str]:
        """Let the old addresses of a post lead to it; those that lead to another one already."""
        taken: list[str] = []
        for slug in post.old_slugs:
            owner = await slugs.owner(self._ctx.db, slug)
            if owner is None:
                await slugs.give(self._ctx.db, slug, post_id)
            elif owner != post_id:
                taken.append(slug)
        return taken

    async def _apply(self, step: Step, manuscript: Manuscript | None) -> tuple[int, int]:
        trace = step.trace
        if manuscript is None:
            if trace is None:
                raise AssertionError("what is not written was written before")
            return trace.post_id, trace.version
        author_ids = await self._author_ids(step.post)
        if trace is None:
            slug = await slugs.free_like(self._ctx.db, step.post.wanted_slugs)
            date = step.post.date or self._ctx.now
            timing, created_at = self._timing(step.post, date), min(date, self._ctx.now)
            written = await posts.insert(self._ctx, manuscript, timing, slug=slug, author_ids=author_ids, created_at=created_at)
        else:
            slug = await self._slug_after_change(step.post, trace.post_id, trace.slug)
            written = await posts.rewrite(
                self._ctx,
                manuscript,
                self._timing(step.post, step.post.date),
                post_id=trace.post_id,
                slug=slug,
                author_ids=author_ids,
                if_match=trace.version,
            )
        return written.id, written.version

    async def _slug_after_change(self, post: SourcePost, post_id: int, present: str) -> str:
        if post.may_have(present):
            return present
        if await slugs.owner(self._ctx.db, post.slug) == post_id:
            return post.slug
        return await slugs.free_like(self._ctx.db, post.wanted_slugs)

    async def _author_ids(self, post: SourcePost) -> list[int]:
        for name in post.authors:
            if name not in self._accounts:
                self._accounts[name] = await imported_authors.account(self._ctx, name)
        return list(dict.fromkeys(self._accounts[name] for name in post.authors)) or [self._actor.id]

    def _timing(self, post: SourcePost, date: dt.datetime | None) -> Timing:
        if post.draft:
            return Timing(PostStatus.DRAFT)
        if date is not None and date > self._ctx.now:
            return Timing(PostStatus.SCHEDULED, publish_at=date)
        return Timing(PostStatus.PUBLISHED, published_at=date)
