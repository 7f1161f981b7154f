"""Where an uploaded image is used, and its replacement in these places."""

import io

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts, avatars
from blog.domain.core.context import Context
from blog.domain.media import media, replacement, uses
from blog.domain.media.models import Media
from blog.domain.media.uses import UseKind
from blog.domain.posts import autosaves, post_queries, posts, tag_changes, tags
from blog.domain.site import static_pages
from blog.errors import Conflict, InvalidInput, NotFound
from blog.schemas.accounts import Role
from blog.schemas.media import NewMedia
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.schemas.static_pages import PageStatus, StaticPageInput
from blog.schemas.tags import TagChanges
from tests.conftest import MakeUser
from tests.support.pictures import png

WIDE, OTHER = png(1000, 10), png(1200, 12, "maroon")


async def upload(ctx: Context, data: bytes = WIDE, alt: str = "") -> Media:
    return (await media.upload(ctx, io.BytesIO(data), NewMedia(alt=alt).with_file_name("wheel.png")))[0]


async def as_user(ctx: Context, make_user: MakeUser, name: str, role: Role = Role.AUTHOR) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user(name, role)))


def markdown(item: Media) -> str:
    return f"![A wheel](/media/{item.name})"


async def test_uses_are_found_in_every_place(author: Context, ctx: Context, make_user: MakeUser) -> None:
    owner = await as_user(ctx, make_user, "ora", Role.OWNER)
    item = await upload(author)
    text = markdown(item)
    await posts.create(author, NewPost(title="Shown", content=text))
    await posts.create(author, NewPost(title="Drafted", content=text, status=PostStatus.DRAFT))
    older = await posts.create(author, NewPost(title="Older", content=text))
    await posts.edit(author, older.id, PostChanges(content="Without."))
    deleted = await posts.create(author, NewPost(title="Deleted", content=text))
    await posts.delete(author, deleted.id)
    copy = await posts.create(author, NewPost(title="A copy", content=f"![](/media/{item.variants[-1].name})"))
    await posts.create(author, NewPost(title="Another", content="Nothing."))
    await static_pages.create(owner, StaticPageInput(title="About", content=text), reserved=())
    await autosaves.save(author, {"title": "Unsaved", "content": text})
    found = await uses.find(author, item)
    assert {(use.kind, use.title, use.slug) for use in found.visible} == {
        (UseKind.POST, "Shown", "shown"),
        (UseKind.POST, "Drafted", "drafted"),
        (UseKind.POST, "A copy", copy.slug),
        (UseKind.OLDER_VERSION, "Older", "older"),
        (UseKind.DELETED_POST, "Deleted", ""),
        (UseKind.PAGE, "About", "about"),
        (UseKind.UNSAVED_TEXT, "Unsaved", ""),
    }
    assert [use.title for use in found.visible if use.is_draft] == ["Drafted"]
    assert (found.hidden_count, found.current_count) == (0, 5)


async def test_drafts_and_unsaved_texts_of_others_are_only_counted(author: Context, ctx: Context, make_user: MakeUser) -> None:
    eve, edo = await as_user(ctx, make_user, "eve"), await as_user(ctx, make_user, "edo", Role.EDITOR)
    item = await upload(author)
    await posts.create(eve, NewPost(title="Public", content=markdown(item)))
    await posts.create(eve, NewPost(title="Secret", content=markdown(item), status=PostStatus.DRAFT))
    await autosaves.save(eve, {"title": "Secret too", "content": markdown(item)})
    found = await uses.find(author, item)
    assert ([use.title for use in found.visible], found.hidden_count) == (["Public"], 2)
    found = await uses.find(edo, item)
    assert ({use.title for use in found.visible}, found.hidden_count) == ({"Public", "Secret"}, 1)


async def test_draft_of_a_page_is_shown_to_owners_and_counted_for_others(
    author: Context, ctx: Context, make_user: MakeUser
) -> None:
    owner, edo = await as_user(ctx, make_user, "ora", Role.OWNER), await as_user(ctx, make_user, "edo", Role.EDITOR)
    item = await upload(author)
    draft = StaticPageInput(title="Imprint", content=markdown(item), status=PageStatus.DRAFT)
    page = await static_pages.create(owner, draft, reserved=())
    await autosaves.save(owner, {"title": "Typed", "content": markdown(item)}, page)
    found = await uses.find(owner, item)
    assert [(use.kind, use.title, use.is_draft) for use in found.visible] == [
        (UseKind.PAGE, "Imprint", True),
        (UseKind.UNSAVED_TEXT, "Typed", False),
    ]
    for other in (author, edo):
        found = await uses.find(other, item)
        assert (found.visible, found.hidden_count) == ([], 2)


