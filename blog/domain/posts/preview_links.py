"""Preview links: signed links to a draft for people without an account, which expire and can be revoked."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.signing import Purpose
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.errors import Conflict, InvalidLink, NotFound
from blog.schemas.posts import PostStatus
from blog.schemas.preview_links import NewPreviewLink

_l, _u, _p = tables.preview_links.c, tables.users.c, tables.posts.c
MAX_LINKS_PER_POST = 20
"""The number of valid links that a post can have at a time."""
_INVALID_LINK = "This preview link has expired or is incomplete. Ask the author for a new one."


@dataclass(frozen=True, slots=True)
class PreviewLink:
    """A valid link. `secret` is the last part of its URL."""

    id: int
    created_by: str
    created_at: dt.datetime
    expires_at: dt.datetime
    secret: str


async def list_valid(ctx: Context, post_id: int) -> Sequence[PreviewLink]:
    """Return the valid links of a post, newest first. Raises NotAuthenticated, NotFound or Forbidden."""
    await _require_edit(ctx, post_id)
    query = (
        sa.select(_l.id, _l.created_at, _l.expires_at, _u.name)
        .join_from(tables.preview_links, tables.users, _u.id == _l.user_id)
        .where(_l.post_id == post_id, _is_valid(ctx))
        .order_by(_l.id.desc())
        .limit(MAX_LINKS_PER_POST)
    )
    return [_link_from_row(ctx, row) for row in await ctx.db.fetch_all(query)]


async def create(ctx: Context, post_id: int, new: NewPreviewLink) -> int:
    """Create a link and return its id. Raises NotAuthenticated, NotFound, Forbidden or Conflict (published, too many links)."""
    async with ctx.db.transaction():
        post = await _require_edit(ctx, post_id)
        if post.status is PostStatus.PUBLISHED:
            raise Conflict("This post is published and needs no preview link")
        valid = sa.select(sa.func.count()).select_from(tables.preview_links).where(_l.post_id == post_id, _is_valid(ctx))
        if await ctx.db.fetch_val(valid) >= MAX_LINKS_PER_POST:
            raise Conflict(f"A post can have {MAX_LINKS_PER_POST} links. Revoke one first.")
        values = {
            "post_id": post_id,
            "user_id": ctx.require_actor().id,
            "created_at": ctx.now,
            "expires_at": ctx.now + new.lifetime.duration,
        }
        link_id: int = await ctx.db.execute(tables.preview_links.insert().values(values))
        return link_id


async def revoke(ctx: Context, post_id: int, link_id: int) -> None:
    """Revoke a link. Raises NotAuthenticated, NotFound or Forbidden."""
    async with ctx.db.transaction():
        await _require_edit(ctx, post_id)
        this = (_l.id == link_id) & (_l.post_id == post_id)
        if await ctx.db.fetch_val(sa.select(_l.id).where(this)) is None:
            raise NotFound("This link does not exist")
        await ctx.db.execute(tables.preview_links.update().where(this, _l.revoked_at.is_(None)).values(revoked_at=ctx.now))


async def open_link(ctx: Context, secret: str) -> Post:
    """Return the current post of a link. Raises InvalidLink if it is forged, expired or revoked, or the post is deleted."""
    payload = ctx.site.signer.unsign(Purpose.PREVIEW_LINK, secret)
    if payload is None:
        raise InvalidLink(_INVALID_LINK)
    opened = await ctx.db.fetch_val(sa.select(_l.post_id).where(_l.id == payload[0], _is_valid(ctx)))
    post = await post_queries.by_id(ctx.db, opened) if opened is not None else None
    if post is None:
        raise InvalidLink(_INVALID_LINK)
    return post


async def _require_edit(ctx: Context, post_id: int) -> Post:
    return policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))


def _is_valid(ctx: Context) -> sa.ColumnElement[bool]:
    return _l.revoked_at.is_(None) & (_l.expires_at > ctx.now)


def _link_from_row(ctx: Context, row: Any) -> PreviewLink:
    # Signing again gives a different but equally valid secret: the signature contains the time.
    secret = ctx.site.signer.sign(Purpose.PREVIEW_LINK, [row["id"]])
    return PreviewLink(row["id"], row["name"], row["created_at"], row["expires_at"], secret)
