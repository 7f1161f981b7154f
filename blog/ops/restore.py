"""Restore a blog from a backup: the whole backup is verified before the blog is changed. All functions block."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import anyio

from blog.db import dumps, migration
from blog.db.database import Database
from blog.db.dumper import DatabaseDumper, Replacement
from blog.domain.accounts import credential_checks
from blog.domain.core import events
from blog.domain.core.storage import Storage, sha256_of
from blog.domain.core.storage_factory import open_storage
from blog.errors import Unavailable
from blog.ops import archive
from blog.ops.archive import MEDIA, SECRET, Archive, InvalidArchive
from blog.ops.backup import sum_progress
from blog.progress import PartProgress, no_progress
from blog.settings import Settings, store_secret_key


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """The result of a restore.

    `made_at` is when the backup was made, `counts` its rows by table, `images` the number of image files that were missing
    here, `migrations` the revisions that were applied, `revoked` the numbers of revoked sessions and tokens,
    `previous_database` the new name of the old database, if there was one, `has_secret` whether the backup contained SECRET_KEY.
    """

    made_at: dt.datetime
    counts: Mapping[str, int]
    images: int
    migrations: tuple[str, ...]
    revoked: tuple[int, int]
    previous_database: str | None
    has_secret: bool


def restore_backup(
    settings: Settings, source: Path, *, force: bool = False, keep_tokens: bool = False, progress: PartProgress = no_progress
) -> RestoreReport:
    """Replace the database with that of a backup and add its images. The old database is renamed, not deleted.

    Sessions and, without `keep_tokens`, tokens of the backup are revoked: some were revoked after the backup was made and
    would be valid again. A process that is killed midway leaves either the old or the new database. Raises InvalidArchive;
    Conflict if a server is running or, without `force`, if the blog has accounts or posts; Unavailable.
    """
    dumper = dumps.for_url(settings.database_url)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with archive.open_archive(source) as backup, dumper.replace(force=force) as replacement:
            _verify(backup, dumper, progress)
            counts = _load(backup, dumper, replacement)
            migrations = migration.pending(replacement.url)
            migration.upgrade(replacement.url)
            revoked = anyio.run(_reset_epoch_and_credentials, replacement.url, keep_tokens)
            images = _add_images(backup, open_storage(settings), progress)
            # From here on only the disk can fail. Images that no row refers to are harmless.
            previous_database = replacement.swap()
            has_secret = _restore_secret(backup, settings)
    except OSError as error:
        raise Unavailable(f"{source} cannot be restored: {error.strerror or error} ({error.filename or source})") from error
    made_at = backup.manifest.made_at
    return RestoreReport(made_at, counts, images, tuple(migrations), revoked, previous_database, has_secret)


def _verify(backup: Archive, dumper: DatabaseDumper, progress: PartProgress) -> None:
    manifest = backup.manifest
    if manifest.database != dumper.kind or manifest.database_part != dumper.member:
        raise InvalidArchive(
            f"The backup is of a {manifest.database} database, but DATABASE_URL names a {dumper.kind} one: "
            f"let it name a {manifest.database} database, then run `blog copy-database`"
        )
    if not migration.is_known(manifest.migration):
        owner = f"The backup, made by version {manifest.version} of the blog,"
        raise InvalidArchive(migration.unknown_revision(owner, manifest.migration))
    backup.verify(sum_progress(progress, "Verifying", sum(part.bytes for part in manifest.parts.values())))


def _load(backup: Archive, dumper: DatabaseDumper, replacement: Replacement) -> Mapping[str, int]:
    """Load the dump into the replacement and return its row counts. Raises InvalidArchive if the dump is damaged."""
    backup.extract(backup.manifest.database_part, replacement.path)
    info = dumper.inspect(replacement.path)
    if info.damage:
        raise InvalidArchive(f"The database in the backup is damaged ({info.damage[0]}): use another backup")
    replacement.load()
    return info.counts


async def _reset_epoch_and_credentials(url: str, keep_tokens: bool) -> tuple[int, int]:
    async with Database(url) as db:
        await events.renew_epoch(db)
        return await credential_checks.revoke_all(db, dt.datetime.now(dt.UTC), keep_tokens=keep_tokens)


def _add_images(backup: Archive, images: Storage, progress: PartProgress) -> int:
    """Store the images that are missing or damaged, and return their number. Never changes a file: names are content digests."""
    added, names = 0, backup.images
    for number, name in enumerate(names, 1):
        part = MEDIA + name
        path = images.local_path(name)
        if path is not None and sha256_of(path) != backup.manifest.parts[part].sha256:
            images.remove(name)
        if not images.exists(name):
            images.put(name, cast(BinaryIO, backup.open_part(part)))
            added += 1
        progress("Images", number, len(names))
    return added


def _restore_secret(backup: Archive, settings: Settings) -> bool:
    if SECRET not in backup.manifest.parts:
        return False
    store_secret_key(settings.data_dir, backup.read(SECRET).decode())
    return True
