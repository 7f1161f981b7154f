"""Robots, sitemap, OpenSearch, link previews, structured data and oEmbed."""

import datetime as dt
import json
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import httpx2
import pytest
from lxml import etree
from playwright.sync_api import Browser

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.read_models import sitemap
from blog.domain.site import static_pages
from blog.schemas.accounts import Role
from blog.schemas.posts import PostChanges
from blog.schemas.static_pages import StaticPageInput
from blog.settings import Settings
from tests.conftest import ORIGIN, MakeUser, running
from tests.support.serving import blog, free_port, serving, wait_until_up
from tests.support.stored import nul
from tests.web.conftest import SignIn, Write
from tests.web.discovery.xml_rules import SITEMAP, assert_valid_sitemap

FIXED = [f"{ORIGIN}/", f"{ORIGIN}/archive", f"{ORIGIN}/tags"]
HOSTILE = "]]> </script><script>alert(1)</script> & \"'<!--"


def locations(answer: httpx2.Response, element: str = "url") -> list[str]:
    root = etree.fromstring(answer.content)
    assert root.tag == SITEMAP + {"url": "urlset", "sitemap": "sitemapindex"}[element]
    return [item.findtext(f"{SITEMAP}loc") for item in root.iterfind(f"{SITEMAP}{element}")]


def metas(page: str, attribute: str = "property") -> dict[str, str]:
    return {name: unescape(value) for name, value in re.findall(rf'<meta {attribute}="([^"]+)" content="([^"]*)">', page)}


def structured(page: str) -> Any:
    [block] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    return json.loads(block)


