"""Uploaded images, as queries return them."""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variant:
    """A smaller copy of an image; sizes in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Media:
    """An uploaded image, its files by name."""

    id: int
    name: str
    media_type: str
    width: int
    height: int
    alt: str
    variants: tuple[Variant, ...]
    user_id: int
    created_at: dt.datetime

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names of all files."""
        return (self.name, *(variant.name for variant in self.variants))
