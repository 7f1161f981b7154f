"""Uploaded files other than bitmaps: SVG images are sanitised, all others are stored as they are and never opened."""

import hashlib
import os
from dataclasses import dataclass
from typing import BinaryIO

from blog.domain.core.storage import read_blocks
from blog.domain.media import file_types, svg
from blog.domain.media.image_decoding import image_error
from blog.domain.media.image_processing import ImageFile, ProcessedImage


@dataclass(frozen=True, slots=True)
class OpaqueFile:
    """A file that is stored as it is. `name` is the SHA-256 of its content with a suffix, `size` is in bytes."""

    name: str
    media_type: str
    size: int
    data: BinaryIO
    width: None = None
    height: None = None


@dataclass(frozen=True, slots=True)
class ProcessedFile:
    """A file without smaller copies."""

    main: OpaqueFile
    variants: tuple[ImageFile, ...] = ()

    @property
    def files(self) -> tuple[OpaqueFile, ...]:
        """The main file."""
        return (self.main,)


def process_file(file: BinaryIO) -> ProcessedImage | ProcessedFile | None:
    """Return the upload with its type; or None, with the file at its beginning, if it is a bitmap. Blocking.

    Raises InvalidInput (SVG, unsupported type), OSError.
    """
    head = file.read(file_types.HEAD_BYTES)
    found = file_types.detect(head)
    file.seek(0)
    if found is None:
        if not file_types.is_bitmap(head):
            raise image_error("This type of file can't be uploaded. Choose an image, PDF, audio, video or ZIP file.")
        return None
    if found is file_types.SVG:
        data, width, height = svg.sanitise(file.read(svg.MAX_BYTES + 1))
        name = f"{hashlib.sha256(data).hexdigest()}.{found.suffix}"
        return ProcessedImage(ImageFile(name, found.media_type, width, height, data), ())
    digest = hashlib.sha256()
    for block in read_blocks(file):
        digest.update(block)
    name = f"{digest.hexdigest()}.{found.suffix}"
    return ProcessedFile(OpaqueFile(name, found.media_type, file.seek(0, os.SEEK_END), file))