@pytest.fixture
def small_sitemaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit sitemaps to ten URLs, and batches to three."""
    monkeypatch.setattr(sitemap, "MAX_URLS", 10)
    monkeypatch.setattr(sitemap, "_BATCH_SIZE", 3)


def test_sitemaps_have_the_maximum_number_of_urls() -> None:
    assert sitemap.MAX_URLS == 50_000


async def test_robots_name_the_sitemap_and_exclude_forms(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/robots.txt")
    lines = answer.text.splitlines()
    assert lines[0] == "User-agent: *"
    assert {f"Disallow: /{name}" for name in ("login", "register", "write", "search", "posts/*/edit")} <= set(lines)
    assert lines[-1] == f"Sitemap: {ORIGIN}/sitemap.xml"
    assert "Disallow: /" not in lines


async def test_sitemap_of_an_empty_blog_has_the_list_pages(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/sitemap.xml")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (
        "application/xml; charset=utf-8",
        "public, max-age=3600",
    )
    assert locations(answer) == FIXED
    assert "lastmod" not in answer.text


async def test_sitemap_lists_public_pages_and_their_dates(
    client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write, make_user: MakeUser
) -> None:
    await make_user("lurker")
    await write("A draft", status="draft", tags=["secret"])
    await write("Tomorrow", status="scheduled", publish_at=author.now + dt.timedelta(days=1), tags=["secret"])
    gone = await write("Deleted", tags=["secret"])
    await posts.delete(author, gone.id)
    old = await write("Ältere Räder", tags=["c#/c++"], age=30)
    new = await write("On engines", tags=["c#/c++", "maths"], age=2)
    answer = await client.get("/sitemap.xml")
    addresses = ["/posts/altere-rader", "/posts/on-engines", "/tags/c%23%2Fc%2B%2B", "/tags/maths", "/authors/ada"]
    assert locations(answer) == FIXED + [ORIGIN + path for path in addresses]
    root = etree.fromstring(answer.content)
    dates = {place[0].text.removeprefix(ORIGIN): dt.datetime.fromisoformat(place[1].text) for place in root}
    then, now = (post.updated_at.replace(microsecond=0) for post in (old, new))
    assert (dates["/posts/altere-rader"], dates["/posts/on-engines"]) == (then, now)
    assert dates["/tags/c%23%2Fc%2B%2B"] == dates["/authors/ada"] == dates["/"] == now
    for path in addresses:
        assert (await client.get(path)).status_code == 200


async def test_sitemap_lists_static_pages(client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser) -> None:
    ora = ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))
    about = await static_pages.create(ora, StaticPageInput(title="About us", content="We *are*."), reserved=())
    before = await client.get("/sitemap.xml")
    assert locations(before) == [*FIXED, f"{ORIGIN}/about-us"]
    assert (await client.get("/about-us")).status_code == 200
    await static_pages.delete(ora, about.id)
    after = await client.get("/sitemap.xml", headers={"If-None-Match": before.headers["etag"]})
    assert (after.status_code, locations(after)) == (200, FIXED)


async def test_sitemap_of_many_urls_is_an_index(
    client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write, small_sitemaps: None
) -> None:
    for number in range(5):
        await write(f"Post {number}", tags=["maths"])
    assert len(locations(await client.get("/sitemap.xml"))) == len(FIXED) + 5 + 1 + 1 == 10, "as many as fit"
    for number in range(5, 23):
        await write(f"Post {number}", tags=["maths"])
    for number in (12, 13, 14, 15, 16, 17, 18, 19, 20):
        await posts.delete(author, number)
    await posts.delete(author, 11)  # now the second ten have nothing public
    names = ["fixed-0", "posts-0", "posts-2", "tags-0", "authors-0"]
    index = await client.get("/sitemap.xml")
    assert locations(index, "sitemap") == [f"{ORIGIN}/sitemap-{name}.xml" for name in names]
    parts = [locations(await client.get(address)) for address in locations(index, "sitemap")]
    assert [len(part) for part in parts] == [3, 10, 3, 1, 1]
    published = [f"{ORIGIN}/posts/post-{number}" for number in (*range(10), *range(20, 23))]
    assert [address for part in parts for address in part] == [
        *FIXED,
        *published,
        f"{ORIGIN}/tags/maths",
        f"{ORIGIN}/authors/ada",
    ]


@pytest.mark.parametrize("name", ["posts-1", "posts-999999999999999999", "fixed-1", "tags-0", "pages-0", "users-0", "posts-x"])
async def test_empty_sitemap_files_are_not_found(
    client: httpx2.AsyncClient, author: Context, write: Write, small_sitemaps: None, name: str
) -> None:
    await write("On engines")
    assert (await client.get("/sitemap-posts-0.xml")).status_code == 200
    assert (await client.get(f"/sitemap-{name}.xml")).status_code == 404


async def test_sitemap_answers_304_until_something_changes(client: httpx2.AsyncClient, author: Context, write: Write) -> None:
    kept, other = await write("On engines", tags=["maths"]), await write("On looms")

    async def tag() -> str:
        answer = await client.get("/sitemap.xml")
        again = await client.get("/sitemap.xml", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
        return str(answer.headers["etag"])

    seen = [await tag()]
    assert await tag() == seen[0]
    await posts.edit(author, kept.id, PostChanges(slug="engines"))
    seen.append(await tag())
    await posts.delete(author, other.id)
    seen.append(await tag())
    assert len(set(seen)) == 3
    head = await client.head("/sitemap.xml")
    assert (head.status_code, head.headers["etag"], head.content) == (200, seen[-1], b"")


async def test_sitemap_is_read_in_batches(
    client: httpx2.AsyncClient, ctx: Context, write: Write, small_sitemaps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each query is limited, and no connection is held while the client reads."""
    monkeypatch.setattr(sitemap, "MAX_URLS", 100)
    for number in range(7):
        await write(f"Post {number}")
    [part] = (await sitemap.load_part(ctx, sitemap.SitemapKind.POSTS, 0)).parts
    assert [len(page) async for page in sitemap.iter_entries(ctx, part)] == [3, 3, 1]


async def test_sitemaps_are_valid(client: httpx2.AsyncClient, ctx: Context, write: Write, small_sitemaps: None) -> None:
    assert_valid_sitemap((await client.get("/sitemap.xml")).content)
    for number in range(12):
        await write(f"{HOSTILE} {number}", tags=["a & b <c>", "日本"])
    index = await client.get("/sitemap.xml")
    assert_valid_sitemap(index.content)
    for url in locations(index, "sitemap"):
        assert_valid_sitemap((await client.get(url)).content)


