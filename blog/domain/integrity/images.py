"""Integrity of image files: compared with the rows and texts that refer to them."""

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.core.storage import StoredFile, is_media_name, is_unfinished, sha256_of
from blog.domain.integrity.faults import BATCH_SIZE, Fault, summarise
from blog.domain.media import media
from blog.progress import Progress, no_progress

_m, _p = tables.media.c, tables.posts.c
# In HTML an URL, in the JSON of a feature image the name alone.
_FILE_NAME = re.compile(r'(?:/media/|")([0-9a-f]{64}\.\w+)"')
_RESTORE_HINT = "Put the original files back into MEDIA_DIR, for example from a backup"
_REMOVAL_BATCH_SIZE = 20
GRACE_PERIOD = dt.timedelta(hours=1)
"""Minimum age of an unreferenced file before it is reported: an upload stores its files before its row."""


async def check(ctx: Context, progress: Progress = no_progress) -> list[Fault]:
    """Check for files that are missing, damaged, of the wrong size, or unused."""
    files = {file.name: file for file in await anyio.to_thread.run_sync(lambda: list(ctx.site.storage.list_files()))}
    return [
        *await _missing_files(ctx, files),
        *await _damaged_files(ctx, [name for name in files if is_media_name(name)], progress),
        *await _unused_files(ctx, files),
    ]


async def _missing_files(ctx: Context, files: dict[str, StoredFile]) -> list[Fault]:
    faults: list[Fault] = []
    for image in await ctx.db.fetch_all(sa.select(_m.id, _m.name, _m.bytes, _m.variants).order_by(_m.id)):
        names = [image["name"], *(variant["name"] for variant in image["variants"])]
        if lost := [name for name in names if name not in files]:
            faults.append(Fault(f"Files of the image with id {image['id']} are missing ({summarise(lost)}). {_RESTORE_HINT}"))
        elif files[image["name"]].size != image["bytes"]:
            faults.append(Fault(f"The image {image['name']} does not have {image['bytes']} bytes. {_RESTORE_HINT}"))
    for what, table in (("post", tables.posts), ("page", tables.static_pages)):
        faults += await _missing_in_html(ctx, what, table, files)
    return faults


async def _missing_in_html(ctx: Context, what: str, table: sa.Table, files: dict[str, StoredFile]) -> list[Fault]:
    faults: list[Fault] = []
    last = 0
    texts: sa.ColumnElement[str] = table.c.html
    is_showing = texts.contains("/media/")
    if table is tables.posts:
        is_showing |= _p.feature_image.is_not(None)
        texts += sa.func.coalesce(sa.cast(_p.feature_image, sa.Text), "")
    query = sa.select(table.c.id, table.c.slug, texts.label("texts")).where(is_showing).order_by(table.c.id).limit(BATCH_SIZE)
    if "deleted_at" in table.c:
        query = query.where(table.c.deleted_at.is_(None))
    while rows := await ctx.db.fetch_all(query.where(table.c.id > last)):
        faults += [
            Fault(f"Images of the {what} {row['slug']} are missing ({summarise(lost)}). {_RESTORE_HINT}")
            for row in rows
            if (lost := [name for name in dict.fromkeys(_FILE_NAME.findall(row["texts"])) if name not in files])
        ]
        last = rows[-1]["id"]
    return faults


async def _damaged_files(ctx: Context, names: Sequence[str], progress: Progress) -> list[Fault]:
    """Compare the digest of each file with its name."""
    damaged: list[str] = []
    for number, name in enumerate(names, 1):
        path = await anyio.to_thread.run_sync(ctx.site.storage.locate, name)
        if isinstance(path, Path) and await anyio.to_thread.run_sync(sha256_of, path) != path.stem:
            damaged.append(name)
        progress(number, len(names))
    return [Fault(f"Damaged image files: {len(damaged)} ({summarise(damaged)}). {_RESTORE_HINT}")] if damaged else []


async def _unused_files(ctx: Context, files: dict[str, StoredFile]) -> list[Fault]:
    old = [file for file in files.values() if ctx.now - file.modified_at > GRACE_PERIOD]
    used = await media.referenced_names(ctx)
    unused = [file for file in old if is_media_name(file.name) and file.name not in used]
    unfinished = [file for file in old if is_unfinished(file.name)]

    async def remove() -> None:
        names = [file.name for file in unused]
        for start in range(0, len(names), _REMOVAL_BATCH_SIZE):
            await media.remove_unused(ctx, names[start : start + _REMOVAL_BATCH_SIZE])

    async def remove_unfinished() -> None:
        for file in unfinished:
            await anyio.to_thread.run_sync(ctx.site.storage.remove, file.name)

    return [
        *([Fault(f"Unused image files: {len(unused)}, {_total_size(unused)}", remove)] if unused else []),
        *([Fault(f"Incomplete image files: {len(unfinished)}", remove_unfinished)] if unfinished else []),
    ]


def _total_size(files: Sequence[StoredFile]) -> str:
    return f"{sum(file.size for file in files):,} bytes"
