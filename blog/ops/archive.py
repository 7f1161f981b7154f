"""A backup is one tar file: the images, the database and, last of all, a manifest that tells what each of them must be.

Not compressed: images are already, and any program can look inside. Without its manifest the file is not whole.
"""

import contextlib
import datetime as dt
import hashlib
import io
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from blog.errors import BlogError

MANIFEST, SECRET, MEDIA = "manifest.json", "secret", "media/"
_MAX_MANIFEST_BYTES = 1_000_000_000
_MEDIA_NAME = re.compile(r"media/[0-9a-f]{64}\.\w{1,10}")
_BLOCK_SIZE = 1_048_576


class InvalidArchive(BlogError):
    """This file is no backup, or is damaged."""

    code, title = "bad_archive", "No usable backup"


class ArchivePart(BaseModel):
    """One file in a backup."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What a backup holds. `database` is the kind of database, `database_part` the name of its copy among the `parts`."""

    format: Literal[1] = 1
    version: str
    made_at: dt.datetime
    database: str
    database_part: str
    migration: str
    counts: Mapping[str, int]
    parts: Mapping[str, ArchivePart]


class ArchiveWriter:
    """Writes a backup to an open file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 (closed by `finish`)
        self.parts: dict[str, ArchivePart] = {}

    def add(self, name: str, path: Path, on_bytes: Callable[[int], None] = lambda _bytes: None) -> ArchivePart:
        """Add a file; `told` hears of every block. Raises OSError."""
        with path.open("rb") as file:
            info = self._tar.gettarinfo(arcname=name, fileobj=file)
            info.uid = info.gid = 0
            info.uname, info.gname, info.mode = "", "", 0o600
            hashing = _HashingReader(file, on_bytes)
            self._tar.addfile(info, hashing)
        part = self.parts[name] = ArchivePart(bytes=info.size, sha256=hashing.digest.hexdigest())
        return part

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add what is in memory."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self._tar.addfile(info, io.BytesIO(data))
        self.parts[name] = ArchivePart(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest: the backup is whole from here on."""
        self.add_bytes(MANIFEST, manifest.model_dump_json(indent=1).encode())
        self._tar.close()


class _HashingReader:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes], on_bytes: Callable[[int], None]) -> None:
        self._file, self._on_bytes, self.digest = file, on_bytes, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        self._on_bytes(len(block))
        return block


class Archive:
    """An open backup."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        members = tar.getmembers()
        self._tar, self._members = tar, {member.name: member for member in members}
        self.manifest = self._read_manifest()
        expected = {MANIFEST, *self.manifest.parts}
        if len(members) != len(expected) or set(self._members) != expected:
            raise InvalidArchive("The backup does not hold what its manifest names")
        known = {MANIFEST, SECRET, self.manifest.database_part}
        if wrong := [name for name in expected if name not in known and not _MEDIA_NAME.fullmatch(name)]:
            raise InvalidArchive(f"The backup holds something that is none of a blog's: {wrong[0]!r}")
        if any(not member.isfile() for member in members):
            raise InvalidArchive("The backup holds something that is no file")

    @property
    def images(self) -> list[str]:
        """The names of the images in it, without their folder."""
        return [name.removeprefix(MEDIA) for name in self.manifest.parts if name.startswith(MEDIA)]

    def verify(self, on_bytes: Callable[[int], None] = lambda _bytes: None) -> None:
        """Read all of it. Raises BadArchive when a part is not what the manifest says; `told` hears of every block."""
        for name, part in self.manifest.parts.items():
            found = _HashingReader(self._open_member(name), on_bytes)
            size = 0
            while block := found.read(_BLOCK_SIZE):
                size += len(block)
            if (size, found.digest.hexdigest()) != (part.bytes, part.sha256):
                raise InvalidArchive(f"The backup is damaged: {name} is not what was put there. Take another backup")

    def read(self, name: str) -> bytes:
        """One part, in memory."""
        return self._open_member(name).read()

    def extract(self, name: str, target: Path) -> None:
        """One part, into a new file. Raises OSError."""
        with target.open("xb") as file:
            target.chmod(0o600)
            shutil.copyfileobj(self._open_member(name), file, _BLOCK_SIZE)

    def _open_member(self, name: str) -> IO[bytes]:
        file = self._tar.extractfile(self._members[name])
        if file is None:
            raise InvalidArchive(f"The backup is damaged: {name} cannot be read")
        return file

    def _read_manifest(self) -> Manifest:
        member = self._members.get(MANIFEST)
        if member is None or member.size > _MAX_MANIFEST_BYTES:
            raise InvalidArchive("This is no backup, or one that was not finished: it has no manifest")
        try:
            return Manifest.model_validate_json(self._open_member(MANIFEST).read())
        except ValidationError:
            raise InvalidArchive(
                "The manifest of the backup cannot be read: a newer version of the blog may have made it"
            ) from None


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """A backup, to read. Raises BadArchive, also for what is found while it is read; OSError."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            yield Archive(tar)
    except (tarfile.TarError, EOFError) as error:
        raise InvalidArchive(f"{path} is no backup, or is damaged ({error})") from error