async def test_opensearch_description(settings: Settings) -> None:
    long = settings.model_copy(update={"project_name": "Tea & <Biscuits> for everybody"})
    async with running(create_app(long)) as client:
        page = (await client.get("/archive")).text
        answer = await client.get("/opensearch.xml")
        assert re.search(r'<link rel="search" type="application/opensearchdescription\+xml" [^>]*href="/opensearch.xml">', page)
        assert answer.headers["content-type"] == "application/opensearchdescription+xml; charset=utf-8"
        root = etree.fromstring(answer.content)
        names = {element.tag.partition("}")[2]: element.text for element in root}
        assert (names["ShortName"], names["Description"]) == ("Tea & <Biscuits>", "Search Tea & <Biscuits> for everybody")
        urls = {url.get("type"): url.get("template") for url in root.iterfind("{*}Url")}
        assert urls["text/html"] == f"{ORIGIN}/search?q={{searchTerms}}"
        assert (await client.get(names["Image"])).status_code == 200
        again = await client.get("/opensearch.xml", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


async def test_link_preview_of_a_post(client: httpx2.AsyncClient, write: Write) -> None:
    published_at = (await write(HOSTILE, "It *weaves*.", tags=["maths", "looms"], slug="on-engines")).published_at
    assert published_at is not None
    page = (await client.get("/posts/on-engines")).text
    meta, twitter = metas(page), metas(page, "name")
    assert (meta["og:type"], meta["og:title"], meta["og:description"]) == ("article", HOSTILE, "It weaves.")
    assert (meta["og:image:width"], meta["og:image:height"]) == ("1200", "630")
    assert HOSTILE in meta["og:image:alt"]
    assert meta["og:image"] == twitter["twitter:image"]
    assert (twitter["twitter:card"], twitter["twitter:title"]) == ("summary_large_image", HOSTILE)
    assert meta["article:author"] == f"{ORIGIN}/authors/ada"
    assert re.findall(r'article:tag" content="(\w+)"', page) == ["maths", "looms"]
    image = await client.get(meta["og:image"])
    assert (image.status_code, image.headers["content-type"]) == (200, "image/png")
    data = structured(page)
    assert (data["@type"], data["headline"], data["url"]) == ("BlogPosting", HOSTILE, f"{ORIGIN}/posts/on-engines")
    assert (data["author"][0]["name"], data["keywords"], data["wordCount"]) == ("ada", ["maths", "looms"], 2)
    assert (data["image"]["url"], data["isPartOf"]["name"]) == (meta["og:image"], "Field Notes")
    assert dt.datetime.fromisoformat(data["datePublished"]) == published_at.replace(microsecond=0)


async def test_drafts_have_no_link_preview(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("A draft", status="draft")
    page = (await client.get("/posts/a-draft", headers=await sign_in("eve", Role.EDITOR))).text
    assert '<h1 dir="auto">A draft</h1>' in page
    for sign in ("og:image", "ld+json", "oembed"):
        assert sign not in page
    assert '<meta name="robots" content="noindex">' in page


async def test_home_page_describes_its_search(client: httpx2.AsyncClient, write: Write) -> None:
    for number in range(21):
        await write(f"Post {number}", age=number)
    page = (await client.get("/")).text
    site, about = structured(page)["@graph"]
    assert (site["@type"], about["@type"], about["name"]) == ("WebSite", "Blog", "Field Notes")
    assert site["potentialAction"]["target"]["urlTemplate"] == f"{ORIGIN}/search?q={{words}}"
    following = unescape(re.findall(r'<link rel="next" href="([^"]+)">', page)[0])
    second = (await client.get(following)).text
    assert f'<link rel="canonical" href="{ORIGIN}/">' in second
    assert '<meta name="robots" content="noindex, follow">' in second
    assert "ld+json" not in second
    assert 'rel="next"' not in second


@pytest.mark.parametrize("path", ["/posts/on-engines", "/posts/on-engines?utm_source=letter#comments", "/posts/engines-of-old"])
async def test_oembed_of_a_post(client: httpx2.AsyncClient, author: Context, write: Write, path: str) -> None:
    post = await write(HOSTILE, "It *weaves*.", slug="engines-of-old")
    await posts.edit(author, post.id, PostChanges(slug="on-engines"))
    answer = await client.get("/oembed", params={"url": ORIGIN + path})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    embed = answer.json()
    assert (embed["version"], embed["type"], embed["title"]) == ("1.0", "rich", HOSTILE)
    assert (embed["author_name"], embed["author_url"]) == ("ada", f"{ORIGIN}/authors/ada")
    assert (embed["provider_name"], embed["provider_url"]) == ("Field Notes", f"{ORIGIN}/")
    assert embed["html"].startswith(f'<blockquote class="blog-post" cite="{ORIGIN}/posts/on-engines" dir="auto">')
    assert f'<a href="{ORIGIN}/posts/on-engines" dir="auto">]]&gt; &lt;/script&gt;' in embed["html"]
    assert "<script" not in embed["html"]
    thumbnail = await client.get(embed["thumbnail_url"])
    assert thumbnail.headers["cache-control"] == "public, max-age=31536000, immutable"
    xml = etree.fromstring((await client.get("/oembed", params={"url": ORIGIN + path, "format": "xml"})).content)
    assert xml.tag == "oembed"
    assert {element.tag: element.text for element in xml} == {name: str(value) for name, value in embed.items()}


async def test_oembed_respects_the_maximum_size(client: httpx2.AsyncClient, write: Write) -> None:
    await write("On engines")
    query = {"url": f"{ORIGIN}/posts/on-engines", "dnt": "true"}
    embed = (await client.get("/oembed", params=query | {"maxwidth": "320", "maxheight": "100"})).json()
    assert (embed["width"], embed["height"]) == (320, 100)
    assert "thumbnail_url" not in embed
    embed = (await client.get("/oembed", params=query | {"maxwidth": "1200"})).json()
    assert (embed["width"], embed["thumbnail_width"], embed["thumbnail_height"]) == (600, 1200, 630)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"url": "https://elsewhere.example/posts/on-engines"}, 404),
        ({"url": f"{ORIGIN}.evil.example/posts/on-engines"}, 404),
        ({"url": "http://evil@127.0.0.1:8000/posts/on-engines"}, 404),
        ({"url": f"{ORIGIN}/tags/maths"}, 404),
        ({"url": f"{ORIGIN}/posts/nothing"}, 404),
        ({"url": f"{ORIGIN}/posts/a-draft"}, 404),
        ({"url": "/posts/on-engines"}, 404),
        ({"url": "http://["}, 404),
        ({"url": f"{ORIGIN}/posts/on-engines", "format": "yaml"}, 501),
        ({"url": f"{ORIGIN}/posts/on-engines", "maxwidth": "wide"}, 422),
        ({}, 422),
    ],
)
async def test_oembed_of_other_urls_is_an_error(
    client: httpx2.AsyncClient, write: Write, sign_in: SignIn, query: dict[str, str], status: int
) -> None:
    await write("On engines", tags=["maths"])
    await write("A draft", status="draft")
    for headers in ({}, await sign_in("eve", Role.EDITOR)):
        assert (await client.get("/oembed", params=query, headers=headers)).status_code == status


