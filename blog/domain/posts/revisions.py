"""The versions of a post: nothing that was written is ever overwritten."""

from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.posts import post_queries, posts
from blog.domain.posts.models import Post, Revision
from blog.domain.posts.posts import ExpectedVersions
from blog.errors import NotFound
from blog.schemas.posts import PostChanges

_r, _u, _p = tables.revisions.c, tables.users.c, tables.posts.c


async def list_page(ctx: Context, post_id: int, *, limit: int, after: CursorKey | None = None) -> ResultPage[Revision]:
    """The versions of a post, newest first. Raises NotSignedIn, NotFound, Forbidden."""
    await _require_edit(ctx, post_id)
    query = _select().where(_r.post_id == post_id).order_by(_r.version.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_r.version < after[1])
    rows = [from_row(Revision, row) for row in await ctx.db.fetch_all(query)]
    return ResultPage.of(rows, limit, lambda revision: ("", revision.version))


async def get(ctx: Context, post_id: int, version: int) -> Revision:
    """One version. Raises NotSignedIn, NotFound, Forbidden."""
    await _require_edit(ctx, post_id)
    row = await ctx.db.fetch_one(_select().where(_r.post_id == post_id, _r.version == version))
    if row is None:
        raise NotFound(f"This post has no version {version}")
    return from_row(Revision, row)


async def get_pair(ctx: Context, post_id: int, older: int, newer: int) -> tuple[Revision, Revision]:
    """Two versions. Raises NotSignedIn, NotFound, Forbidden."""
    await _require_edit(ctx, post_id)
    rows = await ctx.db.fetch_all(_select().where(_r.post_id == post_id, _r.version.in_([older, newer])))
    found = {row["version"]: from_row(Revision, row) for row in rows}
    for version in (older, newer):
        if version not in found:
            raise NotFound(f"This post has no version {version}")
    return found[older], found[newer]


async def restore(ctx: Context, post_id: int, version: int, *, if_match: ExpectedVersions = None) -> Post:
    """Write an old version's title, text and tags anew, as the next version. Raises as `get` and `posts.edit` do."""
    old = await get(ctx, post_id, version)
    changes = PostChanges(title=old.title, content=old.content, tags=list(old.tags))
    return await posts.edit(ctx, post_id, changes, if_match=if_match)


async def _require_edit(ctx: Context, post_id: int) -> None:
    policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))


def _select() -> sa.Select[Any]:
    return sa.select(tables.revisions, _u.username.label("editor")).join(tables.users, _u.id == _r.editor_id)
