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
from blog.domain.core.models import Media, Page, Variant
from blog.domain.core.storage import MediaStore
from blog.domain.media import image_processing
from blog.domain.media.image_processing import Picture, Rendition
from blog.errors import Forbidden, NotFound, Unavailable
from blog.schemas.accounts import Role, Scope
from blog.schemas.feature_flags import Flag
from blog.schemas.media import MediaChanges, NewMedia

log = structlog.stdlib.get_logger("blog")
_m = tables.media.c
_NAMES = re.compile(r"[0-9a-f]{64}\.\w+")
# Wherever the name of a file can stand.
_USES = (
    _m.name,
    _m.variants,
    tables.posts.c.content,
    tables.revisions.c.content,
    tables.autosaves.c.form,
    tables.pages.c.content,
    tables.preferences.c.value,
    tables.users.c.avatar,
)


def require_uploader(ctx: Context) -> None:
    """Raises NotSignedIn, or Forbidden: the scope, the role, or uploads are switched off."""
    if not policy.may_write_posts(ctx.signed_in(Scope.MEDIA_WRITE)):
        raise Forbidden("Readers cannot upload images: ask the owner of the blog for the role of an author")
    if not ctx.site.choices.on(Flag.UPLOADS):
        raise Forbidden("Uploads are switched off")


async def upload(ctx: Context, file: BinaryIO, new: NewMedia) -> Media:
    """Keep an image, and copies of it for smaller screens.

    Raises NotSignedIn, Forbidden, InvalidInput (file), Unavailable (store).
    """
    return await add(ctx, await develop(ctx, file), new)


async def develop(ctx: Context, file: BinaryIO) -> Picture:
    """The first half of `upload`, which takes seconds of a core and no lock: the files. Raises as `upload` does."""
    require_uploader(ctx)
    return await anyio.to_thread.run_sync(_develop, ctx.site.media, file, limiter=ctx.site.developing)


async def add(ctx: Context, picture: Picture, new: NewMedia) -> Media:
    """The second half: the row. Raises NotSignedIn, Forbidden, Unavailable (store)."""
    require_uploader(ctx)
    actor = ctx.signed_in()
    async with ctx.db.transaction():
        media_id = await ctx.db.execute(tables.media.insert().values(_row(picture, new.alt, actor.id, ctx)))
        # Somebody may have removed the last other image with these files since they were put there. Nobody can from here on.
        await anyio.to_thread.run_sync(_put, ctx.site.media, picture.files)
        return await _one(ctx, media_id)


async def page(ctx: Context, *, limit: int, after: tuple[str, int] | None = None) -> Page[Media]:
    """The actor's own images, newest first. Raises NotSignedIn, Forbidden."""
    actor = ctx.signed_in(Scope.MEDIA_WRITE)
    query = sa.select(tables.media).where(_m.user_id == actor.id).order_by(_m.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_m.id < after[1])
    found = [_media(row) for row in await ctx.db.fetch_all(query)]
    return Page(found[:limit], ("", found[limit - 1].id) if len(found) > limit else None)


async def get(ctx: Context, media_id: int) -> Media:
    """One's own image; editors get everybody's. Raises NotSignedIn, Forbidden, NotFound."""
    actor = ctx.signed_in(Scope.MEDIA_WRITE)
    found = await _one(ctx, media_id)
    if found.user_id != actor.id and not actor.has_role(Role.EDITOR):
        raise NotFound("You have no such image")
    return found


async def change(ctx: Context, media_id: int, changes: MediaChanges) -> Media:
    """Change the members that were sent. Raises as `get` does."""
    async with ctx.db.transaction():
        await get(ctx, media_id)
        if changes.model_fields_set:
            await ctx.db.execute(tables.media.update().where(_m.id == media_id).values(alt=changes.alt))
        return await _one(ctx, media_id)


