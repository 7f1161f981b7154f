"""Uploaded images: permissions, metadata, and removal of unused files."""

import re
from collections.abc import Sequence
from typing import Any, BinaryIO

import anyio.to_thread
import sqlalchemy as sa
import structlog

from blog.db import tables
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.core.storage import Storage
from blog.domain.media import image_processing, stored_files
from blog.domain.media.file_processing import ProcessedFile, process_file
from blog.domain.media.file_types import FILE_TYPES
from blog.domain.media.image_processing import ProcessedImage
from blog.domain.media.models import Media, MediaFilter
from blog.errors import Forbidden, NotFound, PayloadTooLarge
from blog.schemas.accounts import Role, Scope
from blog.schemas.feature_flags import Flag
from blog.schemas.media import MediaChanges, NewMedia
from blog.text.normalisation import fold_name

Processed = ProcessedImage | ProcessedFile
log = structlog.stdlib.get_logger("blog")
_m, _u = tables.media.c, tables.users.c
_MEDIA = sa.select(tables.media, _u.username.label("uploader")).join(tables.users, _u.id == _m.user_id)
_OWN = MediaFilter()
_NOT_FOUND = "You have no image with this id"
_NAME_PATTERN = re.compile(r"[0-9a-f]{64}\.\w+")
# All columns that can contain the name of an image file.
_REFERENCING_COLUMNS = (
    _m.name,
    _m.variants,
    tables.posts.c.content,
    tables.posts.c.feature_image,
    tables.revisions.c.content,
    tables.revisions.c.feature_image,
    tables.autosaves.c.form,
    tables.static_pages.c.content,
    tables.tags.c.image,
    tables.site_preferences.c.value,
    tables.users.c.avatar,
)


def require_uploader(ctx: Context) -> None:
    """Raise NotAuthenticated, or Forbidden if the scope or role is missing or uploads are turned off."""
    if not policy.can_write_posts(ctx.require_actor(Scope.MEDIA_WRITE)):
        raise Forbidden("Readers cannot upload images. Ask the owner of the blog for the author role.")
    if not ctx.site.runtime_settings.is_enabled(Flag.UPLOADS):
        raise Forbidden("Uploads are turned off")


async def upload(ctx: Context, file: BinaryIO, new: NewMedia) -> tuple[Media, bool]:
    """Process and store an image, with copies for smaller screens.

    Returns the entry, and whether it is new: an image that the user has uploaded before keeps its entry. Its alt text and
    file name are set if it had none. Raises NotAuthenticated, Forbidden, InvalidInput (file), Unavailable (storage).
    """
    return await add(ctx, await process_upload(ctx, file), new)


async def process_upload(ctx: Context, file: BinaryIO) -> Processed:
    """Process and store the files: the first half of `upload`, which takes seconds and no lock. Raises as `upload` does."""
    require_uploader(ctx)
    limit = ctx.site.settings.max_upload_bytes
    return await anyio.to_thread.run_sync(_process_upload, ctx.site.storage, file, limit, limiter=ctx.site.image_limiter)


async def add(ctx: Context, image: Processed, new: NewMedia) -> tuple[Media, bool]:
    """Insert the row of a processed image: the second half of `upload`. Raises NotAuthenticated, Forbidden, Unavailable."""
    require_uploader(ctx)
    actor = ctx.require_actor()
    async with ctx.db.transaction():
        await lock_user(ctx, actor.id)
        same = (_m.user_id == actor.id) & (_m.name == image.main.name)
        known_id = await ctx.db.fetch_val(sa.select(_m.id).where(same))
        if known_id is not None:
            for name, value in new.model_dump().items():  # completes what is missing
                await ctx.db.execute(tables.media.update().where(same, _m[name] == "").values({name: value}))
        insert = tables.media.insert().values(column_values(image, new, actor.id, ctx))
        media_id = known_id if known_id is not None else await ctx.db.execute(insert)
        # Store the files again: the last other image with these files may have been deleted since. The lock prevents it now.
        await anyio.to_thread.run_sync(stored_files.store, ctx.site.storage, image.files)
        return await _fetch_media(ctx, media_id), known_id is None


async def lock_user(ctx: Context, user_id: int) -> None:
    """Lock the row of a user for the transaction: simultaneous uploads of one image wait for each other."""
    await ctx.db.fetch_val(sa.select(tables.users.c.id).where(tables.users.c.id == user_id).with_for_update())


async def list_page(ctx: Context, chosen: MediaFilter = _OWN, *, limit: int, after: CursorKey | None = None) -> ResultPage[Media]:
    """Return a page of images, newest first. Raises NotAuthenticated, Forbidden (images of others, without the editor role)."""
    actor = ctx.require_actor(Scope.MEDIA_WRITE)
    query = _MEDIA.order_by(_m.id.desc()).limit(limit + 1)
    uploader = actor.username if chosen.uploader is None else chosen.uploader
    if uploader != "*":
        query = query.where(_u.username_folded == fold_name(uploader))
    if fold_name(uploader) != fold_name(actor.username) and not actor.has_role(Role.EDITOR):
        raise Forbidden("Only editors can list the images of others")
    for word in chosen.text.lower().split():
        query = query.where(sa.func.lower(_m.file_name + "\n" + _m.alt).contains(word, autoescape=True))
    if chosen.images_only:
        query = query.where(_m.width.is_not(None))
    if after is not None:
        query = query.where(_m.id < after[1])
    return ResultPage.by_id([from_row(Media, row) for row in await ctx.db.fetch_all(query)], limit)


