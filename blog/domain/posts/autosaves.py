"""Autosaves: unsaved text of a writer, private to them, so that a crash or a closed tab does not lose it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts.models import Post
from blog.errors import NotFound
from blog.schemas.accounts import Scope

_a, _p = tables.autosaves.c, tables.posts.c
_WITH_POST = sa.select(_a.id, _a.post_id, _a.form, _a.updated_at, _p.slug, _p.title).select_from(
    tables.autosaves.outerjoin(tables.posts, _p.id == _a.post_id)
)
_BOOKKEEPING = frozenset({"version", "stamp"})
MAX_PER_POST = 20
"""The number of autosaves a writer can have for one post, or for new posts. The oldest are deleted."""


@dataclass(frozen=True, slots=True)
class Autosave:
    """The values of a form as typed. `post_id` and `slug` are those of the post, or None for a new post."""

    id: int
    post_id: int | None
    slug: str | None
    title: str
    form: Mapping[str, str]
    updated_at: dt.datetime


async def save(ctx: Context, form: Mapping[str, str], *, post: Post | None = None, autosave_id: int | None = None) -> int | None:
    """Store the form and return the id of the autosave; return None, and store nothing, for a new post without text.

    post: the post that is edited; None for a new post.
    autosave_id: an autosave of the actor to overwrite; if there is none, one with the same text, else a new autosave is stored.

    Raises NotAuthenticated, NotFound or Forbidden.
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
        for stored in await ctx.db.fetch_all(sa.select(_a.id, _a.form).where(*of_post)):
            if _typed(stored["form"]) == _typed(form):  # the response to the first request was lost, or another tab has the text
                same = _a.id == stored["id"]
                await ctx.db.execute(tables.autosaves.update().where(same).values(form=dict(form), updated_at=ctx.now))
                return int(stored["id"])
        others = sa.select(_a.id).where(*of_post).order_by(_a.updated_at.desc(), _a.id.desc()).limit(MAX_PER_POST - 1)
        await ctx.db.execute(tables.autosaves.delete().where(*of_post, _a.id.not_in(others)))
        row = {"user_id": actor.id, "post_id": post.id if post else None, "form": dict(form), "updated_at": ctx.now}
        new_id: int = await ctx.db.execute(tables.autosaves.insert().values(row))
        return new_id


def _typed(form: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in form.items() if value and name not in _BOOKKEEPING}


async def for_new_posts(ctx: Context) -> list[Autosave]:
    """Return the actor's autosaves of new posts, newest first. Raises NotAuthenticated or Forbidden."""
    return await _fetch_own(ctx, _a.post_id.is_(None))


async def for_post(ctx: Context, post: Post) -> list[Autosave]:
    """Return the actor's autosaves of a post, newest first. Raises NotAuthenticated, NotFound or Forbidden."""
    policy.require_edit(ctx, post)
    return await _fetch_own(ctx, _a.post_id == post.id)


def recent_query(ctx: Context) -> BoundQuery:
    """Return the query for the actor's autosaves, newest first, at most `MAX_PER_POST`; `from_rows` reads its rows.

    Raises NotAuthenticated or Forbidden.
    """
    return _RECENT(user_id=policy.require_writer(ctx).id)


async def export_own(ctx: Context, *, limit: int, after: int = 0) -> list[Autosave]:
    """Return the actor's autosaves with ids above `after`, by id, for the account export. Raises NotAuthenticated, Forbidden."""
    own = (_a.user_id == ctx.require_actor(Scope.ACCOUNT).id, _a.id > after)
    return from_rows(await ctx.db.fetch_all(_WITH_POST.where(*own).order_by(_a.id).limit(limit)))


async def discard(ctx: Context, autosave_id: int) -> Autosave:
    """Delete and return an autosave of the actor. Raises NotAuthenticated, Forbidden or NotFound."""
    async with ctx.db.transaction():
        rows = await _fetch_own(ctx, _a.id == autosave_id)
        if not rows:
            raise NotFound("This autosave does not exist any more")
        await ctx.db.execute(tables.autosaves.delete().where(_a.id == autosave_id))
    return rows[0]


async def discard_saved(ctx: Context, autosave_id: int | None) -> None:
    """Delete an autosave of the actor after its post was saved, if it exists. Raises NotAuthenticated."""
    if autosave_id is not None:
        mine = (_a.user_id == ctx.require_actor().id, _a.id == autosave_id)
        await ctx.db.execute(tables.autosaves.delete().where(*mine))


async def _fetch_own(ctx: Context, *conditions: sa.ColumnElement[bool]) -> list[Autosave]:
    actor = policy.require_writer(ctx)
    return from_rows(await ctx.db.fetch_all(_own(sa.literal(actor.id)).where(*conditions)))


def _own(user_id: sa.ColumnElement[int]) -> sa.Select[Any]:
    own = _WITH_POST.where(_a.user_id == user_id, _p.deleted_at.is_(None))
    return own.order_by(_a.updated_at.desc(), _a.id.desc()).limit(MAX_PER_POST)


_RECENT = PreparedQuery(_own(sa.bindparam("user_id", type_=_a.user_id.type)))


def from_rows(rows: Sequence[Record]) -> list[Autosave]:
    """Return the autosaves from the rows of `recent_query`."""
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
