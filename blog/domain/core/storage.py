"""Where image files are kept, behind a small interface: a folder, or a bucket (`media_bucket`)."""

import contextlib
import datetime as dt
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_UNFINISHED_PREFIX = ".unfinished-"
_NAME_PATTERN = re.compile(r"[0-9a-f]{64}\.\w{1,10}")


def is_media_name(name: str) -> bool:
    """Could this be the name of an image file of ours?"""
    return _NAME_PATTERN.fullmatch(name) is not None


def is_unfinished(name: str) -> bool:
    """Is this a file that was being written?"""
    return name.startswith(_UNFINISHED_PREFIX)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it lies in the store; the instant (UTC) is that of the last `put`."""

    name: str
    size: int
    modified_at: dt.datetime


class Storage(Protocol):
    """Files by names that are digests of their content: a name never gets other content. Its methods block: call them in threads.

    Any of them raises OSError when the store cannot be reached or is full.
    """

    def exists(self, name: str) -> bool:
        """Is there a file of this name?"""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Keep a file, whole or not at all; one that is there already stays."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...

    def list_files(self) -> Iterator[StoredFile]:
        """All files, in no order; also those that were not finished."""
        ...

    def locate(self, name: str) -> Path | str | None:
        """Where readers get the file: a path on this machine to send, or a URL to send them to; None if there is none."""
        ...

    def local_path(self, name: str) -> Path | None:
        """The path of the file if it is on this machine, found in no time: this method may be called anywhere."""
        ...


class FileSystemStorage:
    """Files in one folder, which is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def exists(self, name: str) -> bool:
        """Is there a file of this name?"""
        return (self._folder / name).is_file()

    def put(self, name: str, data: bytes) -> None:
        """Keep a file, whole or not at all, also when the machine stops midway."""
        if self.exists(name):
            # Young again: who looks for files that nothing shows leaves it alone until it is shown.
            with contextlib.suppress(OSError):
                os.utime(self._folder / name)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=_UNFINISHED_PREFIX, delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o644)
                os.replace(file.name, self._folder / name)
            except BaseException:
                os.unlink(file.name)
                raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        """Also the name of a new file is on disk before the database tells of it."""
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        (self._folder / name).unlink(missing_ok=True)

    def list_files(self) -> Iterator[StoredFile]:
        """All files, in no order; also those that were not finished."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # gone since
                    if entry.is_file():
                        status = entry.stat()
                        yield StoredFile(entry.name, status.st_size, dt.datetime.fromtimestamp(status.st_mtime, dt.UTC))

    def locate(self, name: str) -> Path | None:
        """The path of the file."""
        path = self._folder / name
        return path if path.is_file() else None

    local_path = locate
