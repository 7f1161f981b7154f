"""Uploaded files, as queries return them: images, documents, audio, video and archives. Also the filter of their list."""

import datetime as dt
from dataclasses import dataclass

from blog.domain.core.models import Variant
from blog.domain.media.file_types import FILE_TYPES, FileKind


@dataclass(frozen=True, slots=True)
class MediaFilter:
    """A selection of files.

    - `text`: text in the file name or the alt text; empty: any.
    - `uploader`: a username, `*` for everybody, or None for the current user.
    - `images_only`: no documents, audio, video and archives.
    """

    text: str = ""
    uploader: str | None = None
    images_only: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """An uploaded file. Only images have a width, a height and variants.

    `uploader` is a username, `file_name` the name of the file on the computer of the uploader.
    """

    id: int
    name: str
    media_type: str
    width: int | None
    height: int | None
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

    @property
    def kind(self) -> FileKind:
        """The kind of the file."""
        return FILE_TYPES[self.name.rpartition(".")[2]].kind

    @property
    def is_image(self) -> bool:
        """Whether browsers show the file as an image."""
        return self.kind in (FileKind.IMAGE, FileKind.DRAWING)

    @property
    def download_name(self) -> str:
        """The file name for downloads, with the suffix of the type that the file really has."""
        suffix = "." + self.name.rpartition(".")[2]
        name = self.file_name or self.kind.value
        return name if name.lower().endswith(suffix) else name + suffix