async def test_posts_link_to_their_oembed_data(client: httpx2.AsyncClient, write: Write) -> None:
    await write("日本", slug="日本")
    page = (await client.get(f"/posts/{quote('日本')}")).text
    found = dict(re.findall(r'<link rel="alternate" type="([^"]+\+oembed)" title="日本" href="([^"]+)">', page))
    assert found.keys() == {"application/json+oembed", "text/xml+oembed"}
    for media_type, address in found.items():
        answer = await client.get(unescape(address))
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, media_type.replace("+oembed", ""))


async def test_structured_data_cannot_end_its_script_element(client: httpx2.AsyncClient, ctx: Context, write: Write) -> None:
    post = await write("On engines")
    odd = f"</ScRiPt><!-- <script> \u2028 ' & {nul(ctx)}"
    await ctx.db.execute(tables.posts.update().where(tables.posts.c.id == post.id).values(title=odd, excerpt=odd))
    page = (await client.get("/posts/on-engines")).text
    assert structured(page)["headline"] == odd
    assert not re.search(r"<(?!/script>)", re.findall(r"ld\+json\">(.*?</script>)", page, re.DOTALL)[0])


def test_structured_data_passes_the_content_security_policy(tmp_path: Path, browser: Browser) -> None:
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    token = blog(tmp_path, "token", "create", "ada").stdout.strip()
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with serving(tmp_path, port) as (process, _):
        wait_until_up(port, process)
        made = httpx.post(
            f"{address}/api/v1/posts", json={"title": HOSTILE, "content": "Text."}, headers={"Authorization": f"Bearer {token}"}
        )
        page = browser.new_page()
        messages: list[str] = []
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.add_init_script("addEventListener('securitypolicyviolation', event => console.log(event.violatedDirective))")
        for path, kind in (("/", "@graph"), (f"/posts/{made.json()['slug']}", "headline")):
            page.goto(address + path)
            text = page.locator("script[type='application/ld+json']").text_content() or ""
            assert kind in json.loads(text)
        assert json.loads(text)["headline"] == HOSTILE
        assert messages == []
        page.evaluate("document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))")
        assert any("script-src" in line for line in messages), "violations are reported"
