"""Uploaded images, as queries return them."""

import datetime as dt
from dataclasses import dataclass

from blog.domain.core.models import Variant


@dataclass(frozen=True, slots=True)
class MediaFilter:
    """A selection of images.

    - `text`: text in the file name or the alt text; empty: any.
    - `uploader`: a username, `*` for everybody, or None for the current user.
    """

    text: str = ""
    uploader: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """An uploaded image, its files by name. `uploader` is a username, `file_name` the name of the file that was uploaded."""

    id: int
    name: str
    media_type: str
    width: int
    height: int
    bytes: int
    alt: str
    file_name: str
    variants: tuple[Variant, ...]
    user_id: int
    uploader: str
    created_at: dt.datetime

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names of all files."""
        return (self.name, *(variant.name for variant in self.variants))
