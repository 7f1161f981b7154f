"""The pictures by which people are recognised: small squares, in the store of all images."""

from typing import BinaryIO

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.storage import MediaStore
from blog.domain.media import image_processing, media
from blog.domain.media.image_processing import Rendition
from blog.errors import Forbidden
from blog.schemas.accounts import Scope
from blog.schemas.feature_flags import Flag

_u = tables.users.c


def require_sitter(ctx: Context) -> None:
    """Raises NotSignedIn, or Forbidden: the scope, or uploads are switched off."""
    ctx.signed_in(Scope.ACCOUNT)
    if not ctx.site.choices.on(Flag.UPLOADS):
        raise Forbidden("Uploads are switched off")


async def change(ctx: Context, file: BinaryIO) -> None:
    """Take the middle of an image as the actor's avatar. Raises NotSignedIn, Forbidden, InvalidInput (file)."""
    require_sitter(ctx)
    portrait = await anyio.to_thread.run_sync(_develop, ctx.site.media, file, limiter=ctx.site.developing)
    await _exchange(ctx, portrait)


async def remove(ctx: Context) -> None:
    """Back to initials. Raises NotSignedIn, Forbidden."""
    ctx.signed_in(Scope.ACCOUNT)
    await _exchange(ctx, None)


async def _exchange(ctx: Context, portrait: Rendition | None) -> None:
    mine = _u.id == ctx.signed_in().id
    async with ctx.db.transaction():
        before: str | None = await ctx.db.fetch_val(sa.select(_u.avatar).where(mine))
        values = {"avatar": portrait.name if portrait else None, "updated_at": ctx.now}
        await ctx.db.execute(tables.users.update().where(mine).values(values))
        await events.record_site(ctx)
        if portrait is not None:  # again: somebody may have removed the same file since it was put there
            await anyio.to_thread.run_sync(ctx.site.media.put, portrait.name, portrait.data)
    if before is not None:
        await media.remove_unused(ctx, [before])


def _develop(store: MediaStore, file: BinaryIO) -> Rendition:
    portrait = image_processing.portrait(file.read())
    store.put(portrait.name, portrait.data)
    return portrait
