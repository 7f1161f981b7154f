"""Uploaded images: permissions, shared and unused files, storage failures, and threads."""

import asyncio
import errno
import io
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import sqlalchemy as sa
from PIL import Image

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.core.storage import FileSystemStorage
from blog.domain.media import image_processing, media
from blog.domain.media.imported_images import ImportedImages, content_name
from blog.domain.media.models import Media
from blog.domain.posts import posts
from blog.domain.site import feature_flags
from blog.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound, Unavailable
from blog.schemas.accounts import Role, Scope
from blog.schemas.feature_flags import Flag
from blog.schemas.media import MediaChanges, NewMedia
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.conftest import MakeUser
from tests.support.optional import unwrap
from tests.support.pictures import encode, png

WIDE = png(1000, 10)  # has two copies: 960 and 480 pixels wide
SMALL = png(3, 2)


async def upload(ctx: Context, data: bytes = SMALL, alt: str = "") -> Media:
    image, _ = await media.upload(ctx, io.BytesIO(data), NewMedia(alt=alt))
    return image


async def count_rows(ctx: Context) -> int:
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.media)))


def stored_names(ctx: Context) -> set[str]:
    """Return the names of all stored files, including unfinished ones."""
    folder = ctx.site.settings.media_dir
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


async def as_user(ctx: Context, make_user: MakeUser, name: str, role: Role = Role.AUTHOR) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user(name, role)))


