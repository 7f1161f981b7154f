"""Images of an import: stored with smaller copies, as uploads are."""

from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.media import image_processing, media

_m = tables.media.c


class ImportedImages:
    """Stores the images of one import as entries of the current user."""

    def __init__(self, ctx: Context) -> None:
        self._ctx, self._user_id = ctx, ctx.require_actor().id
        self._known_names: set[str] = set()
        self._new_rows: dict[str, dict[str, Any]] = {}

    async def load_known(self) -> None:
        """Load the names of the user's images. Their copies exist and are not made again."""
        self._known_names |= await self._stored_names()

    def store(self, data: bytes) -> str:
        """Store an image, and return its name. `insert_entries` must follow. Blocking.

        Raises InvalidInput (file), Unavailable (storage).
        """
        image = image_processing.process(data, known_names=self._known_names)
        media.store_files(self._ctx.site.storage, image.files)
        name = image.main.name
        if name not in self._known_names:
            self._known_names.add(name)
            self._new_rows[name] = media.column_values(image, "", self._user_id, self._ctx)
        return name

    async def insert_entries(self) -> None:
        """Insert the entries of the images stored since the last call, unless an upload has inserted them meanwhile."""
        if not self._new_rows:
            return
        async with self._ctx.db.transaction():
            await media.lock_user(self._ctx, self._user_id)
            for name in self._new_rows.keys() - await self._stored_names():
                await self._ctx.db.execute(tables.media.insert().values(self._new_rows[name]))
        self._new_rows.clear()

    async def _stored_names(self) -> set[str]:
        return {row["name"] for row in await self._ctx.db.fetch_all(sa.select(_m.name).where(_m.user_id == self._user_id))}


def content_name(data: bytes) -> str:
    """Return the name under which `ImportedImages` would store an image. Blocking. Raises InvalidInput (file)."""
    return image_processing.reencode(data).name
