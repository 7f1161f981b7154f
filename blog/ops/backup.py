"""Keeps all of a blog in one file, while others write. Blocks."""

import contextlib
import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from blog import __version__
from blog.db import dumps
from blog.domain.core import storage
from blog.errors import Conflict, Unavailable
from blog.ops.archive import MEDIA, SECRET, ArchiveWriter, Manifest
from blog.settings import Settings

_BUCKET_WARNING = "The images are in MEDIA_BUCKET, and not in this file: have the bucket keep old versions, or copy it as well"
Progress = Callable[[str, int, int], None]
"""Is told which part is being done, how much of it is done, and how much it is: bytes or pages."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What was kept: rows by table, images, bytes of the whole file; and what is to be told besides."""

    counts: Mapping[str, int]
    images: int
    bytes: int
    warnings: tuple[str, ...]


def no_progress(_part: str, _done: int, _total: int) -> None:
    """The progress that nobody looks at."""


def create_backup(
    settings: Settings, target: Path, *, force: bool = False, with_secret: bool = False, progress: Progress = no_progress
) -> BackupReport:
    """Write a backup; it appears whole or not at all, readable for its owner alone.

    Without `force` a file that is there stays. Raises Conflict (the file is there, there is no database), Unavailable.
    """
    if target.exists() and not force:
        raise Conflict(f"{target} exists: choose another name, or give --force to replace it")
    if settings.is_sqlite and not settings.database_path.exists():
        raise Conflict(f"There is no database to keep: {settings.database_path} does not exist")
    try:
        with _atomic_file(target, force=force) as file:
            return _BackupJob(settings, file, target.absolute().parent, progress).write(with_secret=with_secret)
    except FileExistsError:
        raise Conflict(f"{target} exists by now: choose another name, or give --force to replace it") from None
    except OSError as error:
        raise Unavailable(f"The backup cannot be written to {target}: {error.strerror or error}") from error


class _BackupJob:
    def __init__(self, settings: Settings, file: IO[bytes], work_dir: Path, progress: Progress) -> None:
        self._settings, self._file, self._work_dir, self._progress = settings, file, work_dir, progress
        self._archive = ArchiveWriter(file)
        self._warnings: list[str] = [] if settings.media_bucket is None else [_BUCKET_WARNING]

    def write(self, *, with_secret: bool) -> BackupReport:
        """All of it. The database is copied as it is when every image that it names is in the archive."""
        store = dumps.for_url(self._settings.database_url)
        self._add_images()
        with tempfile.TemporaryDirectory(dir=self._work_dir, prefix=".backup-") as folder:
            copy = Path(folder, store.member)
            # Images are removed, and named by rows, only by those who hold the lock to write. Those that came since
            # are added while nobody has it.
            store.dump(copy, self._add_images, lambda done, total: self._progress("Database", done, total))
            contents = store.inspect(copy)
            if contents.damage:
                raise Conflict(f"The database is damaged ({contents.damage[0]}): restore an older backup; none is made of this")
            self._archive.add(store.member, copy)
        images = len(self._archive.parts) - 1
        if with_secret:
            self._archive.add_bytes(SECRET, self._settings.secret_key.get_secret_value().encode())
        self._archive.finish(
            Manifest(
                version=__version__,
                made_at=dt.datetime.now(dt.UTC),
                database=store.kind,
                database_part=store.member,
                migration=contents.migration or "",
                counts=contents.counts,
                parts=dict(self._archive.parts),
            )
        )
        return BackupReport(contents.counts, images, self._file.tell(), tuple(self._warnings))

    def _add_images(self) -> None:
        found = [path for path in self._image_paths() if MEDIA + path.name not in self._archive.parts]
        total, done = sum(path.stat().st_size for path in found if path.exists()), 0

        def told(size: int) -> None:
            nonlocal done
            done += size
            self._progress("Images", done, total)

        for path in found:
            with contextlib.suppress(FileNotFoundError):  # removed since; then no row of the copy has it
                part = self._archive.add(MEDIA + path.name, path, told)
                if part.sha256 != path.stem:
                    self._warnings.append(f"The image {path.name} is damaged; it was kept as it is: run `blog check`")

    def _image_paths(self) -> Iterator[Path]:
        if self._settings.media_bucket is not None:
            return  # what is in MEDIA_DIR are copies of some
        with contextlib.suppress(FileNotFoundError), os.scandir(self._settings.media_dir) as entries:
            names = sorted(entry.name for entry in entries if storage.is_media_name(entry.name))
            yield from (self._settings.media_dir / name for name in names)


@contextlib.contextmanager
def _atomic_file(target: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A new file that gets its name when it is whole and on disk."""
    with tempfile.NamedTemporaryFile(dir=target.absolute().parent, prefix=f".{target.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if force:
                os.replace(file.name, target)
            else:
                os.link(file.name, target)  # fails where another file took the name meanwhile
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file.name)
    _fsync_dir(target.absolute().parent)


def _fsync_dir(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
