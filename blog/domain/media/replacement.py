"""Replacement of an uploaded image by another one.

The name of a file is the digest of its content, and browsers store it for a year. The new image therefore has another URL, and
the texts that show the old one get a new version with this URL. Older versions keep the old image, which stays stored for them.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.models import Variant
from blog.domain.media import media, stored_files, uses
from blog.domain.media.file_types import FILE_TYPES
from blog.domain.media.image_decoding import image_error
from blog.domain.media.media import Processed
from blog.domain.media.models import Media
from blog.domain.posts import posts
from blog.domain.posts.feature_image import FeatureImage
from blog.domain.posts.models import Post
from blog.domain.site import static_pages
from blog.errors import Conflict, NotFound, VersionConflict
from blog.schemas.media import NewMedia
from blog.schemas.static_pages import StaticPageChanges

_m, _t = tables.media.c, tables.tags.c
_MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Replacement:
    """The entry with its new file, the number of changed texts, and the number of texts that still show the old image."""

    item: Media
    changed: int
    unchanged: int


async def replace(ctx: Context, media_id: int, file: BinaryIO, file_name: str = "") -> Replacement:
    """Give an entry a new file, and show it in all posts and pages that the actor may change. The alt text is kept.

    Raises NotAuthenticated, Forbidden, NotFound, InvalidInput (file), Unavailable (storage), and Conflict if the new image has
    an entry already.
    """
    item = await media.get(ctx, media_id)
    image = await media.process_upload(ctx, file)
    _require_same_kind(item, image)
    if image.main.name == item.name:
        return Replacement(item, 0, 0)
    same = (_m.user_id == item.user_id) & (_m.name == image.main.name)
    if await ctx.db.fetch_val(sa.select(_m.id).where(same)) is not None:
        raise Conflict("This image is in the library already. Insert that one, or delete its entry first.", loc=("file",))
    new_names = _new_names(item, image)
    # The texts first: if the process ends midway, the same replacement can be repeated and changes the others.
    changed = 0
    for post in await uses.editable_posts(ctx, item.file_names):
        changed += await _change_post(ctx, post, new_names, image)
    changed += await _change_pages(ctx, new_names)
    changed += await _change_tags(ctx, new_names)
    replaced = await _update_entry(ctx, item, image, NewMedia(alt=item.alt).with_file_name(file_name or item.file_name))
    return Replacement(replaced, changed, (await uses.find(ctx, item)).current_count)


def _require_same_kind(item: Media, image: Processed) -> None:
    """Raise InvalidInput if texts that show or play the old file could not do so with the new one."""
    old, new = (FILE_TYPES[name.rpartition(".")[2]] for name in (item.name, image.main.name))
    if old.kind is not new.kind and not (item.is_image and image.main.width is not None):
        raise image_error(f"This file is not of the kind {old.kind.value}, but {new.kind.value}. Choose another file.")


def _new_names(item: Media, image: Processed) -> Mapping[str, str]:
    """Return the new name for each old one: the copy of the same width, else the main file."""
    copies = {file.width: file.name for file in image.variants}
    return {item.name: image.main.name} | {old.name: copies.get(old.width, image.main.name) for old in item.variants}


async def _change_post(ctx: Context, post: Post, new_names: Mapping[str, str], image: Processed) -> bool:
    """Store a version of the post with the new names. Return False if the post was deleted or is no longer editable."""
    for _ in range(_MAX_ATTEMPTS):
        try:
            changes = {"content": _rename(post.content, new_names), "feature_image": _with_file(post, new_names, image)}
            await posts.save_changes(ctx, post.id, changes, if_match=(post.version,))
        except VersionConflict:
            post = await posts.get(ctx, post.id)
        except NotFound:
            return False
        else:
            return True
    return False


def _with_file(post: Post, new_names: Mapping[str, str], image: Processed) -> FeatureImage | None:
    """Return the feature image of a post, with the new file if it is the replaced image."""
    shown, main = post.feature_image, image.main
    if shown is None or shown.name not in new_names:
        return shown
    copies = tuple(Variant(file.name, file.width, file.height) for file in image.variants)
    return dataclasses.replace(shown, name=main.name, width=main.width, height=main.height, bytes=main.size, variants=copies)


async def _change_pages(ctx: Context, new_names: Mapping[str, str]) -> int:
    """Store the pages with the new names, and return their number: 0 unless the actor is an owner."""
    if not policy.is_owner(ctx.actor):
        return 0
    found = [page for page in await static_pages.all_pages(ctx) if any(name in page.content for name in new_names)]
    for page in found:
        changes = StaticPageChanges(content=_rename(page.content, new_names))
        await static_pages.edit(ctx, page.id, changes, if_match={page.version}, reserved=())
    return len(found)


async def _change_tags(ctx: Context, new_names: Mapping[str, str]) -> int:
    """Store the new names of the images of tags, and return their number: 0 unless the actor is an editor."""
    if not policy.can_moderate_all(ctx.actor):
        return 0
    rows = await ctx.db.fetch_all(sa.select(_t.id, _t.image).where(uses.mentions(_t.image, new_names)))
    for row in rows:
        await ctx.db.execute(tables.tags.update().where(_t.id == row["id"]).values(image=_rename(row["image"], new_names)))
    return len(rows)


def _rename(text: str, new_names: Mapping[str, str]) -> str:
    for old, new in new_names.items():
        text = text.replace(old, new)
    return text


async def _update_entry(ctx: Context, item: Media, image: Processed, new: NewMedia) -> Media:
    async with ctx.db.transaction():
        await media.lock_user(ctx, item.user_id)
        values = media.column_values(image, new, item.user_id, ctx)
        await ctx.db.execute(tables.media.update().where(_m.id == item.id).values(values | {"created_at": item.created_at}))
        await anyio.to_thread.run_sync(stored_files.store, ctx.site.storage, image.files)  # see `media.add`
        await events.record_site_changed(ctx)
        replaced = await media.get(ctx, item.id)
        await media.remove_unused(ctx, item.file_names)
        return replaced
