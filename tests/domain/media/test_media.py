"""Rules of uploaded images, without any door: whose they are, which files are kept, and what a broken store leaves behind."""

import asyncio
import errno
import io
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.core.storage import FileSystemStorage
from blog.domain.media import image_processing, media
from blog.domain.posts import posts
from blog.domain.site import feature_flags
from blog.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound, Unavailable
from blog.schemas.accounts import Role, Scope
from blog.schemas.feature_flags import Flag
from blog.schemas.media import MediaChanges, NewMedia
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.conftest import MakeUser
from tests.support.pictures import png

WIDE = png(1000, 10)  # two copies: 960 and 480 pixels wide
SMALL = png(3, 2)


async def upload(ctx, data=SMALL, alt=""):
    return await media.upload(ctx, io.BytesIO(data), NewMedia(alt=alt))


async def rows(ctx: Context) -> int:
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.media)))


def kept(ctx: Context) -> set[str]:
    """The names of all files in the folder, unfinished ones too."""
    folder = ctx.site.settings.media_dir
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


async def person(ctx, make_user, name, role=Role.AUTHOR):
    return ctx.acting_as(accounts.as_actor(await make_user(name, role)))


def full(*_args: object, **_options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# -- who


async def test_strangers_and_readers_upload_nothing(ctx: Context, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_processing, "process", lambda _data: pytest.fail("decoded for somebody who may not upload"))
    reader = await person(ctx, make_user, "rob", Role.READER)
    for who, error in ((ctx, NotAuthenticated), (reader, Forbidden)):
        with pytest.raises(error):
            await upload(who)
    assert (await rows(ctx), kept(ctx)) == (0, set())


async def test_switched_off_uploads_are_forbidden_and_images_stay(author: Context, ctx: Context, make_user: MakeUser) -> None:
    image = await upload(author)
    owner = await person(ctx, make_user, "ora", Role.OWNER)
    await feature_flags.store(owner, Flag.UPLOADS, False)
    with pytest.raises(Forbidden, match="switched off"):
        await upload(author)
    assert await media.get(author, image.id) == image
    await media.delete(author, image.id)


async def test_picture_needs_the_right_also_when_its_row_is_made(author: Context, ctx: Context, make_user: MakeUser) -> None:
    """Between the two halves of an upload, a token can end and a role can be taken away."""
    picture = await media.process_upload(author, io.BytesIO(SMALL))
    for who, error in ((ctx, NotAuthenticated), (await person(ctx, make_user, "rob", Role.READER), Forbidden)):
        with pytest.raises(error):
            await media.add(who, picture, NewMedia())
    assert await rows(ctx) == 0


async def test_image_is_its_owners_and_the_editors(author: Context, ctx: Context, make_user: MakeUser) -> None:
    image = await upload(author, alt="A")
    editor, other = [await person(ctx, make_user, *who) for who in (("edo", Role.EDITOR), ("eve", Role.AUTHOR))]
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
    assert (await media.change(author, image.id, MediaChanges())).alt == "C", "what is not sent stays"
    assert (await media.change(author, image.id, MediaChanges(alt=""))).alt == ""
    await media.delete(editor, image.id)
    assert (await rows(ctx), kept(ctx)) == (0, set())


async def test_token_needs_the_scope_for_all_of_it(author: Context, make_user: MakeUser) -> None:
    image = await upload(author)
    actor = author.require_actor()
    narrow = author.acting_as(type(actor)(actor.id, actor.username, actor.name, actor.role, frozenset({Scope.POSTS_WRITE})))
    for attempt in (
        upload(narrow),
        media.list_page(narrow, limit=5),
        media.get(narrow, image.id),
        media.change(narrow, image.id, MediaChanges(alt="B")),
        media.delete(narrow, image.id),
    ):
        with pytest.raises(Forbidden, match="media:write"):
            await attempt
    assert await media.get(author, image.id) == image


async def test_pages_show_ones_own_newest_first_also_while_some_are_added(
    author: Context, ctx: Context, make_user: MakeUser
) -> None:
    other = await person(ctx, make_user, "edo", Role.EDITOR)
    mine = []
    for number in range(5):
        mine.append((await upload(author, alt=str(number))).id)
        await upload(other)
    first = await media.list_page(author, limit=2)
    await upload(author, alt="late")
    second = await media.list_page(author, limit=2, after=first.next)
    third = await media.list_page(author, limit=2, after=second.next)
    assert [item.id for page in (first, second, third) for item in page.items] == mine[::-1]
    assert third.next is None
    assert {item.user_id for item in (await media.list_page(other, limit=50)).items} == {other.require_actor().id}


# -- which files


async def test_row_tells_what_the_files_are(author: Context) -> None:
    image = await upload(author, WIDE, "Teal")
    assert (image.width, image.height, image.media_type, image.alt) == (1000, 10, "image/png", "Teal")
    assert [(copy.width, copy.height) for copy in image.variants] == [(960, 10), (480, 5)]
    assert kept(author) == set(image.file_names)
    row = await author.db.fetch_one(sa.select(tables.media))
    path = author.site.storage.locate(image.name)
    assert isinstance(path, Path)
    assert (row["bytes"], row["user_id"]) == (path.stat().st_size, author.require_actor().id)


async def test_same_image_twice_is_two_rows_and_the_same_files(author: Context, ctx: Context, make_user: MakeUser) -> None:
    first, second = await upload(author, WIDE), await upload(await person(ctx, make_user, "eve"), WIDE, "other")
    assert first.id != second.id
    assert first.file_names == second.file_names
    assert (await rows(ctx), len(kept(ctx))) == (2, 3)


async def test_files_go_with_the_last_row_that_has_them(author: Context) -> None:
    first, second = await upload(author, WIDE), await upload(author, WIDE)
    await media.delete(author, first.id)
    assert kept(author) == set(second.file_names)
    await media.delete(author, second.id)
    assert kept(author) == set()


async def test_copy_that_is_the_image_of_another_row_stays(author: Context) -> None:
    """Somebody downloads a copy and uploads it again: its digest may be that of a file of another image."""
    image = await upload(author, WIDE)
    wide, narrow = image.variants
    values = {"name": narrow.name, "variants": [{"name": wide.name, "width": 960, "height": 10}], "media_type": "image/webp"}
    rest = {"width": 480, "height": 5, "bytes": 1, "alt": "", "user_id": image.user_id, "created_at": author.now}
    other = await author.db.execute(tables.media.insert().values(values | rest))
    await media.delete(author, image.id)
    assert kept(author) == {wide.name, narrow.name}
    await media.delete(author, other)
    assert kept(author) == set()


@pytest.mark.parametrize("status", [PostStatus.PUBLISHED, PostStatus.DRAFT])
@pytest.mark.parametrize("shown", ["image", "copy"])
async def test_file_that_a_post_shows_stays(author: Context, status: Any, shown: str) -> None:
    image = await upload(author, WIDE)
    name = image.name if shown == "image" else image.variants[1].name
    await posts.create(author, NewPost(title="A", content=f"![teal](/media/{name})", status=status))
    await author.db.execute(tables.revisions.delete())  # which would keep it as well
    await media.delete(author, image.id)
    assert (await rows(author), kept(author)) == (0, {name})


async def test_file_that_a_deleted_post_or_an_old_version_shows_stays(author: Context) -> None:
    old, gone = await upload(author), await upload(author, png(4, 4))
    edited = await posts.create(author, NewPost(title="A", content=f"![](/media/{old.name})"))
    await posts.edit(author, edited.id, PostChanges(content="No image any more."))
    removed = await posts.create(author, NewPost(title="B", content=f"![](/media/{gone.name})"))
    await posts.delete(author, removed.id)
    for image in (old, gone):
        await media.delete(author, image.id)
    assert kept(author) == {old.name, gone.name}, "an old version can be restored, and a deleted post brought back"


@pytest.mark.parametrize("place", ["autosave", "page", "preference", "profile"])
async def test_file_that_anything_else_shows_stays(author: Context, place: str) -> None:
    image, user_id = await upload(author), author.require_actor().id
    text = f"![teal](/media/{image.name})"
    page = {"slug": "about", "title": "About", "html": "", "renderer_version": 1, "version": 1, "created_at": author.now}
    using = {
        "autosave": tables.autosaves.insert().values(user_id=user_id, form={"content": text}, updated_at=author.now),
        "page": tables.static_pages.insert().values(page | {"content": text, "editor_id": user_id, "updated_at": author.now}),
        "preference": tables.site_preferences.insert().values(name="cover", value=image.name, updated_at=author.now),
        "profile": tables.users.update().where(tables.users.c.id == user_id).values(avatar=image.name),
    }
    await author.db.execute(using[place])
    await media.delete(author, image.id)
    assert (await rows(author), kept(author)) == (0, {image.name})


async def test_image_deleted_between_the_halves_of_an_upload_is_kept_again(author: Context) -> None:
    first = await upload(author, WIDE)
    picture = await media.process_upload(author, io.BytesIO(WIDE))
    await media.delete(author, first.id)
    assert kept(author) == set()
    second = await media.add(author, picture, NewMedia())
    assert kept(author) == set(second.file_names)


async def test_deleting_and_uploading_the_same_at_once_never_loses_a_file(author: Context) -> None:
    for _ in range(8):
        image = await upload(author, WIDE)
        added, _ = await asyncio.gather(upload(author, WIDE), media.delete(author, image.id))
        assert kept(author) == set(added.file_names)
        await media.delete(author, added.id)
        assert kept(author) == set()


async def test_import_keeps_an_image_without_a_row(author: Context) -> None:
    name = media.store_imported(author.site.storage, WIDE)
    assert (name, kept(author), await rows(author)) == (media.content_name(WIDE), {name}, 0)
    with pytest.raises(InvalidInput):
        media.store_imported(author.site.storage, b"no image")


# -- a store that fails


async def test_upload_into_a_full_store_leaves_nothing(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", full)
        with pytest.raises(Unavailable, match="No space left on device"):
            await upload(author, WIDE)
        with pytest.raises(Unavailable):
            media.store_imported(author.site.storage, WIDE)
    assert (await rows(author), kept(author)) == (0, set())
    image = await upload(author, WIDE)
    assert kept(author) == set(image.file_names)


async def test_store_that_fails_in_the_second_half_leaves_no_row(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = await media.process_upload(author, io.BytesIO(SMALL))
    monkeypatch.setattr(FileSystemStorage, "put", full)
    with pytest.raises(Unavailable):
        await media.add(author, picture, NewMedia())
    assert await rows(author) == 0
    assert await author.db.fetch_val(sa.select(1)) == 1, "the database serves on"


async def test_what_cannot_be_removed_keeps_its_row_and_can_be_deleted_later(
    author: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await upload(author, WIDE)
    with monkeypatch.context() as broken:
        broken.setattr(FileSystemStorage, "remove", full)
        with pytest.raises(Unavailable):
            await media.delete(author, image.id)
    assert await media.get(author, image.id) == image
    await media.delete(author, image.id)
    assert (await rows(author), kept(author)) == (0, set())


async def test_file_that_is_gone_already_is_no_obstacle(author: Context) -> None:
    image = await upload(author, WIDE)
    for path in author.site.settings.media_dir.iterdir():
        path.unlink()
    await media.delete(author, image.id)
    assert await rows(author) == 0


@pytest.mark.parametrize("step", ["replace", "fsync", "chmod"])
def test_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    store = FileSystemStorage(tmp_path / "new" / "folder")
    with monkeypatch.context() as broken:
        broken.setattr(os, step, full)
        with pytest.raises(OSError, match="No space"):
            store.put("a", b"content")
    assert (store.exists("a"), store.locate("a"), list((tmp_path / "new" / "folder").iterdir())) == (False, None, [])
    store.put("a", b"content")
    assert (store.exists("a"), store.locate("a")) == (True, tmp_path / "new" / "folder" / "a")
    assert [path.read_bytes() for path in (tmp_path / "new" / "folder").iterdir()] == [b"content"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_disk_that_is_really_full_leaves_no_unfinished_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = [], tempfile.NamedTemporaryFile

    def on_full_disk(**options):
        file = real(**options)
        descriptor = os.open("/dev/full", os.O_WRONLY)
        os.dup2(descriptor, file.fileno())
        os.close(descriptor)
        made.append(file.name)
        return file

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", on_full_disk)
    for size in (10, 1_000_000):
        with pytest.raises(OSError, match="No space"):
            FileSystemStorage(tmp_path / "media").put("a", bytes(size))
    assert len(made) == 2
    assert list((tmp_path / "media").iterdir()) == []


def test_file_that_is_there_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileSystemStorage(tmp_path)
    store.put("a", b"content")
    monkeypatch.setattr(os, "replace", full)
    store.put("a", b"content")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644, "other programs may send the files"
    store.remove("a")
    store.remove("a")
    assert not store.exists("a")


# -- where the work is done


async def test_files_are_decoded_kept_and_removed_off_the_event_loop(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, set[int]] = {}

    def watched(name, function):
        def call(*args):
            threads.setdefault(name, set()).add(threading.get_ident())
            return function(*args)

        return call

    monkeypatch.setattr(image_processing, "process", watched("process", image_processing.process))
    for name in ("put", "remove"):
        monkeypatch.setattr(FileSystemStorage, name, watched(name, getattr(FileSystemStorage, name)))
    await media.delete(author, (await upload(author, WIDE)).id)
    assert threads.keys() == {"process", "put", "remove"}
    assert threading.get_ident() not in set.union(*threads.values())


async def test_decoding_holds_no_lock_and_one_is_decoded_at_a_time(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    develop, one_is_in, release = image_processing.process, threading.Event(), threading.Event()
    now, most, lock = 0, 0, threading.Lock()

    def waiting(data):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        one_is_in.set()
        assert release.wait(20), "the event loop stood still"
        with lock:
            now -= 1
        return develop(data)

    monkeypatch.setattr(image_processing, "process", waiting)
    async with asyncio.timeout(30), anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(upload, author)
        await anyio.to_thread.run_sync(one_is_in.wait, 20)
        await posts.create(author, NewPost(title="Meanwhile", content="others write"))
        release.set()
    assert (most, await rows(author)) == (1, 5)
