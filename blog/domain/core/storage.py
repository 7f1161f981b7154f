"""Storage of uploaded files: the interface, and the implementation on the file system."""

import contextlib
import datetime as dt
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

_BLOCK_SIZE = 1_048_576
_UNFINISHED_PREFIX = ".unfinished-"
_NAME_PATTERN = re.compile(r"[0-9a-f]{64}\.\w{1,10}")


def is_media_name(name: str) -> bool:
    """Return whether a name has the form of a stored file."""
    return _NAME_PATTERN.fullmatch(name) is not None


def is_unfinished(name: str) -> bool:
    """Return whether a name is that of an incomplete file."""
    return name.startswith(_UNFINISHED_PREFIX)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield an open file in blocks, from its beginning."""
    file.seek(0)
    while block := file.read(_BLOCK_SIZE):
        yield block


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file; `modified_at` (UTC) is the time of the last `put`."""

    name: str
    size: int
    modified_at: dt.datetime


class Storage(Protocol):
    """Files named by the digest of their content, so that a name never changes its content.

    Methods block, so call them in threads. Each raises OSError if the storage is unreachable or full.
    """

    def exists(self, name: str) -> bool:
        """Return whether the file exists."""
        ...

    def put(self, name: str, data: bytes | BinaryIO) -> None:
        """Store a file completely or not at all; an existing file is kept. Reads an open file in blocks, from its beginning."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; a missing file is not an error."""
        ...

    def list_files(self) -> Iterator[StoredFile]:
        """Yield all files in no particular order, incomplete ones included."""
        ...

    def locate(self, name: str) -> Path | str | None:
        """Return where clients get the file: a local path to send, or a URL to redirect to. None if it does not exist."""
        ...

    def local_path(self, name: str) -> Path | None:
        """Return the local path, or None. Does no slow I/O, so it may be called on the event loop."""
        ...


class FileSystemStorage:
    """Files in one folder, which is created with the first file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def exists(self, name: str) -> bool:
        """Return whether the file exists."""
        return (self._folder / name).is_file()

    def put(self, name: str, data: bytes | BinaryIO) -> None:
        """Store a file completely or not at all, even if the machine stops midway."""
        self.put_blocks(name, [data] if isinstance(data, bytes) else read_blocks(data))

    def put_blocks(self, name: str, blocks: Iterable[bytes]) -> None:
        """Store a file as `put` does, from consecutive blocks."""
        if self.exists(name):
            # Renew the modification time: the clean-up of unreferenced files skips recent ones.
            with contextlib.suppress(OSError):
                os.utime(self._folder / name)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=_UNFINISHED_PREFIX, delete=False) as file:
            try:
                file.writelines(blocks)
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o644)
                os.replace(file.name, self._folder / name)
            except BaseException:
                os.unlink(file.name)
                raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        """Flush the folder, so that the file name is on disk before the database refers to it."""
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a file; a missing file is not an error."""
        (self._folder / name).unlink(missing_ok=True)

    def list_files(self) -> Iterator[StoredFile]:
        """Yield all files in no particular order, incomplete ones included."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    if entry.is_file():
                        status = entry.stat()
                        yield StoredFile(entry.name, status.st_size, dt.datetime.fromtimestamp(status.st_mtime, dt.UTC))

    def locate(self, name: str) -> Path | None:
        """Return the path of the file, or None."""
        path = self._folder / name
        return path if path.is_file() else None

    local_path = locate