async def uploaders(ctx: Context) -> Sequence[str]:
    """Return the usernames of people with images, for editors; else an empty list. Raises NotAuthenticated, Forbidden."""
    if not ctx.require_actor(Scope.MEDIA_WRITE).has_role(Role.EDITOR):
        return []
    query = sa.select(_u.username).where(_u.id.in_(sa.select(_m.user_id))).order_by(_u.username_folded)
    return [row["username"] for row in await ctx.db.fetch_all(query)]


async def get(ctx: Context, media_id: int) -> Media:
    """Return an image of the current user; for editors any image. Raises NotAuthenticated, Forbidden, NotFound."""
    actor = ctx.require_actor(Scope.MEDIA_WRITE)
    item = await _fetch_media(ctx, media_id)
    if item.user_id != actor.id and not actor.has_role(Role.EDITOR):
        raise NotFound(_NOT_FOUND)
    return item


async def change(ctx: Context, media_id: int, changes: MediaChanges) -> Media:
    """Change the given fields of an image. Raises as `get` does."""
    async with ctx.db.transaction():
        await get(ctx, media_id)
        if changes.model_fields_set:
            sent = changes.model_dump(exclude_unset=True)
            await ctx.db.execute(tables.media.update().where(_m.id == media_id).values(sent))
        return await _fetch_media(ctx, media_id)


async def delete(ctx: Context, media_id: int) -> None:
    """Delete an image, and its files unless another image, a version of a post, a page or a profile uses them.

    Raises as `get` does, and Unavailable (storage).
    """
    # One transaction: its lock excludes uploads of the same image. If the storage fails, the row stays and the deletion can be
    # repeated; otherwise the blog would serve a file forever that no row refers to.
    async with ctx.db.transaction():
        item = await get(ctx, media_id)
        await ctx.db.execute(tables.media.delete().where(_m.id == media_id))
        if await _is_referenced(ctx, item.name):
            await events.record_site_changed(ctx)  # cached pages that show the image name its smaller copies
        await remove_unused(ctx, item.file_names)


async def remove_unused(ctx: Context, names: Sequence[str]) -> None:
    """Remove the files that are not referenced. Raises Unavailable (storage)."""
    async with ctx.db.transaction():
        unused = [name for name in names if not await _is_referenced(ctx, name)]
        await anyio.to_thread.run_sync(stored_files.remove, ctx.site.storage, unused)


async def _is_referenced(ctx: Context, name: str) -> bool:
    uses = [sa.exists().where(sa.cast(column, sa.Text).contains(name)) for column in _REFERENCING_COLUMNS]
    return bool(await ctx.db.fetch_val(sa.select(sa.or_(*uses))))


async def referenced_names(ctx: Context) -> set[str]:
    """Return the names of all referenced files; `_is_referenced` checks a single one."""
    return {
        name
        for column in _REFERENCING_COLUMNS
        for text in await _column_texts(ctx, column)
        for name in _NAME_PATTERN.findall(text)
    }


async def _column_texts(ctx: Context, column: sa.ColumnElement[Any]) -> list[str]:
    """Return the values of a column that may contain file names."""
    text = sa.cast(column, sa.Text)
    suffixes = [text.contains(f".{suffix}") for suffix in FILE_TYPES]
    return [row[0] for row in await ctx.db.fetch_all(sa.select(text).where(sa.or_(*suffixes)))]


async def download_name(ctx: Context, name: str) -> str:
    """Return the file name under which a stored file is downloaded: that of its first entry."""
    row = await ctx.db.fetch_one(_MEDIA.where(_m.name == name).order_by(_m.id).limit(1))
    return from_row(Media, row).download_name if row is not None else name


def _process_upload(storage: Storage, file: BinaryIO, max_image_bytes: int) -> Processed:
    with stored_files.translate_errors():  # a large upload is a temporary file
        processed = process_file(file)
        data = b"" if processed else file.read(max_image_bytes + 1)
    if len(data) > max_image_bytes:
        raise PayloadTooLarge(f"The image is larger than {max_image_bytes} bytes. Send a smaller one.")
    processed = processed or image_processing.process(data)
    stored_files.store(storage, processed.files)
    return processed


def column_values(image: Processed, new: NewMedia, user_id: int, ctx: Context) -> dict[str, Any]:
    """Return the row of a processed image."""
    return {
        "name": image.main.name,
        "media_type": image.main.media_type,
        "width": image.main.width,
        "height": image.main.height,
        "bytes": image.main.size,
        "alt": new.alt,
        "file_name": new.file_name,
        "variants": [{"name": file.name, "width": file.width, "height": file.height} for file in image.variants],
        "user_id": user_id,
        "created_at": ctx.now,
    }


async def _fetch_media(ctx: Context, media_id: int) -> Media:
    row = await ctx.db.fetch_one(_MEDIA.where(_m.id == media_id))
    if row is None:
        raise NotFound(_NOT_FOUND)
    return from_row(Media, row)
