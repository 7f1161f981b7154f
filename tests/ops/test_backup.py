"""A backup is a consistent snapshot of the blog. It is restored completely, or refused before any change."""

import asyncio
import contextlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blog.db import migration
from blog.domain.accounts import sessions, tokens
from blog.domain.core.context import Context
from blog.domain.core.site import open_site
from blog.domain.core.storage import FileSystemStorage
from blog.domain.media import media
from blog.domain.media.models import Media
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.errors import Conflict, Unavailable
from blog.ops import archive
from blog.ops.archive import InvalidArchive
from blog.ops.backup import create_backup
from blog.ops.restore import restore_backup
from blog.schemas.accounts import Credentials
from blog.schemas.media import NewMedia
from blog.schemas.posts import NewPost, PostChanges
from blog.settings import Settings
from tests.conftest import PASSWORD
from tests.support.optional import unwrap
from tests.support.pictures import png
from tests.support.serving import blog, clean_environment, free_port, serving, wait_until_up

pytestmark = pytest.mark.sqlite


async def upload(ctx: Context, data: bytes | None = None) -> Media:
    image, _ = await media.upload(ctx, io.BytesIO(data or png(3, 2)), NewMedia(alt=""))
    return image


async def write(ctx: Context, title: str) -> Post:
    return await posts.create(ctx, NewPost(title=title, content="Text"))


