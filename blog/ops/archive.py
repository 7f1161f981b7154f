"""The backup file: a tar archive with the images, the database and, as its last member, a manifest with sizes and digests.

Not compressed: images are compressed already, and any program can read a plain tar file. A file without a manifest is incomplete.
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
from blog.progress import no_progress

MANIFEST, SECRET, MEDIA = "manifest.json", "secret", "media/"
_MAX_MANIFEST_BYTES = 1_000_000_000
_MEDIA_NAME = re.compile(r"media/[0-9a-f]{64}\.\w{1,10}")
_BLOCK_SIZE = 1_048_576
OnBytes = Callable[[int], object]
"""Called with the size of each block after it was read."""


class InvalidArchive(BlogError):
    """The file is not a backup, or is damaged."""

    title = "Not a usable backup"


class ArchivePart(BaseModel):
    """The size and the digest of one file in a backup."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """The description of a backup.

    `database` is the kind of database, `database_part` the name of its dump among the `parts`, `migration` its schema revision,
    `version` the version of the blog that made the backup.
    """

    format: Literal[1] = 1
    version: str
    made_at: dt.datetime
    database: str
    database_part: str
    migration: str
    counts: Mapping[str, int]
    parts: Mapping[str, ArchivePart]


class ArchiveWriter:
    """Write a backup to an open file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 (closed by `finish`)
        self.parts: dict[str, ArchivePart] = {}

    def add(self, name: str, path: Path, on_bytes: OnBytes = no_progress) -> ArchivePart:
        """Add a file under a name. Raises OSError."""
        with path.open("rb") as file:
            info = self._tar.gettarinfo(arcname=name, fileobj=file)
            info.uid = info.gid = 0
            info.uname, info.gname, info.mode = "", "", 0o600
            reader = _HashingReader(file, on_bytes)
            self._tar.addfile(info, reader)
        part = self.parts[name] = ArchivePart(bytes=info.size, sha256=reader.digest.hexdigest())
        return part

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add a file with the content `data`."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self._tar.addfile(info, io.BytesIO(data))
        self.parts[name] = ArchivePart(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest, which makes the backup complete."""
        self.add_bytes(MANIFEST, manifest.model_dump_json(indent=1).encode())
        self._tar.close()


class _HashingReader:
    """Hash and count a file while it is read."""

    def __init__(self, file: IO[bytes], on_bytes: OnBytes) -> None:
        self._file, self._on_bytes, self.digest, self.size = file, on_bytes, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        self.size += len(block)
        self._on_bytes(len(block))
        return block


class Archive:
    """An open backup. Raises InvalidArchive unless its members are exactly the parts that the manifest names."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        members = tar.getmembers()
        self._tar, self._members = tar, {member.name: member for member in members}
        self.manifest = self._read_manifest()
        expected = {MANIFEST, *self.manifest.parts}
        if len(members) != len(expected) or set(self._members) != expected:
            raise InvalidArchive("The content of the backup differs from its manifest: use another backup")
        known = {MANIFEST, SECRET, self.manifest.database_part}
        if unknown := [name for name in expected if name not in known and not _MEDIA_NAME.fullmatch(name)]:
            raise InvalidArchive(f"The backup contains a file that is not part of a blog, {unknown[0]!r}: use another backup")
        if any(not member.isfile() for member in members):
            raise InvalidArchive("The backup contains an entry that is not a regular file: use another backup")

    @property
    def images(self) -> list[str]:
        """The names of the images in the backup, without their folder."""
        return [name.removeprefix(MEDIA) for name in self.manifest.parts if name.startswith(MEDIA)]

    def verify(self, on_bytes: OnBytes = no_progress) -> None:
        """Compare the size and digest of every part with the manifest. Raises InvalidArchive."""
        for name, part in self.manifest.parts.items():
            reader = _HashingReader(self.open_part(name), on_bytes)
            while reader.read(_BLOCK_SIZE):
                pass
            if (reader.size, reader.digest.hexdigest()) != (part.bytes, part.sha256):
                raise InvalidArchive(f"The backup is damaged, {name} differs from the manifest: use another backup")

    def read(self, name: str) -> bytes:
        """Return the content of one part."""
        return self.open_part(name).read()

    def extract(self, name: str, target: Path) -> None:
        """Write one part to a new file that only its owner can read. Raises OSError."""
        with target.open("xb") as file:
            target.chmod(0o600)
            shutil.copyfileobj(self.open_part(name), file, _BLOCK_SIZE)

    def open_part(self, name: str) -> IO[bytes]:
        """Return one part as a file open for reading."""
        file = self._tar.extractfile(self._members[name])
        if file is None:
            raise InvalidArchive(f"The backup is damaged, {name} cannot be read: use another backup")
        return file

    def _read_manifest(self) -> Manifest:
        member = self._members.get(MANIFEST)
        if member is None or member.size > _MAX_MANIFEST_BYTES:
            raise InvalidArchive("The file is not a complete backup, it has no manifest: use another backup")
        try:
            return Manifest.model_validate_json(self.open_part(MANIFEST).read())
        except ValidationError:
            raise InvalidArchive(
                "The manifest of the backup cannot be read: install the version of the blog that created the backup"
            ) from None


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a backup for reading. Raises InvalidArchive, also for damage that is found later inside the block; OSError."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            yield Archive(tar)
    except (tarfile.TarError, EOFError) as error:
        raise InvalidArchive(f"{path} is not a backup, or is damaged ({error}): use another backup") from error
