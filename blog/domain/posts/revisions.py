"""The versions of a post. A version that was saved is never overwritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.posts import authors, post_queries, posts
from blog.domain.posts.models import Post, Revision
from blog.domain.posts.post_content import POST_FIELDS
from blog.domain.posts.posts import ExpectedVersions
from blog.errors import NotFound

_r, _u = tables.revisions.c, tables.users.c


@dataclass(frozen=True, slots=True)
class Restoration:
    """The post after an old version was restored. `keeps_authors`: those of the old version cannot all be named again."""

    post: Post
    keeps_authors: bool


async def list_page(ctx: Context, post_id: int, *, limit: int, after: CursorKey | None = None) -> ResultPage[Revision]:
    """Return the versions of a post, newest first. Raises NotAuthenticated, NotFound or Forbidden."""
    await _require_edit(ctx, post_id)
    query = _select().where(_r.post_id == post_id).order_by(_r.version.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_r.version < after[1])
    return ResultPage.of(await _fetch(ctx, post_id, query), limit, lambda revision: ("", revision.version))


async def get(ctx: Context, post_id: int, version: int) -> Revision:
    """Return one version. Raises NotAuthenticated, NotFound or Forbidden."""
    await _require_edit(ctx, post_id)
    found = await _fetch(ctx, post_id, _select().where(_r.post_id == post_id, _r.version == version))
    if not found:
        raise NotFound(f"This post has no version {version}")
    return found[0]


async def get_pair(ctx: Context, post_id: int, older: int, newer: int) -> tuple[Revision, Revision]:
    """Return two versions. Raises NotAuthenticated, NotFound or Forbidden."""
    await _require_edit(ctx, post_id)
    found = await _fetch(ctx, post_id, _select().where(_r.post_id == post_id, _r.version.in_([older, newer])))
    by_version = {revision.version: revision for revision in found}
    for version in (older, newer):
        if version not in by_version:
            raise NotFound(f"This post has no version {version}")
    return by_version[older], by_version[newer]


async def restore(ctx: Context, post_id: int, version: int, *, if_match: ExpectedVersions = None) -> Restoration:
    """Save the fields of an old version that are restored (`PostField.is_restored`) as the next version.

    The present authors stay if an old one was deleted or became a reader, or if the actor would no longer be an author.

    Raises as `get` and `posts.save_changes`.
    """
    old = await get(ctx, post_id, version)
    changes = {field.name: getattr(old, field.name) for field in POST_FIELDS if field.is_restored}
    present = (await posts.get(ctx, post_id)).authors
    changes["authors"] = [author.username for author in old.authors]
    keeps_authors = old.authors != present and not await authors.can_restore(ctx, old.authors, present)
    if keeps_authors:
        del changes["authors"]
    return Restoration(await posts.save_changes(ctx, post_id, changes, if_match=if_match), keeps_authors)


async def _require_edit(ctx: Context, post_id: int) -> None:
    policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))


async def _fetch(ctx: Context, post_id: int, query: sa.Select[Any]) -> Sequence[Revision]:
    rows = await ctx.db.fetch_all(query)
    named = await authors.of_versions(ctx.db, post_id, [row["version"] for row in rows])
    return [from_row(Revision, row, authors=named.get(row["version"], ())) for row in rows]


def _select() -> sa.Select[Any]:
    return sa.select(tables.revisions, _u.username.label("editor")).join(tables.users, _u.id == _r.editor_id)
