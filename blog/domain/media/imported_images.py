"""Images of an import: stored with smaller copies, as uploads are."""

from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.media import image_processing, media, stored_files
from blog.schemas.media import NewMedia

_m = tables.media.c


class ImportedImages:
    """Stores the images of one import as entries of the current user."""

    def __init__(self, ctx: Context) -> None:
        self._ctx, self._user_id = ctx, ctx.require_actor().id
        self._known_copies: dict[str, list[str]] = {}
        """The names of the smaller copies, by the name of their image."""
        self._new_rows: dict[str, dict[str, Any]] = {}

    async def load_known(self) -> None:
        """Load the names of the user's images and of their copies. Copies that exist are not made again."""
        rows = await self._ctx.db.fetch_all(sa.select(_m.name, _m.variants).where(_m.user_id == self._user_id))
        self._known_copies |= {row["name"]: [copy["name"] for copy in row["variants"]] for row in rows}

    def store(self, data: bytes, file_name: str) -> str:
        """Store an image, and return the name of its file. `insert_entries` must follow. Blocking.

        Raises InvalidInput (file), Unavailable (storage).
        """
        storage = self._ctx.site.storage
        image = image_processing.process(data, known_names=self._known_copies)
        name = image.main.name
        if not stored_files.are_stored(storage, self._known_copies.get(name, ())):
            image = image_processing.process(data)
        stored_files.store(storage, image.files)
        if name not in self._known_copies:
            self._known_copies[name] = [copy.name for copy in image.variants]
            self._new_rows[name] = media.column_values(image, NewMedia().with_file_name(file_name), self._user_id, self._ctx)
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


def content_name(data: bytes, _file_name: str) -> str:
    """Return the name under which `ImportedImages` would store an image. Blocking. Raises InvalidInput (file)."""
    return image_processing.reencode(data).name
