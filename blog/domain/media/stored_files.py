"""The files of media in the storage. Errors of the storage become `Unavailable`."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import anyio.to_thread
import structlog

from blog.domain.core.storage import Storage
from blog.domain.media import image_processing
from blog.domain.media.file_processing import OpaqueFile
from blog.domain.media.image_processing import ImageFile
from blog.errors import Unavailable

log = structlog.stdlib.get_logger("blog")


async def locate(storage: Storage, name: str) -> Path | str | None:
    """Return the path of a file, or a URL to redirect to; None if there is no such file. Raises Unavailable (storage)."""
    return await anyio.to_thread.run_sync(_locate, storage, name)


def _locate(storage: Storage, name: str) -> Path | str | None:
    with translate_errors():
        return storage.locate(name)


def image_size(storage: Storage, name: str) -> tuple[int, int] | None:
    """Return the width and height of an image, in pixels; None if it is not stored on this machine. Blocking."""
    path = storage.local_path(name)
    return image_processing.read_size(path) if path else None


def store(storage: Storage, files: Iterable[ImageFile | OpaqueFile]) -> None:
    """Store files. Blocking. Raises Unavailable (storage)."""
    with translate_errors():
        for file in files:
            if isinstance(file, ImageFile) or not storage.exists(file.name):  # large files are not sent to a bucket again
                storage.put(file.name, file.data)


def are_stored(storage: Storage, names: Iterable[str]) -> bool:
    """Return whether all these image files exist. Blocking. Raises Unavailable (storage)."""
    with translate_errors():
        return all(storage.exists(name) for name in names)


def remove(storage: Storage, names: Iterable[str]) -> None:
    """Remove files. Blocking. Raises Unavailable (storage)."""
    with translate_errors():
        for name in names:
            storage.remove(name)


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Log errors of the storage, and raise Unavailable instead."""
    try:
        yield
    except OSError as error:
        log.error("image storage failed", reason=str(error))
        reason = error.strerror or "unreachable"
        raise Unavailable(f"The image storage is unavailable ({reason}). Try again later.", retry_after=60) from error
