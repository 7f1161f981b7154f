"""Uploaded images: who may keep them, what is said of them, and when their files go."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import anyio.to_thread
import sqlalchemy as sa
import structlog

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.core.storage import Storage
from blog.domain.media import image_processing
from blog.domain.media.image_processing import ImageFile, ProcessedImage
from blog.domain.media.models import Media
from blog.errors import Forbidden, NotFound, Unavailable
from blog.schemas.accounts import Role, Scope
from blog.schemas.feature_flags import Flag
from blog.schemas.media import MediaChanges, NewMedia

log = structlog.stdlib.get_logger("blog")
_m = tables.media.c
_NAME_PATTERN = re.compile(r"[0-9a-f]{64}\.\w+")
# Wherever the name of a file can stand.
_REFERENCING_COLUMNS = (
    _m.name,
    _m.variants,
    tables.posts.c.content,
    tables.revisions.c.content,
    tables.autosaves.c.form,
    tables.static_pages.c.content,
    tables.site_preferences.c.value,
    tables.users.c.avatar,
)


def require_uploader(ctx: Context) -> None:
    """Raises NotSignedIn, or Forbidden: the scope, the role, or uploads are switched off."""
    if not policy.can_write_posts(ctx.require_actor(Scope.MEDIA_WRITE)):
        raise Forbidden("Readers cannot upload images: ask the owner of the blog for the role of an author")
    if not ctx.site.runtime_settings.is_enabled(Flag.UPLOADS):
        raise Forbidden("Uploads are switched off")


async def upload(ctx: Context, file: BinaryIO, new: NewMedia) -> Media:
    """Keep an image, and copies of it for smaller screens.

    Raises NotSignedIn, Forbidden, InvalidInput (file), Unavailable (store).
    """
    return await add(ctx, await process_upload(ctx, file), new)


async def process_upload(ctx: Context, file: BinaryIO) -> ProcessedImage:
    """The first half of `upload`, which takes seconds of a core and no lock: the files. Raises as `upload` does."""
    require_uploader(ctx)
    return await anyio.to_thread.run_sync(_process_upload, ctx.site.storage, file, limiter=ctx.site.image_limiter)


async def add(ctx: Context, image: ProcessedImage, new: NewMedia) -> Media:
    """The second half: the row. Raises NotSignedIn, Forbidden, Unavailable (store)."""
    require_uploader(ctx)
    actor = ctx.require_actor()
    async with ctx.db.transaction():
        media_id = await ctx.db.execute(tables.media.insert().values(_column_values(image, new.alt, actor.id, ctx)))
        # Somebody may have removed the last other image with these files since they were put there. Nobody can from here on.
        await anyio.to_thread.run_sync(_store_files, ctx.site.storage, image.files)
        return await _fetch_media(ctx, media_id)


async def list_page(ctx: Context, *, limit: int, after: CursorKey | None = None) -> ResultPage[Media]:
    """The actor's own images, newest first. Raises NotSignedIn, Forbidden."""
    actor = ctx.require_actor(Scope.MEDIA_WRITE)
    query = sa.select(tables.media).where(_m.user_id == actor.id).order_by(_m.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_m.id < after[1])
    return ResultPage.by_id([from_row(Media, row) for row in await ctx.db.fetch_all(query)], limit)


async def get(ctx: Context, media_id: int) -> Media:
    """One's own image; editors get everybody's. Raises NotSignedIn, Forbidden, NotFound."""
    actor = ctx.require_actor(Scope.MEDIA_WRITE)
    found = await _fetch_media(ctx, media_id)
    if found.user_id != actor.id and not actor.has_role(Role.EDITOR):
        raise NotFound("You have no such image")
    return found


async def change(ctx: Context, media_id: int, changes: MediaChanges) -> Media:
    """Change the members that were sent. Raises as `get` does."""
    async with ctx.db.transaction():
        await get(ctx, media_id)
        if changes.model_fields_set:
            await ctx.db.execute(tables.media.update().where(_m.id == media_id).values(alt=changes.alt))
        return await _fetch_media(ctx, media_id)


async def delete(ctx: Context, media_id: int) -> None:
    """Forget an image. Its files go unless something has them still: another image, any version of a post, a page, a profile.

    Raises as `get` does, and Unavailable (store).
    """
    # One transaction: its lock keeps uploads of the same image out meanwhile, and where the store fails, the row stays, so that
    # deleting can be tried again. Otherwise a file that nobody knows of would be shown for ever.
    async with ctx.db.transaction():
        found = await get(ctx, media_id)
        await ctx.db.execute(tables.media.delete().where(_m.id == media_id))
        await remove_unused(ctx, found.file_names)


