"""Brings a blog back from a backup: all of the backup is looked at before anything of the blog is touched. Blocks."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio

from blog.db import dumps, migration
from blog.db.database import Database
from blog.db.dumps import DatabaseDumper, Replacement
from blog.domain.accounts import credential_checks
from blog.domain.core import events
from blog.domain.core.storage import Storage, open_storage
from blog.errors import Unavailable
from blog.ops import archive
from blog.ops.archive import MEDIA, SECRET, Archive, InvalidArchive
from blog.ops.backup import Progress, no_progress
from blog.settings import Settings, store_secret_key


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was brought back: when it was kept, rows by table, images that were missing here, migrations applied.

    `ended` are the sessions and the tokens of the backup that hold no more. `old` is where the former database is kept, if
    there was one; `secret` tells whether the backup had the secret.
    """

    made_at: dt.datetime
    counts: Mapping[str, int]
    images: int
    migrations: tuple[str, ...]
    revoked: tuple[int, int]
    previous_database: str | None
    has_secret: bool


def restore_backup(
    settings: Settings, source: Path, *, force: bool = False, keep_tokens: bool = False, progress: Progress = no_progress
) -> RestoreReport:
    """Put a backup in the place of the database, which is kept beside it under another name; add the images.

    Sessions and, unless `keep_tokens`, tokens end: those that were ended since the backup would hold again.
    Whoever is stopped midway has the old database or the new one, whole. Raises BadArchive; Conflict when a server is
    running or, unless `force`, when the blog holds accounts or posts; Unavailable.
    """
    store = dumps.for_url(settings.database_url)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with archive.open_archive(source) as backup, store.replace(force=force) as replacement:
            _verify(backup, store, progress)
            counts = _unpack(backup, store, replacement)
            migrations = migration.pending(replacement.url)
            migration.upgrade(replacement.url)
            ended = anyio.run(_reset_epoch_and_credentials, replacement.url, keep_tokens)
            images = _add_images(backup, open_storage(settings), progress)
            # From here on nothing can fail but the disk; images that no row names do no harm.
            old = replacement.swap()
            has_secret = _restore_secret(backup, settings)
    except OSError as error:
        raise Unavailable(f"{source} cannot be restored: {error.strerror or error} ({error.filename or source})") from error
    return RestoreReport(backup.manifest.made_at, counts, images, tuple(migrations), ended, old, has_secret)


def _verify(backup: Archive, store: DatabaseDumper, progress: Progress) -> None:
    manifest = backup.manifest
    if manifest.database != store.kind or manifest.database_part != store.member:
        raise InvalidArchive(f"This is the backup of a {manifest.database} database: DATABASE_URL names one of {store.kind}")
    if not migration.is_known(manifest.migration):
        raise InvalidArchive(f"Version {manifest.version} of the blog made this backup: install it, or a newer one")
    total, done = sum(part.bytes for part in manifest.parts.values()), 0

    def told(size: int) -> None:
        nonlocal done
        done += size
        progress("Verifying", done, total)

    backup.verify(told)


def _unpack(backup: Archive, store: DatabaseDumper, replacement: Replacement) -> Mapping[str, int]:
    backup.extract(backup.manifest.database_part, replacement.path)
    contents = store.inspect(replacement.path)
    if contents.damage:
        raise InvalidArchive(f"The database in the backup is damaged ({contents.damage[0]}): take another backup")
    replacement.load()
    return contents.counts


async def _reset_epoch_and_credentials(url: str, keep_tokens: bool) -> tuple[int, int]:
    async with Database(url) as db:
        await events.renew_epoch(db)
        return await credential_checks.revoke_all(db, dt.datetime.now(dt.UTC), keep_tokens=keep_tokens)


def _add_images(backup: Archive, store: Storage, progress: Progress) -> int:
    """Put those that are missing, or damaged, into the store. No other is touched: their names are their content."""
    added, images = 0, backup.images
    for number, name in enumerate(images, 1):
        part = MEDIA + name
        path = store.local_path(name)
        if path is not None and _sha256(path) != backup.manifest.parts[part].sha256:
            store.remove(name)
        if not store.exists(name):
            store.put(name, backup.read(part))
            added += 1
        progress("Images", number, len(images))
    return added


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _restore_secret(backup: Archive, settings: Settings) -> bool:
    if SECRET not in backup.manifest.parts:
        return False
    store_secret_key(settings.data_dir, backup.read(SECRET).decode())
    return True
