"""Static pages: at the root of the site, after the routes of the blog."""

import io
import re

import httpx2
import pytest
import sqlalchemy as sa

from blog.app import routes
from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.site import static_pages
from blog.framework.urls.route_table import rows
from blog.framework.urls.urls import UrlBuilder
from blog.schemas.accounts import Role
from blog.schemas.fields import MAX_CONTENT_BYTES
from blog.schemas.media import NewMedia
from blog.schemas.static_pages import StaticPageChanges, StaticPageInput
from tests.support.pictures import png
from tests.web.conftest import SignIn

ABOUT = {"title": "About us", "slug": "about", "content": "We *weave*. <script>alert(1)</script>", "status": "published"}


@pytest.fixture
async def ora(sign_in: SignIn) -> dict[str, str]:
    """Return the headers of an owner's browser."""
    return await sign_in("ora", Role.OWNER)


@pytest.fixture
async def owner(ctx: Context, ora: dict[str, str]) -> Context:
    """Return the context of the same owner."""
    return ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "ora")))


async def test_page_is_created_read_edited_and_deleted(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    made = await client.post("/admin/pages/new", data=ABOUT, headers=ora)
    assert (made.status_code, made.headers["location"]) == (303, "/about")
    page = (await client.get("/about")).text
    assert "We <em>weave</em>" in page
    assert "<script>alert" not in page
    assert '<link rel="canonical" href="http://127.0.0.1:8000/about">' in page
    assert "/admin/pages/1" not in page, "readers see no edit links"
    assert 'href="/admin/pages/1"' in (await client.get("/about", headers=ora)).text
    assert "About us" in (await client.get("/admin/pages", headers=ora)).text
    form = (await client.get("/admin/pages/1", headers=ora)).text
    assert 'name="version" value="1"' in form
    changed = ABOUT | {"slug": "who-we-are", "content": "New.", "version": "1"}
    assert (await client.post("/admin/pages/1", data=changed, headers=ora)).headers["location"] == "/who-we-are"
    assert (await client.get("/about")).status_code == 404
    assert "permanently deletes" in (await client.get("/admin/pages/1/delete", headers=ora)).text
    assert (await client.post("/admin/pages/1/delete", headers=ora)).headers["location"] == "/admin/pages"
    assert (await client.get("/who-we-are")).status_code == 404
    assert "No pages yet" in (await client.get("/admin/pages", headers=ora)).text


async def test_image_on_a_page_has_its_size_and_title(client: httpx2.AsyncClient, ora: dict[str, str], owner: Context) -> None:
    own, _ = await media.upload(owner, io.BytesIO(png(30, 20)), NewMedia())
    about = ABOUT | {"content": f'![A loom](/media/{own.name} "Our first")'}
    await client.post("/admin/pages/new", data=about, headers=ora)
    page = (await client.get("/about")).text
    assert re.search(r'<figure><img [^>]*width="30" height="20"><figcaption>Our first</figcaption>\s*</figure>', page)


def test_page_is_the_last_route() -> None:
    """The route matches any single segment, so routes after it would never match."""
    assert rows(routes)[-1] == ("GET HEAD", "/{slug}", "web:static_page")


@pytest.mark.parametrize(
    "slug", ["posts", "admin", "static", "api", "media", "live", "login", "theme.css", "robots.txt", "Archive", "account", "tags"]
)
async def test_reserved_paths_are_refused_at_their_field(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], slug: str
) -> None:
    answer = await client.post("/admin/pages/new", data=ABOUT | {"slug": slug}, headers=ora)
    assert answer.status_code == 409
    assert f'id="error-slug">/{slug} is used by the blog itself' in answer.text
    assert "We *weave*" in answer.text
    assert await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.static_pages)) == 0


def test_every_route_reserves_its_first_segment() -> None:
    reserved = UrlBuilder(routes, "http://127.0.0.1:8000").first_segments
    begun = {path.split("/")[1] for _, path, _ in rows(routes)} - {"", "{slug}"}
    assert begun <= reserved


async def test_title_that_gives_a_reserved_path_is_refused(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    answer = await client.post("/admin/pages/new", data=ABOUT | {"title": "Archive", "slug": ""}, headers=ora)
    assert answer.status_code == 409
    made = await client.post("/admin/pages/new", data=ABOUT | {"title": "Où sommes-nous ?", "slug": ""}, headers=ora)
    assert made.headers["location"] == "/ou-sommes-nous"


async def test_used_path_is_refused(client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str]) -> None:
    await client.post("/admin/pages/new", data=ABOUT, headers=ora)
    assert (await client.post("/admin/pages/new", data=ABOUT, headers=ora)).status_code == 409
    await client.post("/admin/pages/new", data=ABOUT | {"slug": "other"}, headers=ora)
    other = await static_pages.by_slug(ctx, "other")
    answer = await client.post(f"/admin/pages/{other.id}", data=ABOUT | {"version": "1"}, headers=ora)
    assert answer.status_code == 409
    assert "Another page has this slug" in answer.text


@pytest.mark.parametrize("version", ["1", "", "x"])
async def test_stale_page_form_can_be_submitted_again(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], owner: Context, version: str
) -> None:
    made = await static_pages.create(owner, StaticPageInput.model_validate(ABOUT), reserved=())
    await static_pages.edit(owner, made.id, StaticPageChanges(content="Theirs."), if_match={1}, reserved=())
    sent = ABOUT | {"content": "Mine.", "version": version}
    answer = await client.post("/admin/pages/1", data=sent, headers=ora)
    assert answer.status_code == 412
    assert "Someone saved a newer version" in answer.text
    assert ">\nMine.</textarea>" in answer.text
    assert "<ins>Mine</ins>" in answer.text
    assert "<del>Theirs</del>" in answer.text
    assert (await static_pages.by_slug(ctx, "about")).content == "Theirs."
    current = re.findall(r'name="version" value="(\d+)"', answer.text)[0]
    assert (await client.post("/admin/pages/1", data=sent | {"version": current}, headers=ora)).status_code == 303
    assert (await static_pages.by_slug(ctx, "about")).content == "Mine."


@pytest.mark.parametrize(
    ("field", "typed"),
    [("title", ""), ("slug", "a/b"), ("slug", ".well-known"), ("content", "\x07"), ("content", "x" * (MAX_CONTENT_BYTES + 1))],
)
async def test_invalid_page_keeps_its_values(client: httpx2.AsyncClient, ora: dict[str, str], field: str, typed: str) -> None:
    answer = await client.post("/admin/pages/new", data=ABOUT | {field: typed}, headers=ora)
    assert answer.status_code == 422
    assert f'id="error-{field}"' in answer.text


async def test_unknown_single_segments_are_not_found_for_every_method(client: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    for verb in ("GET", "POST", "DELETE"):
        answer = await client.request(verb, "/nowhere", headers=ora)
        assert answer.status_code == 404
    await client.post("/admin/pages/new", data=ABOUT, headers=ora)
    answer = await client.post("/about", headers=ora)
    assert (answer.status_code, "GET" in answer.headers["allow"]) == (405, True)
    assert (await client.head("/about")).status_code == 200
    assert (await client.get("/about/")).headers["location"] == "/about"