def raise_disk_full(*_args: object, **_options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# -- permissions


async def test_anonymous_clients_and_readers_cannot_upload(
    ctx: Context, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_processing, "process", lambda _data: pytest.fail("decoded without permission"))
    reader = await as_user(ctx, make_user, "rob", Role.READER)
    for context, error in ((ctx, NotAuthenticated), (reader, Forbidden)):
        with pytest.raises(error):
            await upload(context)
    assert (await count_rows(ctx), stored_names(ctx)) == (0, set())


async def test_uploads_can_be_switched_off_and_images_stay(author: Context, ctx: Context, make_user: MakeUser) -> None:
    image = await upload(author)
    owner = await as_user(ctx, make_user, "ora", Role.OWNER)
    await feature_flags.store(owner, Flag.UPLOADS, False)
    with pytest.raises(Forbidden, match="turned off"):
        await upload(author)
    assert await media.get(author, image.id) == image
    await media.delete(author, image.id)


async def test_permission_is_checked_again_before_the_row_is_inserted(author: Context, ctx: Context, make_user: MakeUser) -> None:
    """Between the two halves of an upload a token can expire and a role can change."""
    processed = await media.process_upload(author, io.BytesIO(SMALL))
    for context, error in ((ctx, NotAuthenticated), (await as_user(ctx, make_user, "rob", Role.READER), Forbidden)):
        with pytest.raises(error):
            await media.add(context, processed, NewMedia())
    assert await count_rows(ctx) == 0


async def test_images_belong_to_their_uploader_and_editors(author: Context, ctx: Context, make_user: MakeUser) -> None:
    image = await upload(author, alt="A")
    editor, other = [await as_user(ctx, make_user, *user) for user in (("edo", Role.EDITOR), ("eve", Role.AUTHOR))]
    assert await media.get(editor, image.id) == image
    for attempt in (
        media.get(other, image.id),
        media.change(other, image.id, MediaChanges(alt="B")),
        media.delete(other, image.id),
        media.get(editor, image.id + 1),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await media.change(editor, image.id, MediaChanges(alt="C"))).alt == "C"
    assert (await media.change(author, image.id, MediaChanges())).alt == "C", "an absent field stays"
    assert (await media.change(author, image.id, MediaChanges(alt=""))).alt == ""
    await media.delete(editor, image.id)
    assert (await count_rows(ctx), stored_names(ctx)) == (0, set())


async def test_tokens_need_the_media_scope(author: Context, make_user: MakeUser) -> None:
    image = await upload(author)
    actor = author.require_actor()
    without_scope = author.acting_as(
        type(actor)(actor.id, actor.username, actor.name, actor.role, frozenset({Scope.POSTS_WRITE}))
    )
    for attempt in (
        upload(without_scope),
        media.list_page(without_scope, limit=5),
        media.get(without_scope, image.id),
        media.change(without_scope, image.id, MediaChanges(alt="B")),
        media.delete(without_scope, image.id),
    ):
        with pytest.raises(Forbidden, match="media:write"):
            await attempt
    assert await media.get(author, image.id) == image


async def test_pages_list_own_images_newest_first_while_others_are_added(
    author: Context, ctx: Context, make_user: MakeUser
) -> None:
    other = await as_user(ctx, make_user, "edo", Role.EDITOR)
    mine = []
    for number in range(5):
        mine.append((await upload(author, png(number + 1, 9))).id)
        await upload(other)
    first = await media.list_page(author, limit=2)
    await upload(author, png(9, 9))
    second = await media.list_page(author, limit=2, after=first.next)
    third = await media.list_page(author, limit=2, after=second.next)
    assert [item.id for page in (first, second, third) for item in page.items] == mine[::-1]
    assert third.next is None
    assert {item.user_id for item in (await media.list_page(other, limit=50)).items} == {other.require_actor().id}


# -- files


async def test_row_describes_the_files(author: Context) -> None:
    image = await upload(author, WIDE, "Teal")
    assert (image.width, image.height, image.media_type, image.alt) == (1000, 10, "image/png", "Teal")
    assert [(copy.width, copy.height) for copy in image.variants] == [(960, 10), (480, 5)]
    assert stored_names(author) == set(image.file_names)
    row = unwrap(await author.db.fetch_one(sa.select(tables.media)))
    path = author.site.storage.locate(image.name)
    assert isinstance(path, Path)
    assert row is not None
    assert (row["bytes"], row["user_id"]) == (path.stat().st_size, author.require_actor().id)


async def test_the_same_image_of_the_same_person_is_one_entry(author: Context, ctx: Context, make_user: MakeUser) -> None:
    first = await upload(author, WIDE)
    again, is_new = await media.upload(author, io.BytesIO(WIDE), NewMedia(alt="Teal"))
    assert (again.id, again.alt, is_new) == (first.id, "Teal", False), "the entry had no description"
    assert (await upload(author, WIDE, "Blue")).alt == "Teal"
    assert (await upload(author, encode(Image.open(io.BytesIO(WIDE)), "PNG", compress_level=0))).id == first.id, "the same pixels"
    assert (await upload(author, png(4, 4))).id != first.id
    assert await count_rows(ctx) == 2


async def test_simultaneous_uploads_of_one_image_are_one_entry(author: Context) -> None:
    found = await asyncio.gather(*(upload(author, WIDE) for _ in range(5)))
    assert len({item.id for item in found}) == 1
    assert await count_rows(author) == 1


async def test_a_repeated_upload_restores_a_lost_file(author: Context) -> None:
    image = await upload(author, WIDE)
    author.site.storage.remove(image.variants[0].name)
    await upload(author, WIDE)
    assert stored_names(author) == set(image.file_names)


async def test_the_same_image_of_two_people_has_two_rows_and_one_set_of_files(
    author: Context, ctx: Context, make_user: MakeUser
) -> None:
    first, second = await upload(author, WIDE), await upload(await as_user(ctx, make_user, "eve"), WIDE, "other")
    assert first.id != second.id
    assert first.file_names == second.file_names
    assert (await count_rows(ctx), len(stored_names(ctx))) == (2, 3)


async def test_files_are_removed_with_their_last_row(author: Context, ctx: Context, make_user: MakeUser) -> None:
    eve = await as_user(ctx, make_user, "eve")
    first, second = await upload(author, WIDE), await upload(eve, WIDE)
    await media.delete(author, first.id)
    assert stored_names(author) == set(second.file_names)
    await media.delete(eve, second.id)
    assert stored_names(author) == set()


async def test_a_copy_that_is_the_main_file_of_another_image_stays(author: Context) -> None:
    """A copy that is downloaded and uploaded again can have the digest of a file of another image."""
    image = await upload(author, WIDE)
    wide, narrow = image.variants
    values = {"name": narrow.name, "variants": [{"name": wide.name, "width": 960, "height": 10}], "media_type": "image/webp"}
    rest = {"width": 480, "height": 5, "bytes": 1, "alt": "", "file_name": "", "user_id": image.user_id, "created_at": author.now}
    other = await author.db.execute(tables.media.insert().values(values | rest))
    await media.delete(author, image.id)
    assert stored_names(author) == {wide.name, narrow.name}
    await media.delete(author, other)
    assert stored_names(author) == set()


@pytest.mark.parametrize("status", [PostStatus.PUBLISHED, PostStatus.DRAFT])
@pytest.mark.parametrize("used", ["image", "copy"])
async def test_files_used_by_a_post_stay(author: Context, status: PostStatus, used: str) -> None:
    image = await upload(author, WIDE)
    name = image.name if used == "image" else image.variants[1].name
    await posts.create(author, NewPost(title="A", content=f"![teal](/media/{name})", status=status))
    await author.db.execute(tables.revisions.delete())  # a revision would also keep the file
    await media.delete(author, image.id)
    assert (await count_rows(author), stored_names(author)) == (0, {name})


async def test_files_used_by_a_deleted_post_or_an_old_version_stay(author: Context) -> None:
    old, gone = await upload(author), await upload(author, png(4, 4))
    edited = await posts.create(author, NewPost(title="A", content=f"![](/media/{old.name})"))
    await posts.edit(author, edited.id, PostChanges(content="No image any more."))
    removed = await posts.create(author, NewPost(title="B", content=f"![](/media/{gone.name})"))
    await posts.delete(author, removed.id)
    for image in (old, gone):
        await media.delete(author, image.id)
    assert stored_names(author) == {old.name, gone.name}, "old versions and deleted posts can be restored"


@pytest.mark.parametrize("place", ["autosave", "page", "preference", "profile"])
async def test_files_used_elsewhere_stay(author: Context, place: str) -> None:
    image, user_id = await upload(author), author.require_actor().id
    text = f"![teal](/media/{image.name})"
    page = {"slug": "about", "title": "About", "html": "", "renderer_version": 1, "version": 1, "created_at": author.now}
    uses = {
        "autosave": tables.autosaves.insert().values(user_id=user_id, kind="post", form={"content": text}, updated_at=author.now),
        "page": tables.static_pages.insert().values(page | {"content": text, "editor_id": user_id, "updated_at": author.now}),
        "preference": tables.site_preferences.insert().values(name="cover", value=image.name, updated_at=author.now),
        "profile": tables.users.update().where(tables.users.c.id == user_id).values(avatar=image.name),
    }
    await author.db.execute(uses[place])
    await media.delete(author, image.id)
    assert (await count_rows(author), stored_names(author)) == (0, {image.name})


async def test_files_deleted_between_the_halves_of_an_upload_are_stored_again(author: Context) -> None:
    first = await upload(author, WIDE)
    processed = await media.process_upload(author, io.BytesIO(WIDE))
    await media.delete(author, first.id)
    assert stored_names(author) == set()
    second, _ = await media.add(author, processed, NewMedia())
    assert stored_names(author) == set(second.file_names)


async def test_concurrent_delete_and_upload_never_lose_a_file(author: Context) -> None:
    for _ in range(8):
        image = await upload(author, WIDE)
        added, _ = await asyncio.gather(upload(author, WIDE), media.delete(author, image.id))
        assert stored_names(author) == set(added.file_names)
        await media.delete(author, added.id)
        assert stored_names(author) == set()


async def test_imported_images_become_entries_of_the_user(author: Context) -> None:
    images = ImportedImages(author)
    assert images.store(WIDE, "a.png") == images.store(WIDE, "b.png") == content_name(WIDE, "a.png")
    with pytest.raises(InvalidInput):
        images.store(b"no image", "a.png")
    assert await count_rows(author) == 0
    uploaded = await upload(author, WIDE)  # meanwhile
    await images.insert_entries()
    assert (await media.list_page(author, limit=9)).items == [uploaded]
    images.store(SMALL, "posts/small.png")
    for _ in range(2):
        await images.insert_entries()
        assert [item.name for item in (await media.list_page(author, limit=9)).items] == [content_name(SMALL, ""), uploaded.name]
    assert stored_names(author) == {content_name(SMALL, ""), *uploaded.file_names}


# -- storage failures


async def test_upload_to_a_full_disk_leaves_nothing(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", raise_disk_full)
        with pytest.raises(Unavailable, match="No space left on device"):
            await upload(author, WIDE)
        with pytest.raises(Unavailable):
            ImportedImages(author).store(WIDE, "a.png")
    assert (await count_rows(author), stored_names(author)) == (0, set())
    image = await upload(author, WIDE)
    assert stored_names(author) == set(image.file_names)


async def test_storage_failure_in_the_second_half_leaves_no_row(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    processed = await media.process_upload(author, io.BytesIO(SMALL))
    monkeypatch.setattr(FileSystemStorage, "put", raise_disk_full)
    with pytest.raises(Unavailable):
        await media.add(author, processed, NewMedia())
    assert await count_rows(author) == 0
    assert await author.db.fetch_val(sa.select(1)) == 1, "the database still works"


async def test_a_failed_deletion_keeps_the_row_and_can_be_repeated(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    image = await upload(author, WIDE)
    with monkeypatch.context() as broken:
        broken.setattr(FileSystemStorage, "remove", raise_disk_full)
        with pytest.raises(Unavailable):
            await media.delete(author, image.id)
    assert await media.get(author, image.id) == image
    await media.delete(author, image.id)
    assert (await count_rows(author), stored_names(author)) == (0, set())


async def test_images_with_missing_files_can_be_deleted(author: Context) -> None:
    image = await upload(author, WIDE)
    for path in author.site.settings.media_dir.iterdir():
        path.unlink()
    await media.delete(author, image.id)
    assert await count_rows(author) == 0


@pytest.mark.parametrize("step", ["replace", "fsync", "chmod"])
def test_files_are_written_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    store = FileSystemStorage(tmp_path / "new" / "folder")
    with monkeypatch.context() as broken:
        broken.setattr(os, step, raise_disk_full)
        with pytest.raises(OSError, match="No space"):
            store.put("a", b"content")
    assert (store.exists("a"), store.locate("a"), list((tmp_path / "new" / "folder").iterdir())) == (False, None, [])
    store.put("a", b"content")
    assert (store.exists("a"), store.locate("a")) == (True, tmp_path / "new" / "folder" / "a")
    assert [path.read_bytes() for path in (tmp_path / "new" / "folder").iterdir()] == [b"content"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_no_unfinished_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    created, create = [], tempfile.NamedTemporaryFile

    def on_full_disk(**options: Any) -> Any:
        file = create(**options)
        descriptor = os.open("/dev/full", os.O_WRONLY)
        os.dup2(descriptor, file.fileno())
        os.close(descriptor)
        created.append(file.name)
        return file

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", on_full_disk)
    for size in (10, 1_000_000):
        with pytest.raises(OSError, match="No space"):
            FileSystemStorage(tmp_path / "media").put("a", bytes(size))
    assert len(created) == 2
    assert list((tmp_path / "media").iterdir()) == []


def test_an_existing_file_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileSystemStorage(tmp_path)
    store.put("a", b"content")
    monkeypatch.setattr(os, "replace", raise_disk_full)
    store.put("a", b"content")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644, "other programs may serve the files"
    store.remove("a")
    store.remove("a")
    assert not store.exists("a")


# -- threads


async def test_files_are_decoded_stored_and_removed_in_threads(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, set[int]] = {}

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            threads.setdefault(name, set()).add(threading.get_ident())
            return function(*args)

        return call

    monkeypatch.setattr(image_processing, "process", watched("process", image_processing.process))
    for name in ("put", "remove"):
        monkeypatch.setattr(FileSystemStorage, name, watched(name, getattr(FileSystemStorage, name)))
    await media.delete(author, (await upload(author, WIDE)).id)
    assert threads.keys() == {"process", "put", "remove"}
    assert threading.get_ident() not in set.union(*threads.values())


async def test_decoding_holds_no_lock_and_is_limited_to_one_image(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    process, started, release = image_processing.process, threading.Event(), threading.Event()
    running, max_running, lock = 0, 0, threading.Lock()

    def waiting(data: bytes) -> image_processing.ProcessedImage:
        nonlocal running, max_running
        with lock:
            running += 1
            max_running = max(max_running, running)
        started.set()
        assert release.wait(20), "the event loop is blocked"
        with lock:
            running -= 1
        return process(data)

    monkeypatch.setattr(image_processing, "process", waiting)
    async with asyncio.timeout(30), anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(upload, author, png(number + 1, 9))
        await anyio.to_thread.run_sync(started.wait, 20)
        await posts.create(author, NewPost(title="Meanwhile", content="other writes succeed"))
        release.set()
    assert (max_running, await count_rows(author)) == (1, 5)
