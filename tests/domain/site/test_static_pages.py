"""Static pages: drafts, changes of single fields, and their autosaves."""

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.posts import autosaves
from blog.domain.posts.autosaves import TextKind
from blog.domain.read_models import dashboard, sitemap
from blog.domain.read_models.sitemap import SitemapKind
from blog.domain.site import site_preferences, static_pages
from blog.errors import Forbidden, InvalidInput, NotFound, VersionConflict
from blog.schemas.accounts import Role
from blog.schemas.site_preferences import NavigationLink, PreferencesChanges
from blog.schemas.static_pages import PageStatus, StaticPageChanges, StaticPageInput
from tests.conftest import MakeUser

DRAFT, PUBLISHED = PageStatus.DRAFT, PageStatus.PUBLISHED
FORM = {"title": "Half", "content": "a thou", "slug": "", "status": "draft"}


@pytest.fixture
async def owner(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))


@pytest.fixture
async def editor(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("edo", Role.EDITOR)))


async def make(owner: Context, title: str, status: PageStatus = DRAFT, content: str = "Us.") -> static_pages.StaticPage:
    return await static_pages.create(owner, StaticPageInput(title=title, content=content, status=status), reserved=())


async def sitemap_names(ctx: Context) -> list[str]:
    index = await sitemap.load_index(ctx)
    parts = [part for part in index.parts if part.kind is SitemapKind.PAGES]
    return [entry.name for part in parts async for entries in sitemap.iter_entries(ctx, part) for entry in entries]


async def test_draft_is_visible_to_owners_alone(ctx: Context, owner: Context, editor: Context) -> None:
    page = await make(owner, "Imprint")
    await make(owner, "About", PUBLISHED)
    assert await static_pages.by_slug(owner, "imprint") == page
    for other in (ctx, editor):
        with pytest.raises(NotFound):
            await static_pages.by_slug(other, "imprint")
        assert [seen.title for seen in await static_pages.all_pages(other)] == ["About"]
    assert [seen.title for seen in await static_pages.all_pages(owner)] == ["About", "Imprint"]
    assert await sitemap_names(ctx) == ["about"]
    await static_pages.edit(owner, page.id, StaticPageChanges(status=PUBLISHED), reserved=())
    assert (await static_pages.by_slug(ctx, "imprint")).status is PUBLISHED
    assert await sitemap_names(ctx) == ["imprint", "about"]


@pytest.mark.parametrize("target", ["/imprint", "/imprint/?a#b", "/%69mprint", "http://127.0.0.1:8000/imprint"])
async def test_navigation_leaves_out_links_to_drafts(owner: Context, target: str) -> None:
    links = [NavigationLink(label="Imprint", target=target), NavigationLink(label="Tags", target="/tags")]
    await site_preferences.change(owner, PreferencesChanges(navigation=links))
    settings = owner.site.runtime_settings
    assert [link.label for link in settings.navigation] == ["Imprint", "Tags"]
    page = await make(owner, "Imprint")
    assert [link.label for link in settings.navigation] == ["Tags"]
    assert [link.label for link in settings.links_to("/imprint")] == ["Imprint"]
    await static_pages.edit(owner, page.id, StaticPageChanges(status=PUBLISHED), reserved=())
    assert [link.label for link in settings.navigation] == ["Imprint", "Tags"]
    await static_pages.edit(owner, page.id, StaticPageChanges(status=DRAFT), reserved=())
    await static_pages.delete(owner, page.id)
    assert [link.label for link in settings.navigation] == ["Imprint", "Tags"], "no page: the owner's link is kept"


async def test_change_of_one_field_keeps_the_others(owner: Context) -> None:
    page = await make(owner, "Imprint")
    after = await static_pages.edit(owner, page.id, StaticPageChanges(content="*We*."), if_match={1}, reserved=())
    assert (after.title, after.slug, after.status, after.version) == ("Imprint", "imprint", DRAFT, 2)
    assert "<em>We</em>" in after.html
    after = await static_pages.edit(owner, page.id, StaticPageChanges(title="Legal"), if_match={2}, reserved=())
    assert (after.title, after.slug, after.content) == ("Legal", "imprint", "*We*.")
    with pytest.raises(VersionConflict):
        await static_pages.edit(owner, page.id, StaticPageChanges(title="Old"), if_match={2}, reserved=())


@pytest.mark.parametrize("content", ["", " \n", "<!-- later -->"])
async def test_empty_page_can_only_be_a_draft(owner: Context, content: str) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        await make(owner, "About", PUBLISHED, content)
    page = await make(owner, "About", DRAFT, content)
    for changes in (StaticPageChanges(status=PUBLISHED), StaticPageChanges(status=PUBLISHED, content="<!-- -->")):
        with pytest.raises(InvalidInput):
            await static_pages.edit(owner, page.id, changes, reserved=())
    assert (await static_pages.get(owner, page.id)).version == 1


async def test_autosaves_of_pages_and_posts_are_separate(owner: Context) -> None:
    page = await make(owner, "Imprint")
    of_post = await autosaves.save(owner, FORM)
    of_new = await autosaves.save(owner, FORM, TextKind.PAGE)
    of_page = await autosaves.save(owner, FORM, page)
    assert len({of_post, of_new, of_page}) == 3
    assert await autosaves.save(owner, FORM | {"content": "more"}, page, autosave_id=of_page) == of_page
    for edited, expected in ((TextKind.POST, of_post), (TextKind.PAGE, of_new), (page, of_page)):
        assert [autosave.id for autosave in await autosaves.list_own(owner, edited)] == [expected]
    unfinished = {autosave.id: (autosave.kind, autosave.page_id) for autosave in (await dashboard.read(owner)).unfinished}
    assert unfinished == {of_post: ("post", None), of_new: ("page", None), of_page: ("page", page.id)}
    assert await autosaves.save(owner, {"title": " ", "content": ""}, TextKind.PAGE, autosave_id=of_new) is None
    await static_pages.delete(owner, page.id)
    rows = await owner.db.fetch_all(sa.select(tables.autosaves.c.id))
    assert [row["id"] for row in rows] == [of_post], "deleted with its page"


async def test_only_owners_autosave_pages(owner: Context, editor: Context) -> None:
    page = await make(owner, "About", PUBLISHED)
    for edited in (page, TextKind.PAGE):
        with pytest.raises(Forbidden):
            await autosaves.save(editor, FORM, edited)
        with pytest.raises(Forbidden):
            await autosaves.list_own(editor, edited)