async def remove_unused(ctx: Context, names: Sequence[str]) -> None:
    """Remove those of the files that nothing shows any more. Raises Unavailable (store)."""
    async with ctx.db.transaction():
        unused = [name for name in names if not await _is_referenced(ctx, name)]
        await anyio.to_thread.run_sync(_remove_files, ctx.site.storage, unused)


async def _is_referenced(ctx: Context, name: str) -> bool:
    uses = [sa.exists().where(sa.cast(column, sa.Text).contains(name)) for column in _REFERENCING_COLUMNS]
    return bool(await ctx.db.fetch_val(sa.select(sa.or_(*uses))))


async def referenced_names(ctx: Context) -> set[str]:
    """The names of all files that anything shows: to look at all files, as `_is_used` looks at one."""
    return {
        name
        for column in _REFERENCING_COLUMNS
        for text in await _column_texts(ctx, column)
        for name in _NAME_PATTERN.findall(text)
    }


async def _column_texts(ctx: Context, column: sa.ColumnElement[Any]) -> list[str]:
    """The values of a column in which the name of a file may stand."""
    text = sa.cast(column, sa.Text)
    suffixes = [text.contains(f".{suffix}") for suffix in image_processing.MEDIA_TYPES]
    return [row[0] for row in await ctx.db.fetch_all(sa.select(text).where(sa.or_(*suffixes)))]


def store_imported(store: Storage, data: bytes) -> str:
    """Keep an image that an import brings, without a row of its own; its name. Blocks.

    Raises InvalidInput (file), Unavailable (store).
    """
    picture = image_processing.reencode(data)
    _store_files(store, [picture])
    return picture.name


def content_name(data: bytes) -> str:
    """The name under which `keep` would keep it. Blocks. Raises InvalidInput (file)."""
    return image_processing.reencode(data).name


async def locate(store: Storage, name: str) -> Path | str | None:
    """A path to send, or a URL to send readers to; None if there is no such file. Raises Unavailable (store)."""
    return await anyio.to_thread.run_sync(_locate, store, name)


def _locate(store: Storage, name: str) -> Path | str | None:
    with _translate_storage_errors():
        return store.locate(name)


def image_size(store: Storage, name: str) -> tuple[int, int] | None:
    """Width and height of the image with this name, in pixels; None if it is not on this machine. Blocks for a short moment."""
    found = store.local_path(name)
    return image_processing.read_size(found) if found else None


def _process_upload(store: Storage, file: BinaryIO) -> ProcessedImage:
    with _translate_storage_errors():  # the file of an upload may lie on a disk, too
        data = file.read()
    picture = image_processing.process(data)
    _store_files(store, picture.files)
    return picture


def _store_files(store: Storage, files: Iterable[ImageFile]) -> None:
    with _translate_storage_errors():
        for file in files:
            store.put(file.name, file.data)


def _remove_files(store: Storage, names: Sequence[str]) -> None:
    with _translate_storage_errors():
        for name in names:
            store.remove(name)


@contextlib.contextmanager
def _translate_storage_errors() -> Iterator[None]:
    """Raises Unavailable where the store fails; what it said is for the log."""
    try:
        yield
    except OSError as error:
        log.error("the store of images fails", reason=str(error))
        reason = error.strerror or "it cannot be reached"
        raise Unavailable(f"The store of images fails ({reason}): try again later", retry_after=60) from error


def _column_values(picture: ProcessedImage, alt: str, user_id: int, ctx: Context) -> dict[str, Any]:
    return {
        "name": picture.main.name,
        "media_type": picture.main.media_type,
        "width": picture.main.width,
        "height": picture.main.height,
        "bytes": len(picture.main.data),
        "alt": alt,
        "variants": [{"name": file.name, "width": file.width, "height": file.height} for file in picture.variants],
        "user_id": user_id,
        "created_at": ctx.now,
    }


async def _fetch_media(ctx: Context, media_id: int) -> Media:
    row = await ctx.db.fetch_one(sa.select(tables.media).where(_m.id == media_id))
    if row is None:
        raise NotFound("You have no such image")
    return from_row(Media, row)
