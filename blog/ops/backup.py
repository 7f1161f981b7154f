"""Back up database and images to one file while the blog runs. All functions block."""

import contextlib
import dataclasses
import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from blog import __version__
from blog.db import dumps, migration, tables
from blog.domain.core import storage
from blog.domain.site import database_probe
from blog.errors import Conflict, Unavailable
from blog.ops.archive import MEDIA, SECRET, ArchiveWriter, Manifest
from blog.progress import PartProgress, no_progress
from blog.settings import Settings

_BUCKET_WARNING = (
    "The images are in MEDIA_BUCKET and are not part of the backup: turn on versioning for the bucket, or copy it as well"
)


@dataclass(frozen=True, slots=True)
class BackupReport:
    """The result of a backup: rows by table, number of image files, size of the file in bytes, warnings for the operator."""

    counts: Mapping[str, int]
    images: int
    bytes: int
    warnings: tuple[str, ...]


def create_backup(
    settings: Settings, target: Path, *, force: bool = False, with_secret: bool = False, progress: PartProgress = no_progress
) -> BackupReport:
    """Write a backup. The file appears complete or not at all, and only its owner can read it.

    `force` replaces an existing file. `with_secret` includes SECRET_KEY. Raises Conflict if the file exists or there is no
    database; Unavailable if the disk or the database fails.
    """
    if target.exists() and not force:
        raise Conflict(f"{target} exists: choose another name, or give --force to replace it")
    if settings.is_sqlite and not settings.database_path.exists():
        raise Conflict(f"The database {settings.database_path} does not exist: check DATABASE_URL")
    try:
        with _atomic_file(target, force=force) as file:
            report = _BackupJob(settings, file, target.absolute().parent, progress).write(with_secret=with_secret)
    except FileExistsError:
        raise Conflict(f"{target} was created meanwhile: choose another name, or give --force to replace it") from None
    except OSError as error:
        raise Unavailable(f"The backup cannot be written to {target}: {error.strerror or error}") from error
    return dataclasses.replace(report, warnings=(*report.warnings, *_record_time(settings)))


def _record_time(settings: Settings) -> Iterator[str]:
    """Store the time of the backup, which owners see. Yield a warning if it cannot be stored: the backup is complete anyway."""
    name, now = database_probe.LAST_BACKUP, dt.datetime.now(dt.UTC).isoformat()
    facts = tables.app_metadata
    try:
        with migration.connect(settings.database_url) as connection:
            connection.execute(facts.delete().where(facts.c.name == name))
            connection.execute(facts.insert().values(name=name, value=now))
    except (Unavailable, sa.exc.DBAPIError) as error:
        yield f"The time of the backup could not be stored in the database, so that /admin does not show it: {error}"


def sum_progress(progress: PartProgress, part: str, total: int) -> Callable[[int], None]:
    """Return a function that adds the size of each block and reports the sum as progress of `part`."""
    done = 0

    def on_bytes(size: int) -> None:
        nonlocal done
        done += size
        progress(part, done, total)

    return on_bytes


class _BackupJob:
    def __init__(self, settings: Settings, file: IO[bytes], work_dir: Path, progress: PartProgress) -> None:
        self._settings, self._file, self._work_dir, self._progress = settings, file, work_dir, progress
        self._archive = ArchiveWriter(file)
        self._warnings: list[str] = [] if settings.media_bucket is None else [_BUCKET_WARNING]

    def write(self, *, with_secret: bool) -> BackupReport:
        """Write the whole backup. The dump is taken when every image that the database refers to is in the archive."""
        dumper = dumps.for_url(self._settings.database_url)
        self._add_images()
        with tempfile.TemporaryDirectory(dir=self._work_dir, prefix=".backup-") as folder:
            copy = Path(folder, dumper.member)
            # Images are added and removed under the write lock only. The second call adds the new ones while nobody has it.
            dumper.dump(copy, self._add_images, lambda done, total: self._progress("Database", done, total))
            info = dumper.inspect(copy)
            if info.damage:
                raise Conflict(f"The database is damaged ({info.damage[0]}): restore an older backup; no backup was made")
            self._archive.add(dumper.member, copy)
        images = len(self._archive.parts) - 1
        if with_secret:
            self._archive.add_bytes(SECRET, self._settings.secret_key.get_secret_value().encode())
        self._archive.finish(
            Manifest(
                version=__version__,
                made_at=dt.datetime.now(dt.UTC),
                database=dumper.kind,
                database_part=dumper.member,
                migration=info.migration or "",
                counts=info.counts,
                parts=dict(self._archive.parts),
            )
        )
        return BackupReport(info.counts, images, self._file.tell(), tuple(self._warnings))

    def _add_images(self) -> None:
        """Add the images that are not in the archive yet."""
        paths = [path for path in self._image_paths() if MEDIA + path.name not in self._archive.parts]
        on_bytes = sum_progress(self._progress, "Images", sum(path.stat().st_size for path in paths if path.exists()))
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile: then no row of the dump refers to it
                part = self._archive.add(MEDIA + path.name, path, on_bytes)
                if part.sha256 != path.stem:
                    self._warnings.append(f"The image {path.name} is damaged and is in the backup as it is: run `blog check`")

    def _image_paths(self) -> Iterator[Path]:
        if self._settings.media_bucket is not None:
            return  # MEDIA_DIR is only a cache of the bucket
        with contextlib.suppress(FileNotFoundError), os.scandir(self._settings.media_dir) as entries:
            names = sorted(entry.name for entry in entries if storage.is_media_name(entry.name))
            yield from (self._settings.media_dir / name for name in names)


@contextlib.contextmanager
def _atomic_file(target: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Open a new file that is renamed to `target` when it is complete and on disk."""
    with tempfile.NamedTemporaryFile(dir=target.absolute().parent, prefix=f".{target.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if force:
                os.replace(file.name, target)
            else:
                os.link(file.name, target)  # fails if another process created the target meanwhile
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
