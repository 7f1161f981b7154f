"""Avatars: square thumbnails in the image storage."""

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
    """Raise NotAuthenticated, or Forbidden if the scope is missing or uploads are turned off."""
    ctx.require_actor(Scope.ACCOUNT)
    if not ctx.site.runtime_settings.is_enabled(Flag.UPLOADS):
        raise Forbidden("Uploads are turned off")


async def change(ctx: Context, file: BinaryIO) -> None:
    """Make the centre square of an image the actor's avatar. Raises NotAuthenticated, Forbidden, InvalidInput (file)."""
    require_avatar_upload(ctx)
    thumbnail = await anyio.to_thread.run_sync(_store_thumbnail, ctx.site.storage, file, limiter=ctx.site.image_limiter)
    await _replace(ctx, thumbnail)


async def remove(ctx: Context) -> None:
    """Remove the actor's avatar; pages show initials instead. Raises NotAuthenticated, Forbidden."""
    ctx.require_actor(Scope.ACCOUNT)
    await _replace(ctx, None)


async def _replace(ctx: Context, thumbnail: ImageFile | None) -> None:
    own_row = _u.id == ctx.require_actor().id
    async with ctx.db.transaction():
        before: str | None = await ctx.db.fetch_val(sa.select(_u.avatar).where(own_row))
        values = {"avatar": thumbnail.name if thumbnail else None, "updated_at": ctx.now}
        await ctx.db.execute(tables.users.update().where(own_row).values(values))
        await events.record_site_changed(ctx)
        if thumbnail is not None:  # Stored again: a concurrent removal may have deleted the same file.
            await anyio.to_thread.run_sync(ctx.site.storage.put, thumbnail.name, thumbnail.data)
    if before is not None:
        await media.remove_unused(ctx, [before])


def _store_thumbnail(store: Storage, file: BinaryIO) -> ImageFile:
    thumbnail = image_processing.square_thumbnail(file.read())
    store.put(thumbnail.name, thumbnail.data)
    return thumbnail
