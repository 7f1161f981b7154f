"""What writers have typed and not saved, kept for them alone: whoever crashes, closes or goes offline goes on from there."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts.models import Post
from blog.errors import NotFound
from blog.schemas.accounts import Scope

_a, _p = tables.autosaves.c, tables.posts.c
_WITH_POST = sa.select(_a.id, _a.post_id, _a.form, _a.updated_at, _p.slug, _p.title).select_from(
    tables.autosaves.outerjoin(tables.posts, _p.id == _a.post_id)
)
MAX_PER_POST = 20
"""Autosaves that a writer has of one post, or of new ones; the oldest go."""


@dataclass(frozen=True, slots=True)
class Autosave:
    """A form as it was typed. Without `post_id` it is that of a new post; `slug` is the present one of the post."""

    id: int
    post_id: int | None
    slug: str | None
    title: str
    form: Mapping[str, str]
    updated_at: dt.datetime


async def save(ctx: Context, form: Mapping[str, str], *, post: Post | None = None, autosave_id: int | None = None) -> int | None:
    """Keep the form in the place of an autosave of one's own, else as another one; its id.

    None: a new post without a word is nothing to keep, and is forgotten. Raises NotSignedIn, NotFound, Forbidden.
    """
    actor = policy.require_writer(ctx)
    if post is not None:
        policy.require_edit(ctx, post)
    is_empty = post is None and not any(form.get(name, "").strip() for name in ("title", "content", "tags"))
    of_post = (_a.user_id == actor.id, _a.post_id == (post.id if post else None))
    async with ctx.db.transaction():
        mine = sa.and_(*of_post, _a.id == autosave_id)
        if is_empty:
            await ctx.db.execute(tables.autosaves.delete().where(mine))
            return None
        if autosave_id is not None and await ctx.db.fetch_val(sa.select(_a.id).where(mine)) is not None:
            await ctx.db.execute(tables.autosaves.update().where(mine).values(form=dict(form), updated_at=ctx.now))
            return autosave_id
        others = sa.select(_a.id).where(*of_post).order_by(_a.updated_at.desc(), _a.id.desc()).limit(MAX_PER_POST - 1)
        await ctx.db.execute(tables.autosaves.delete().where(*of_post, _a.id.not_in(others)))
        row = {"user_id": actor.id, "post_id": post.id if post else None, "form": dict(form), "updated_at": ctx.now}
        made: int = await ctx.db.execute(tables.autosaves.insert().values(row))
        return made


async def for_new_posts(ctx: Context) -> list[Autosave]:
    """One's own of posts that were never saved, newest first. Raises NotSignedIn, Forbidden."""
    return await _fetch_own(ctx, _a.post_id.is_(None))


async def for_post(ctx: Context, post: Post) -> list[Autosave]:
    """One's own of this post, newest first. Raises NotSignedIn, NotFound, Forbidden."""
    policy.require_edit(ctx, post)
    return await _fetch_own(ctx, _a.post_id == post.id)


async def recent(ctx: Context) -> list[Autosave]:
    """The newest of one's own, `KEPT` at most. Raises NotSignedIn, Forbidden."""
    return await _fetch_own(ctx)


async def export_own(ctx: Context, *, limit: int, after: int = 0) -> list[Autosave]:
    """Return the actor's autosaves with ids above `after`, by id, for the account export. Raises NotAuthenticated, Forbidden."""
    own = (_a.user_id == ctx.require_actor(Scope.ACCOUNT).id, _a.id > after)
    return _autosaves_from_rows(await ctx.db.fetch_all(_WITH_POST.where(*own).order_by(_a.id).limit(limit)))


async def discard(ctx: Context, autosave_id: int) -> Autosave:
    """Forget one of one's own; what it was. Raises NotSignedIn, Forbidden, NotFound."""
    async with ctx.db.transaction():
        found = await _fetch_own(ctx, _a.id == autosave_id)
        if not found:
            raise NotFound("This text is not kept any more")
        await ctx.db.execute(tables.autosaves.delete().where(_a.id == autosave_id))
    return found[0]


async def discard_saved(ctx: Context, autosave_id: int | None) -> None:
    """Forget one of one's own, if it is there: the post that it belonged to was saved. Raises NotSignedIn."""
    if autosave_id is not None:
        mine = (_a.user_id == ctx.require_actor().id, _a.id == autosave_id)
        await ctx.db.execute(tables.autosaves.delete().where(*mine))


async def _fetch_own(ctx: Context, *conditions: sa.ColumnElement[bool]) -> list[Autosave]:
    actor = policy.require_writer(ctx)
    query = (
        _WITH_POST.where(_a.user_id == actor.id, _p.deleted_at.is_(None), *conditions)
        .order_by(_a.updated_at.desc(), _a.id.desc())
        .limit(MAX_PER_POST)
    )
    return _autosaves_from_rows(await ctx.db.fetch_all(query))


def _autosaves_from_rows(rows: Sequence[Any]) -> list[Autosave]:
    return [
        Autosave(
            id=row["id"],
            post_id=row["post_id"],
            slug=row["slug"],
            title=row["form"].get("title", "").strip() or row["title"] or "",
            form=row["form"],
            updated_at=row["updated_at"],
        )
        for row in rows
    ]
