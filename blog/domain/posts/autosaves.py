"""Autosaves: unsaved text of a writer, private to them, so that a crash or a closed tab does not lose it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery
from blog.domain.core import policy
from blog.domain.core.context import Actor, Context
from blog.domain.posts.models import Post
from blog.domain.site.static_pages import StaticPage
from blog.errors import NotFound
from blog.schemas.accounts import Scope

_a, _p, _g = tables.autosaves.c, tables.posts.c, tables.static_pages.c
_COLUMNS = (_a.id, _a.kind, _a.post_id, _a.page_id, _a.form, _a.updated_at, _p.slug)
_WITH_TEXT = sa.select(*_COLUMNS, sa.func.coalesce(_p.title, _g.title).label("title")).select_from(
    tables.autosaves.outerjoin(tables.posts, _p.id == _a.post_id).outerjoin(tables.static_pages, _g.id == _a.page_id)
)
_BOOKKEEPING = frozenset({"version", "stamp"})
MAX_PER_TEXT = 20
"""The number of autosaves a writer can have for one post or page, or for new ones. The oldest are deleted."""


class TextKind(StrEnum):
    """The kind of a text that is written in the editor."""

    POST = "post"
    PAGE = "page"


Edited = Post | StaticPage | TextKind
"""The post or static page that is edited; the kind of a new one."""


@dataclass(frozen=True, slots=True)
class Autosave:
    """The values of a form as typed.

    post_id, slug: of the post; None for a new post, or a page.
    page_id: of the static page; None for a new page, or a post.
    """

    id: int
    kind: TextKind
    post_id: int | None
    page_id: int | None
    slug: str | None
    title: str
    form: Mapping[str, str]
    updated_at: dt.datetime

    @property
    def is_of_new_text(self) -> bool:
        """Whether the text was never saved."""
        return self.post_id is None and self.page_id is None


async def save(
    ctx: Context, form: Mapping[str, str], edited: Edited = TextKind.POST, *, autosave_id: int | None = None
) -> int | None:
    """Store the form and return the id of the autosave; return None, and store nothing, for a new text that is empty.

    autosave_id: an autosave of the actor to overwrite; if there is none, one with the same text, else a new autosave is stored.

    Raises NotAuthenticated, NotFound or Forbidden.
    """
    actor = _require_edit(ctx, edited)
    is_empty = isinstance(edited, TextKind) and not any(form.get(name, "").strip() for name in ("title", "content", "tags"))
    owned = {"user_id": actor.id, **_reference(edited)}
    of_text = [_a[name] == value for name, value in owned.items()]
    async with ctx.db.transaction():
        mine = sa.and_(*of_text, _a.id == autosave_id)
        if is_empty:
            await ctx.db.execute(tables.autosaves.delete().where(mine))
            return None
        if autosave_id is not None and await ctx.db.fetch_val(sa.select(_a.id).where(mine)) is not None:
            await ctx.db.execute(tables.autosaves.update().where(mine).values(form=dict(form), updated_at=ctx.now))
            return autosave_id
        for stored in await ctx.db.fetch_all(sa.select(_a.id, _a.form).where(*of_text)):
            if _typed(stored["form"]) == _typed(form):  # the response to the first request was lost, or another tab has the text
                same = _a.id == stored["id"]
                await ctx.db.execute(tables.autosaves.update().where(same).values(form=dict(form), updated_at=ctx.now))
                return int(stored["id"])
        others = sa.select(_a.id).where(*of_text).order_by(_a.updated_at.desc(), _a.id.desc()).limit(MAX_PER_TEXT - 1)
        await ctx.db.execute(tables.autosaves.delete().where(*of_text, _a.id.not_in(others)))
        row = owned | {"form": dict(form), "updated_at": ctx.now}
        new_id: int = await ctx.db.execute(tables.autosaves.insert().values(row))
        return new_id


def _require_edit(ctx: Context, edited: Edited) -> Actor:
    actor = policy.require_writer(ctx)
    match edited:
        case Post():
            policy.require_edit(ctx, edited)
        case StaticPage() | TextKind.PAGE:
            policy.require_owner(ctx)
    return actor


def _reference(edited: Edited) -> dict[str, Any]:
    """Return the columns that name the edited text."""
    match edited:
        case Post():
            return {"kind": TextKind.POST.value, "post_id": edited.id, "page_id": None}
        case StaticPage():
            return {"kind": TextKind.PAGE.value, "post_id": None, "page_id": edited.id}
        case _:
            return {"kind": edited.value, "post_id": None, "page_id": None}


def _typed(form: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in form.items() if value and name not in _BOOKKEEPING}


async def list_own(ctx: Context, edited: Edited = TextKind.POST) -> list[Autosave]:
    """Return the actor's autosaves of this text, newest first. Raises NotAuthenticated, NotFound or Forbidden."""
    _require_edit(ctx, edited)
    return await _fetch_own(ctx, *(_a[name] == value for name, value in _reference(edited).items()))


def recent_query(ctx: Context) -> BoundQuery:
    """Return the query for the actor's autosaves, newest first, at most `MAX_PER_TEXT`; `from_rows` reads its rows.

    Raises NotAuthenticated or Forbidden.
    """
    return _RECENT(user_id=policy.require_writer(ctx).id)


async def export_own(ctx: Context, *, limit: int, after: int = 0) -> list[Autosave]:
    """Return the actor's autosaves with ids above `after`, by id, for the account export. Raises NotAuthenticated, Forbidden."""
    own = (_a.user_id == ctx.require_actor(Scope.ACCOUNT).id, _a.id > after)
    return from_rows(await ctx.db.fetch_all(_WITH_TEXT.where(*own).order_by(_a.id).limit(limit)))


async def discard(ctx: Context, autosave_id: int) -> Autosave:
    """Delete and return an autosave of the actor. Raises NotAuthenticated, Forbidden or NotFound."""
    async with ctx.db.transaction():
        rows = await _fetch_own(ctx, _a.id == autosave_id)
        if not rows:
            raise NotFound("This autosave does not exist any more")
        await ctx.db.execute(tables.autosaves.delete().where(_a.id == autosave_id))
    return rows[0]


async def discard_saved(ctx: Context, autosave_id: int | None) -> None:
    """Delete an autosave of the actor after its text was saved, if it exists. Raises NotAuthenticated."""
    if autosave_id is not None:
        mine = (_a.user_id == ctx.require_actor().id, _a.id == autosave_id)
        await ctx.db.execute(tables.autosaves.delete().where(*mine))


async def _fetch_own(ctx: Context, *conditions: sa.ColumnElement[bool]) -> list[Autosave]:
    actor = policy.require_writer(ctx)
    return from_rows(await ctx.db.fetch_all(_own(sa.literal(actor.id)).where(*conditions)))


def _own(user_id: sa.ColumnElement[int]) -> sa.Select[Any]:
    own = _WITH_TEXT.where(_a.user_id == user_id, _p.deleted_at.is_(None))
    return own.order_by(_a.updated_at.desc(), _a.id.desc()).limit(MAX_PER_TEXT)


_RECENT = PreparedQuery(_own(sa.bindparam("user_id", type_=_a.user_id.type)))


def from_rows(rows: Sequence[Record]) -> list[Autosave]:
    """Return the autosaves from the rows of `recent_query`."""
    return [
        Autosave(
            id=row["id"],
            kind=TextKind(row["kind"]),
            post_id=row["post_id"],
            page_id=row["page_id"],
            slug=row["slug"],
            title=row["form"].get("title", "").strip() or row["title"] or "",
            form=row["form"],
            updated_at=row["updated_at"],
        )
        for row in rows
    ]