async def delete(ctx: Context, media_id: int) -> None:
    """Forget an image. Its files go unless something has them still: another image, any version of a post, a page, a profile.

    Raises as `get` does, and Unavailable (store).
    """
    # One transaction: its lock keeps uploads of the same image out meanwhile, and where the store fails, the row stays, so that
    # deleting can be tried again. Otherwise a file that nobody knows of would be shown for ever.
    async with ctx.db.transaction():
        found = await get(ctx, media_id)
        await ctx.db.execute(tables.media.delete().where(_m.id == media_id))
        await remove_unused(ctx, found.names)


async def remove_unused(ctx: Context, names: Sequence[str]) -> None:
    """Remove those of the files that nothing shows any more. Raises Unavailable (store)."""
    async with ctx.db.transaction():
        unused = [name for name in names if not await _is_used(ctx, name)]
        await anyio.to_thread.run_sync(_remove, ctx.site.media, unused)


async def _is_used(ctx: Context, name: str) -> bool:
    uses = [sa.exists().where(sa.cast(column, sa.Text).contains(name)) for column in _USES]
    return bool(await ctx.db.fetch_val(sa.select(sa.or_(*uses))))


async def used_names(ctx: Context) -> set[str]:
    """The names of all files that anything shows: to look at all files, as `_is_used` looks at one."""
    return {name for column in _USES for text in await _texts(ctx, column) for name in _NAMES.findall(text)}


async def _texts(ctx: Context, column: sa.ColumnElement[Any]) -> list[str]:
    """The values of a column in which the name of a file may stand."""
    text = sa.cast(column, sa.Text)
    suffixes = [text.contains(f".{suffix}") for suffix in image_processing.MEDIA_TYPES]
    return [row[0] for row in await ctx.db.fetch_all(sa.select(text).where(sa.or_(*suffixes)))]


def keep(store: MediaStore, data: bytes) -> str:
    """Keep an image that an import brings, without a row of its own; its name. Blocks.

    Raises InvalidInput (file), Unavailable (store).
    """
    picture = image_processing.clean(data)
    _put(store, [picture])
    return picture.name


def name_of(data: bytes) -> str:
    """The name under which `keep` would keep it. Blocks. Raises InvalidInput (file)."""
    return image_processing.clean(data).name


async def locate(store: MediaStore, name: str) -> Path | str | None:
    """A path to send, or a URL to send readers to; None if there is no such file. Raises Unavailable (store)."""
    return await anyio.to_thread.run_sync(_locate, store, name)


def _locate(store: MediaStore, name: str) -> Path | str | None:
    with _store_errors():
        return store.locate(name)


def size_of(store: MediaStore, name: str) -> tuple[int, int] | None:
    """Width and height of the image with this name, in pixels; None if it is not on this machine. Blocks for a short moment."""
    found = store.nearby(name)
    return image_processing.size(found) if found else None


def _develop(store: MediaStore, file: BinaryIO) -> Picture:
    with _store_errors():  # the file of an upload may lie on a disk, too
        data = file.read()
    picture = image_processing.develop(data)
    _put(store, picture.files)
    return picture


def _put(store: MediaStore, files: Iterable[Rendition]) -> None:
    with _store_errors():
        for file in files:
            store.put(file.name, file.data)


def _remove(store: MediaStore, names: Sequence[str]) -> None:
    with _store_errors():
        for name in names:
            store.remove(name)


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    """Raises Unavailable where the store fails; what it said is for the log."""
    try:
        yield
    except OSError as error:
        log.error("the store of images fails", reason=str(error))
        reason = error.strerror or "it cannot be reached"
        raise Unavailable(f"The store of images fails ({reason}): try again later", retry_after=60) from error


def _row(picture: Picture, alt: str, user_id: int, ctx: Context) -> dict[str, Any]:
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


async def _one(ctx: Context, media_id: int) -> Media:
    row = await ctx.db.fetch_one(sa.select(tables.media).where(_m.id == media_id))
    if row is None:
        raise NotFound("You have no such image")
    return _media(row)


def _media(row: Any) -> Media:
    return Media(
        id=row["id"],
        name=row["name"],
        media_type=row["media_type"],
        width=row["width"],
        height=row["height"],
        alt=row["alt"],
        variants=tuple(Variant(**variant) for variant in row["variants"]),
        user_id=row["user_id"],
        created_at=row["created_at"],
    )
