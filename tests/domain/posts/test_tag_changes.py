"""Renaming, merging, describing and deleting tags: posts, addresses, search, caches and followers see it at once."""

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.posts import post_lists, posts, revisions, search, tag_changes, tags
from blog.domain.posts.post_filter import PostFilter
from blog.errors import Conflict, Forbidden, InvalidInput, NotAuthenticated, NotFound
from blog.ops.integrity_check import check_site
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.schemas.tags import TagChanges
from tests.conftest import MakeUser


@pytest.fixture
async def editor(author: Context, make_user: MakeUser) -> Context:
    """The context of an editor; two posts by ada have the tag `js`, one of them a draft."""
    await posts.create(author, NewPost(title="One", content="x", tags=["js", "web"]))
    await posts.create(author, NewPost(title="Two", content="x", tags=["JS"], status=PostStatus.DRAFT))
    return author.acting_as(accounts.as_actor(await make_user("edo", Role.EDITOR)))


async def titles(ctx: Context, **filters: object) -> list[str]:
    values: dict[str, object] = {"status": None} | filters
    return [post.title for post in (await post_lists.list_page(ctx, PostFilter(**values))).items]  # type: ignore[arg-type]


async def channels(ctx: Context) -> list[tuple[str, list[str]]]:
    rows = await ctx.db.fetch_all(sa.select(tables.events.c.type, tables.events.c.channels).order_by(tables.events.c.id))
    return [(row["type"], [name for name in row["channels"] if name.startswith("tag:")]) for row in rows]


async def test_renamed_tag_is_renamed_in_posts_search_and_events(editor: Context) -> None:
    tag = await tag_changes.change(editor, "JS", TagChanges(name="JavaScript"))
    assert (tag.name, tag.slug, tag.posts) == ("JavaScript", "JavaScript", 1)
    one = await posts.get_by_slug(editor, "one")
    assert (one.tags, one.version) == (("JavaScript", "web"), 1), "a rename is no new version"
    assert (await revisions.get(editor, one.id, 1)).tags == ("js", "web")
    assert await titles(editor, tags=("javascript",)) == await titles(editor, tags=("js",)) == ["Two", "One"]
    assert [found.post.title for found in (await search.search_posts(editor, "javascript")).items] == ["One"]
    assert (await search.search_posts(editor, "js")).items == []
    assert (await channels(editor))[1:] == [("site.changed", []), ("post.updated", ["tag:javascript", "tag:web", "tag:js"])]
    assert (await tags.with_count(editor, "js")).name == "JavaScript"
    assert await check_site(editor) == []


async def test_old_name_means_the_tag_in_posts_that_are_written(editor: Context) -> None:
    await tag_changes.change(editor, "js", TagChanges(name="JavaScript"))
    new = await posts.create(editor, NewPost(title="Three", content="x", tags=["js", "JavaScript", "Js"]))
    assert new.tags == ("JavaScript",)
    one = await posts.get_by_slug(editor, "one")
    await posts.edit(editor, one.id, PostChanges(title="One, again"))
    assert (await posts.get(editor, one.id)).tags == ("JavaScript", "web")
    back = await tag_changes.change(editor, "JavaScript", TagChanges(name="js"))
    assert (back.name, (await tags.by_address(editor.db, "javascript")).id) == ("js", back.id)


async def test_case_of_a_name_is_changed(editor: Context) -> None:
    assert (await tag_changes.change(editor, "js", TagChanges(name="JS"))).name == "JS"
    assert (await posts.get_by_slug(editor, "one")).tags == ("JS", "web")


async def test_merged_tag_leads_to_the_other(editor: Context, author: Context) -> None:
    await posts.create(author, NewPost(title="Four", content="x", tags=["web"]))
    await tag_changes.change(editor, "js", TagChanges(name="JavaScript", slug="ecma"))
    tag = await tag_changes.merge(editor, "ecma", "WEB")
    assert (tag.name, tag.posts) == ("web", 2)
    assert (await posts.get_by_slug(editor, "one")).tags == ("web",)
    for address in ("js", "javascript", "ecma"):
        assert (await tags.with_count(editor, address)).id == tag.id
    assert sorted(await titles(editor, tags=("js",))) == ["Four", "One", "Two"]
    assert [found.post.title for found in (await search.search_posts(editor, "javascript")).items] == []
    assert (await channels(editor))[-1] == ("post.updated", ["tag:web", "tag:javascript"])
    assert await check_site(editor) == []


async def test_deleted_tag_is_removed_from_posts(editor: Context) -> None:
    await tag_changes.delete(editor, "js")
    assert (await posts.get_by_slug(editor, "one")).tags == ("web",)
    assert [tag.name for tag in await tags.all_tags(editor)] == ["web"]
    with pytest.raises(NotFound):
        await tags.by_address(editor.db, "js")
    assert (await channels(editor))[-1] == ("post.updated", ["tag:web", "tag:js"])
    assert await check_site(editor) == []


async def test_described_tag_stays_without_posts(editor: Context) -> None:
    tag = await tag_changes.change(editor, "web", TagChanges(description="The web.", image="https://example.org/a.png", slug="w"))
    assert (tag.description, tag.image, tag.slug) == ("The web.", "https://example.org/a.png", "w")
    one = await posts.get_by_slug(editor, "one")
    assert one.tag_slugs == ("js", "w")
    await posts.edit(editor, one.id, PostChanges(tags=["js"]))
    assert (await tags.by_address(editor.db, "web")).description == "The web."
    assert await check_site(editor) == []


async def test_names_and_slugs_of_other_tags_are_refused(editor: Context) -> None:
    await tag_changes.change(editor, "js", TagChanges(name="JavaScript", slug="ecma"))
    for changes in (TagChanges(name="WEB"), TagChanges(slug="web")):
        with pytest.raises(Conflict):
            await tag_changes.change(editor, "js", changes)
    for changes in (TagChanges(name="js"), TagChanges(slug="ecma")):
        with pytest.raises(Conflict):
            await tag_changes.change(editor, "web", changes)
    for into in ("javascript", "ecma", "nothing"):
        with pytest.raises(InvalidInput):
            await tag_changes.merge(editor, "js", into)
    with pytest.raises(InvalidInput):
        await tag_changes.change(editor, "js", TagChanges(image=999))


async def test_only_editors_change_tags(author: Context, editor: Context, ctx: Context) -> None:
    for actor, error in ((author, Forbidden), (ctx, NotAuthenticated)):
        with pytest.raises(error):
            await tag_changes.change(actor, "js", TagChanges(name="x"))
        with pytest.raises(error):
            await tag_changes.merge(actor, "js", "web")
        with pytest.raises(error):
            await tag_changes.delete(actor, "js")
