"""The pictures by which people are recognised: small squares, in the store of all images."""

from typing import BinaryIO

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.storage import Storage
from blog.domain.media import image_processing, media
from blog.domain.media.image_processing import ImageFile
from blog.errors import Forbidden
from blog.schemas.accounts import Scope
from blog.schemas.feature_flags import Flag

_u = tables.users.c


def require_avatar_upload(ctx: Context) -> None:
    """Raises NotSignedIn, or Forbidden: the scope, or uploads are switched off."""
    ctx.require_actor(Scope.ACCOUNT)
    if not ctx.site.runtime_settings.is_enabled(Flag.UPLOADS):
        raise Forbidden("Uploads are switched off")


async def change(ctx: Context, file: BinaryIO) -> None:
    """Take the middle of an image as the actor's avatar. Raises NotSignedIn, Forbidden, InvalidInput (file)."""
    require_avatar_upload(ctx)
    portrait = await anyio.to_thread.run_sync(_store_thumbnail, ctx.site.storage, file, limiter=ctx.site.image_limiter)
    await _replace(ctx, portrait)


async def remove(ctx: Context) -> None:
    """Back to initials. Raises NotSignedIn, Forbidden."""
    ctx.require_actor(Scope.ACCOUNT)
    await _replace(ctx, None)


async def _replace(ctx: Context, thumbnail: ImageFile | None) -> None:
    mine = _u.id == ctx.require_actor().id
    async with ctx.db.transaction():
        before: str | None = await ctx.db.fetch_val(sa.select(_u.avatar).where(mine))
        values = {"avatar": thumbnail.name if thumbnail else None, "updated_at": ctx.now}
        await ctx.db.execute(tables.users.update().where(mine).values(values))
        await events.record_site_changed(ctx)
        if thumbnail is not None:  # again: somebody may have removed the same file since it was put there
            await anyio.to_thread.run_sync(ctx.site.storage.put, thumbnail.name, thumbnail.data)
    if before is not None:
        await media.remove_unused(ctx, [before])


def _store_thumbnail(store: Storage, file: BinaryIO) -> ImageFile:
    portrait = image_processing.square_thumbnail(file.read())
    store.put(portrait.name, portrait.data)
    return portrait