async def test_profile_picture_is_a_use(author: Context) -> None:
    await avatars.change(author, io.BytesIO(WIDE))
    name = await author.db.fetch_val(sa.select(tables.users.c.avatar))
    item = await upload(author)
    await author.db.execute(tables.media.update().values(name=name))
    found = await uses.find(author, await media.get(author, item.id))
    assert [(use.kind, use.slug) for use in found.visible] == [(UseKind.PROFILE, "ada")]


async def test_replacement_gives_texts_a_new_version_with_the_new_image(
    author: Context, ctx: Context, make_user: MakeUser
) -> None:
    owner = await as_user(ctx, make_user, "ora", Role.OWNER)
    item = await upload(author, alt="A wheel")
    post = await posts.create(author, NewPost(title="Shown", content=markdown(item) + f"\n\n![](/media/{item.variants[0].name})"))
    page = await static_pages.create(owner, StaticPageInput(title="About", content=markdown(item)), reserved=())
    done = await replacement.replace(owner, item.id, io.BytesIO(OTHER), "new.png")
    new = done.item
    assert (new.id, new.alt, new.file_name, new.width, new.created_at) == (item.id, "A wheel", "new.png", 1200, item.created_at)
    assert (new.name != item.name, new.uploader, done.changed, done.unchanged) == (True, "ada", 2, 0)
    changed = await posts.get(author, post.id)
    assert changed.content == markdown(new) + f"\n\n![](/media/{new.variants[0].name})"
    assert (changed.version, f"/media/{new.name}" in changed.html) == (2, True)
    assert (await static_pages.get(owner, page.id)).content == markdown(new)
    folder = {path.name for path in ctx.site.settings.media_dir.iterdir()}
    assert folder == {*new.file_names, item.name, item.variants[0].name}, "the first version shows the old image"


async def test_replacement_removes_files_that_nothing_shows(author: Context, ctx: Context) -> None:
    item = await upload(author)
    done = await replacement.replace(author, item.id, io.BytesIO(OTHER))
    assert (done.changed, done.item.file_name) == (0, "wheel.png")
    assert {path.name for path in ctx.site.settings.media_dir.iterdir()} == set(done.item.file_names)


async def test_authors_replace_in_their_own_texts_only(author: Context, ctx: Context, make_user: MakeUser) -> None:
    eve = await as_user(ctx, make_user, "eve")
    item = await upload(author)
    own = await posts.create(author, NewPost(title="Own", content=markdown(item)))
    others = await posts.create(eve, NewPost(title="Hers", content=markdown(item)))
    done = await replacement.replace(author, item.id, io.BytesIO(OTHER))
    assert (done.changed, done.unchanged) == (1, 1)
    assert item.name not in (await posts.get(ctx, own.id)).content
    assert item.name in (await posts.get(ctx, others.id)).content
    assert (ctx.site.settings.media_dir / item.name).exists()
    with pytest.raises(NotFound):
        await replacement.replace(eve, item.id, io.BytesIO(WIDE))


async def test_replacement_keeps_a_change_that_somebody_saves_meanwhile(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    item = await upload(author)
    post = await posts.create(author, NewPost(title="Shown", content=markdown(item)))
    stale = await post_queries.by_id(author.db, post.id)
    await posts.edit(author, post.id, PostChanges(content=markdown(item) + "\n\nAdded."))

    async def read_before(*_arguments: object) -> list[object]:
        return [stale]

    monkeypatch.setattr(uses, "editable_posts", read_before)
    done = await replacement.replace(author, item.id, io.BytesIO(OTHER))
    assert (await posts.get(author, post.id)).content == markdown(done.item) + "\n\nAdded."


async def test_invalid_and_known_images_replace_nothing(author: Context) -> None:
    item, other = await upload(author), await upload(author, OTHER)
    with pytest.raises(InvalidInput):
        await replacement.replace(author, item.id, io.BytesIO(b"no image"))
    with pytest.raises(Conflict, match="in the library already"):
        await replacement.replace(author, item.id, io.BytesIO(OTHER))
    assert (await replacement.replace(author, item.id, io.BytesIO(WIDE))).item == item
    assert [entry.id for entry in (await media.list_page(author, limit=9)).items] == [other.id, item.id]


async def test_image_of_a_tag_is_found_kept_and_replaced(ctx: Context, make_user: MakeUser) -> None:
    owner = await as_user(ctx, make_user, "ora", Role.OWNER)
    await posts.create(owner, NewPost(title="On looms", content="Text.", tags=["looms"]))
    item = await upload(owner)
    await tag_changes.change(owner, "looms", TagChanges(image=item.id))
    assert [(use.kind, use.title) for use in (await uses.find(owner, item)).visible] == [(UseKind.TAG, "looms")]
    replaced = (await replacement.replace(owner, item.id, io.BytesIO(OTHER))).item
    assert (await tags.by_address(owner.db, "looms")).image == f"/media/{replaced.name}"
    await media.delete(owner, replaced.id)
    assert owner.site.storage.exists(replaced.name), "the tag still shows it"
