"""Uploaded images in rendered texts, with their smaller copies."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core.models import Variant
from blog.domain.core.rows import from_row

_MAX_IMAGES = 500
"""The number of images in a text that are looked up. Browsers load the others in full size."""
_m = tables.media.c
_FILE_NAME = re.compile(r"/([0-9a-f]{64}\.[a-z]{3,4})\"")


@dataclass(frozen=True, slots=True)
class EmbeddedImage:
    """An image file of a text, with its smaller copies; sizes in pixels."""

    name: str
    width: int
    height: int
    variants: tuple[Variant, ...]


async def find(db: Database, *texts: str) -> Mapping[str, EmbeddedImage]:
    """Return the uploaded and imported images in sanitised HTML, by file name."""
    found = dict.fromkeys(name for html in texts if "<img" in html for name in _FILE_NAME.findall(html))
    if not found:
        return {}
    columns = sa.select(_m.name, _m.width, _m.height, _m.variants)
    rows = await db.fetch_all(columns.where(_m.name.in_(list(islice(found, _MAX_IMAGES))), _m.width.is_not(None)))
    return {row["name"]: from_row(EmbeddedImage, row) for row in rows}