def titles(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [row[0] for row in connection.execute("SELECT title FROM posts ORDER BY id")]


def epoch(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT value FROM app_metadata WHERE name = 'event_epoch'").fetchone()[0])


def elsewhere(settings: Settings, folder: Path) -> Settings:
    """Return the settings of a blog on another machine."""
    return settings.model_copy(update={"database_url": f"sqlite:///{folder / 'blog.db'}", "media_dir": folder / "media"})


def read_bytes(path: str | None) -> bytes:
    return Path(str(path)).read_bytes()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# -- keeping


async def test_backup_is_one_tar_file_readable_by_its_owner_only(author: Context, settings: Settings, tmp_path: Path) -> None:
    image = await upload(author)
    await write(author, "Kept")
    seen: list[tuple[str, int, int]] = []
    target = tmp_path / "kept.tar"
    report = await asyncio.to_thread(create_backup, settings, target, progress=lambda *step: seen.append(step))
    assert (report.counts["posts"], report.counts["users"], report.images, report.warnings) == (1, 1, 1, ())
    assert report.bytes == target.stat().st_size
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as tar:
        assert tar.getnames() == [f"media/{image.name}", "database.sqlite3", "manifest.json"], "and not the secret"
        assert settings.secret_key.get_secret_value().encode() not in target.read_bytes()
    assert {part for part, _, _ in seen} == {"Images", "Database"}
    assert all(0 <= done <= total for _, done, total in seen)
    assert [name for name in names(tmp_path) if "kept.tar" in name or "backup" in name] == ["kept.tar"]


async def test_backup_replaces_no_file_without_force(author: Context, settings: Settings, tmp_path: Path) -> None:
    target = tmp_path / "kept.tar"
    target.write_text("precious")
    with pytest.raises(Conflict, match="--force"):
        await asyncio.to_thread(create_backup, settings, target)
    assert target.read_text() == "precious"
    await asyncio.to_thread(create_backup, settings, target, force=True)
    assert tarfile.is_tarfile(target)


async def test_file_created_during_the_backup_is_not_overwritten(author: Context, settings: Settings, tmp_path: Path) -> None:
    target = tmp_path / "kept.tar"

    def occupy(*_step: object) -> None:
        target.write_text("precious")

    with pytest.raises(Conflict, match="was created meanwhile"):
        await asyncio.to_thread(create_backup, settings, target, progress=occupy)
    assert target.read_text() == "precious"
    assert not [name for name in names(tmp_path) if name.startswith(".")]


async def test_failed_backup_leaves_no_file(author: Context, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        await asyncio.to_thread(create_backup, settings, tmp_path / "nowhere" / "kept.tar")
    nothing = elsewhere(settings, tmp_path / "empty")
    with pytest.raises(Conflict, match="does not exist"):
        await asyncio.to_thread(create_backup, nothing, tmp_path / "kept.tar")
    assert not (tmp_path / "kept.tar").exists()


async def test_damaged_database_is_not_backed_up(author: Context, settings: Settings, tmp_path: Path) -> None:
    await author.db.execute("PRAGMA foreign_keys=OFF")
    await author.db.execute("INSERT INTO post_slugs VALUES ('lost', 99)")
    with pytest.raises(Conflict, match="a row of post_slugs refers to a missing row"):
        await asyncio.to_thread(create_backup, settings, tmp_path / "kept.tar")
    assert not [name for name in names(tmp_path) if name.startswith(".") or name == "kept.tar"]


async def test_damaged_image_is_backed_up_and_reported(author: Context, settings: Settings, tmp_path: Path) -> None:
    image = await upload(author)
    (settings.media_dir / image.name).write_bytes(b"rot")
    report = await asyncio.to_thread(create_backup, settings, tmp_path / "kept.tar")
    assert len(report.warnings) == 1
    assert image.name in report.warnings[0]


async def test_backup_is_a_snapshot_during_writes_and_deletions(
    author: Context, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive contains every image of the database copy, although images are uploaded and deleted all the time."""
    monkeypatch.setattr("blog.db.sqlite.dumps._PAGES_PER_STEP", 1)
    for number in range(3):
        await write(author, f"Post {number}")
    is_over = threading.Event()

    async def trouble() -> int:
        number = 0
        while not is_over.is_set():
            number += 1
            image = await upload(author, png(number % 40 + 1, number % 7 + 1))
            await write(author, f"More {number}")
            if number % 2:
                await media.delete(author, image.id)
        return number

    writing = asyncio.create_task(trouble())
    targets = [tmp_path / f"{number}.tar" for number in range(4)]
    for target in targets:
        await asyncio.to_thread(create_backup, settings, target)
    is_over.set()
    assert await writing > 1, "others wrote meanwhile"
    for target in targets:
        other = elsewhere(settings, tmp_path / target.stem)
        await asyncio.to_thread(restore_backup, other, target)
        with contextlib.closing(sqlite3.connect(other.database_path)) as connection:
            named = {row[0] for row in connection.execute("SELECT name FROM media")}
            (posts_kept,) = connection.execute("SELECT count(*) FROM posts").fetchone()
            (versions,) = connection.execute("SELECT count(*) FROM revisions").fetchone()
            (event_count,) = connection.execute("SELECT count(*) FROM events").fetchone()
        assert named <= names(other.media_dir) if named else True
        assert posts_kept == versions == event_count


# -- bringing back


@pytest.fixture
async def backup_file(author: Context, settings: Settings, tmp_path: Path) -> Path:
    """Return a backup with one post and one image; later changes are not in it."""
    await upload(author)
    await write(author, "Kept")
    target = tmp_path / "kept.tar"
    await asyncio.to_thread(create_backup, settings, target)
    return target


async def test_restore_on_another_machine(backup_file: Path, settings: Settings, tmp_path: Path) -> None:
    other = elsewhere(settings, tmp_path / "other")
    report = await asyncio.to_thread(restore_backup, other, backup_file)
    assert (report.counts["posts"], report.images, report.previous_database, report.has_secret, report.migrations) == (
        1,
        1,
        None,
        False,
        (),
    )
    assert titles(other.database_path) == ["Kept"]
    assert names(other.media_dir) == names(settings.media_dir)
    assert names(tmp_path / "other") == {"blog.db", "media"}
    assert epoch(other.database_path) != epoch(settings.database_path), "no cursor of before is good"
    assert migration.pending(other.database_url) == []


@pytest.mark.parametrize("keep_tokens", [False, True])
async def test_restore_does_not_revive_revoked_credentials(
    author: Context, settings: Settings, tmp_path: Path, keep_tokens: bool
) -> None:
    left = await tokens.issue(author, author.require_actor(), name="left")
    revoked = await tokens.issue(author, author.require_actor(), name="revoked")
    session = await sessions.start(author, author.require_actor(), "a browser that is stolen later")
    await asyncio.to_thread(create_backup, settings, tmp_path / "kept.tar")
    await tokens.revoke(author, revoked.token.id)
    await sessions.revoke_for(author, author.require_actor().id)
    other = elsewhere(settings, tmp_path / "other")
    report = await asyncio.to_thread(restore_backup, other, tmp_path / "kept.tar", keep_tokens=keep_tokens)
    assert report.revoked == (1, 0 if keep_tokens else 2)
    async with open_site(other) as site:
        there = replace(author, site=site, actor=None)
        assert await sessions.load(there, session) is None
        assert [bool(await tokens.authenticate(there, made.value)) for made in (left, revoked)] == [keep_tokens, keep_tokens]
        assert await sessions.authenticate(there, Credentials(username="ada", password=SecretStr(PASSWORD)))


async def test_used_blog_is_replaced_with_force_only_and_kept(backup_file: Path, settings: Settings, tmp_path: Path) -> None:
    other = elsewhere(settings, tmp_path / "other")
    await asyncio.to_thread(restore_backup, other, backup_file)
    with contextlib.closing(sqlite3.connect(other.database_path)) as connection:
        connection.execute("UPDATE posts SET title = 'Newer'")
        connection.commit()
    with pytest.raises(Conflict, match="--force"):
        await asyncio.to_thread(restore_backup, other, backup_file)
    assert titles(other.database_path) == ["Newer"]
    other.database_path.chmod(0o640)
    first = await asyncio.to_thread(restore_backup, other, backup_file, force=True)
    second = await asyncio.to_thread(restore_backup, other, backup_file, force=True)
    assert first.previous_database != second.previous_database, "also within one second"
    assert titles(Path(unwrap(first.previous_database))) == ["Newer"]
    assert titles(Path(unwrap(second.previous_database))) == titles(other.database_path) == ["Kept"]
    assert other.database_path.stat().st_mode & 0o777 == 0o640
    assert first.images == second.images == 0


async def test_unused_blog_is_replaced_without_force(
    backup_file: Path, settings: Settings, tmp_path: Path, migrated_file: Path
) -> None:
    other = elsewhere(settings, tmp_path / "other")
    other.database_path.parent.mkdir()
    shutil.copy(migrated_file, other.database_path)
    assert (await asyncio.to_thread(restore_backup, other, backup_file)).previous_database is not None
    assert titles(other.database_path) == ["Kept"]


async def test_restore_is_refused_while_a_server_has_the_database(backup_file: Path, author: Context, settings: Settings) -> None:
    for force in (False, True):
        with pytest.raises(Conflict, match="stop it" if force else "--force"):
            await asyncio.to_thread(restore_backup, settings, backup_file, force=force)
    assert (await write(author, "Still writing")).id


async def test_damaged_database_is_replaced_by_force(backup_file: Path, settings: Settings, tmp_path: Path) -> None:
    other = elsewhere(settings, tmp_path / "other")
    other.database_path.parent.mkdir()
    rubbish = b"rubbish" * 1000
    other.database_path.write_bytes(rubbish)
    with pytest.raises(Conflict, match="damaged"):
        await asyncio.to_thread(restore_backup, other, backup_file)
    report = await asyncio.to_thread(restore_backup, other, backup_file, force=True)
    assert read_bytes(report.previous_database) == rubbish
    assert titles(other.database_path) == ["Kept"]


async def test_damaged_image_is_restored(backup_file: Path, settings: Settings, tmp_path: Path) -> None:
    other = elsewhere(settings, tmp_path / "other")
    await asyncio.to_thread(restore_backup, other, backup_file)
    (image,) = other.media_dir.iterdir()
    good = image.read_bytes()
    image.write_bytes(b"rot")
    assert (await asyncio.to_thread(restore_backup, other, backup_file, force=True)).images == 1
    assert image.read_bytes() == good


LATER_MIGRATION = """
from alembic import op

revision, down_revision = "9001", "{head}"


def upgrade() -> None:
    op.execute("UPDATE posts SET title = title || ', migrated'")
"""


async def test_older_database_is_migrated(
    backup_file: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "9001_later.py").write_text(LATER_MIGRATION.format(head=migration.head()))
    monkeypatch.setattr(migration, "_FOLDERS", [*migration._FOLDERS, tmp_path])
    other = elsewhere(settings, tmp_path / "other")
    report = await asyncio.to_thread(restore_backup, other, backup_file)
    assert report.migrations == ("9001",)
    assert migration.pending(other.database_url) == []
    assert titles(other.database_path) == ["Kept, migrated"]


async def test_secret_is_included_only_on_request(author: Context, settings: Settings, tmp_path: Path) -> None:
    target, other = tmp_path / "kept.tar", elsewhere(settings, tmp_path / "other")
    await asyncio.to_thread(create_backup, settings, target, with_secret=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".blog-secret").write_text("another")
    assert (await asyncio.to_thread(restore_backup, other, target)).has_secret
    secret = tmp_path / "other" / ".blog-secret"
    assert secret.read_text() == settings.secret_key.get_secret_value()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "other" / ".blog-secret.old").read_text() == "another"


# -- what is no backup, or is damaged


def forged(
    source: Path,
    target: Path,
    change: Callable[[dict[str, bytes]], None] = lambda _parts: None,
    *,
    extra: Sequence[tarfile.TarInfo] = (),
    **manifest: Any,
) -> Path:
    """Write a changed copy of a backup, with a matching manifest."""
    with tarfile.open(source) as tar:
        parts = {member.name: unwrap(tar.extractfile(member)).read() for member in tar.getmembers()}
    described = json.loads(parts.pop("manifest.json"))
    change(parts)
    with target.open("wb") as file:
        writer = archive.ArchiveWriter(file)
        for name, data in parts.items():
            writer.add_bytes(name, data)
        made = archive.Manifest(**(described | {"parts": dict(writer.parts)}))
        for info in extra:
            writer._tar.addfile(info)
        writer.finish(made.model_copy(update=manifest))
    return target


def cut(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])


def turned(source: Path, target: Path) -> None:
    """Flip one bit of the database."""
    data = bytearray(source.read_bytes())
    data[data.index(b"SQLite format 3") + 5000] ^= 1
    target.write_bytes(data)


def rubbish(_source: Path, target: Path) -> None:
    target.write_bytes(b"rubbish" * 5000)


def unknown(source: Path, target: Path) -> None:
    forged(source, target, migration="0007", version="7.0")


def foreign(source: Path, target: Path) -> None:
    forged(source, target, database="oracle")


def with_lost_row(source: Path, target: Path) -> None:
    def lose(parts: dict[str, bytes]) -> None:
        target.write_bytes(parts["database.sqlite3"])
        with contextlib.closing(sqlite3.connect(target)) as connection:
            connection.execute("INSERT INTO post_slugs VALUES ('lost', 99)")
            connection.commit()
            connection.execute("PRAGMA journal_mode=DELETE")
        parts["database.sqlite3"] = target.read_bytes()

    forged(source, target, lose)


def climbing(source: Path, target: Path) -> None:
    forged(source, target, lambda parts: parts.update({"media/../../climbed": b"x"}))


def linking(source: Path, target: Path) -> None:
    link = tarfile.TarInfo("manifest.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    forged(source, target, extra=[link])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, "manifest|damaged"),
        (turned, "differs from the manifest"),
        (rubbish, "is not a backup"),
        (unknown, r"made by version 7\.0 of the blog, has schema revision 0007.*knows only 0001"),
        (foreign, "oracle"),
        (with_lost_row, "refers to a missing row"),
        (climbing, "not part of a blog"),
        (linking, "differs from its manifest"),
    ],
)
async def test_invalid_backup_is_refused_before_any_change(
    backup_file: Path, settings: Settings, tmp_path: Path, damage: Callable[[Path, Path], object], words: str
) -> None:
    other, bad = elsewhere(settings, tmp_path / "other"), tmp_path / "bad.tar"
    await asyncio.to_thread(restore_backup, other, backup_file)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "other").rglob("*") if path.is_file()}
    damage(backup_file, bad)
    with pytest.raises(InvalidArchive, match=words):
        await asyncio.to_thread(restore_backup, other, bad, force=True)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "other").rglob("*") if path.is_file()}
    assert after.keys() == before.keys(), "nothing new, nothing gone"
    assert titles(other.database_path) == ["Kept"]
    assert not (tmp_path / "climbed").exists()


async def test_restore_on_a_full_disk_leaves_the_old_blog(
    backup_file: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = elsewhere(settings, tmp_path / "other")
    await asyncio.to_thread(restore_backup, other, backup_file)
    (image,) = other.media_dir.iterdir()
    image.unlink()

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(FileSystemStorage, "put", full)
        with pytest.raises(Unavailable, match="No space"):
            await asyncio.to_thread(restore_backup, other, backup_file, force=True)
    assert titles(other.database_path) == ["Kept"]
    assert names(tmp_path / "other") == {"blog.db", "media"}


# Stops the restoration, as `kill -9` does, at one of its steps after another; each in a process separate.
STOPPED = """
import os, signal, sys
from pathlib import Path
from pydantic import SecretStr
from blog.ops.restore import restore_backup
from blog.settings import Settings
import blog.db.sqlite.backend, alembic.command
from blog.db import migration
from blog.db.migrations import versions

folder, backup_file, stride = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
settings = Settings(_env_file=None, secret_key=SecretStr("0123456789abcdefghijklmnopqrstuvwxyz"),
                    database_url=f"sqlite:///{folder / 'blog.db'}", media_dir=folder / "media")
migration.pending(settings.database_url)
STEPS = {"open", "os.rename", "os.link", "os.remove", "os.chmod", "os.chown", "sqlite3.connect", "os.mkdir"}
for last in range(1, 10_000, stride):
    child = os.fork()
    if child == 0:
        step = 0
        def count(event, args):
            global step
            if event in STEPS and str(folder) in str(args):
                step += 1
                if step == last:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        restore_backup(settings, backup_file, force=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(last, status, flush=True)
    sys.stdin.readline()
    if status == 0:
        break
"""


def stopped(folder: Path, backup_file: Path) -> Iterator[int]:
    """Yield the exit status of each restore: 9 if it was killed before its end."""
    command = [sys.executable, "-c", STOPPED, str(folder), str(backup_file), os.environ.get("BLOG_TEST_KILL_STRIDE", "7")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
        stdin, stdout = unwrap(process.stdin), unwrap(process.stdout)
        for line in stdout:
            yield int(line.split()[1])
            stdin.write("\n")
            stdin.flush()
    assert process.returncode == 0


async def test_killed_restore_leaves_the_old_or_the_new_blog(
    backup_file: Path, author: Context, settings: Settings, tmp_path: Path
) -> None:
    """`BLOG_TEST_KILL_STRIDE=1` kills it at every step."""
    other = elsewhere(settings, tmp_path / "other")
    (tmp_path / "other").mkdir()
    await posts.edit(author, 1, PostChanges(title="Old"))
    await asyncio.to_thread(create_backup, settings, tmp_path / "old.tar")
    await asyncio.to_thread(restore_backup, other, tmp_path / "old.tar")
    found = []
    for status in stopped(tmp_path / "other", backup_file):
        found.append((status, *titles(other.database_path)))
        assert not list((tmp_path / "other").glob("blog.db-*")), "nothing that SQLite would take for a part of it"
        if found[-1][1] == "Kept":  # the old one again, for the next stop
            await asyncio.to_thread(restore_backup, other, tmp_path / "old.tar", force=True)
    stops = [title for status, title in found if status != 0]
    assert {status for status, _ in found} == {0, 9}
    assert "Old" in stops
    assert found[-1] == (0, "Kept"), "what was left behind is no obstacle"
    print(f"stopped {len(stops)} times: {stops.count('Old')} old, {stops.count('Kept')} new")
    assert set(names(other.media_dir)) == names(settings.media_dir)


# -- at the terminal


def test_backup_and_restore_commands_while_a_server_runs(tmp_path: Path) -> None:
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    port = free_port()
    with serving(tmp_path, port) as (server, _log):
        wait_until_up(port, server)
        made = blog(tmp_path, "backup", "kept.tar")
        assert (made.returncode, made.stdout.partition(", comments")[0]) == (0, "kept.tar: users: 1, posts: 0")
        assert made.stderr == "", "no progress where there is no terminal"
        again = blog(tmp_path, "backup", "kept.tar")
        assert (again.returncode, "--force" in again.stderr, again.stdout) == (1, True, "")
        running = blog(tmp_path, "restore", "kept.tar", "--force")
        assert (running.returncode, "stop it first" in running.stderr) == (1, True)
    used = blog(tmp_path, "restore", "kept.tar")
    assert (used.returncode, "--force" in used.stderr) == (1, True)
    done = blog(tmp_path, "restore", "kept.tar", "--force")
    assert done.returncode == 0
    assert "users: 1, posts: 0" in done.stdout
    assert "The previous database is now" in done.stdout
    assert "Revoked sessions: 0, revoked tokens: 0" in done.stdout
    none = blog(tmp_path, "restore", "blog.db", "--force")
    assert (none.returncode, "is not a backup" in none.stderr, "Traceback" in none.stderr) == (1, True, False)
    assert blog(tmp_path, "check").stdout == "No problems found.\n"
