"""Feeds: three formats, four kinds, and conditional requests."""

import datetime as dt
import re
from collections.abc import Awaitable
from dataclasses import replace
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import feedparser
import httpx2
import pytest
from lxml import etree

from blog.db import tables
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import PostChanges, PostStatus
from blog.web.discovery.feed_formats import strip_invalid_xml
from tests.conftest import ORIGIN, MakeUser
from tests.support.stored import nul
from tests.web.conftest import SignIn, Write
from tests.web.discovery.xml_rules import ATOM, assert_valid_atom

FORMATS = {"atom": "application/atom+xml", "rss": "application/rss+xml", "json": "application/feed+json"}
HOSTILE = "]]> </script><script>alert(1)</script> & \"'<!--"


def parsed(answer: httpx2.Response) -> Any:
    feed = feedparser.parse(answer.content, sanitize_html=False, resolve_relative_uris=False)
    assert not feed.bozo, feed.get("bozo_exception")
    return feed


def kind(answer: httpx2.Response) -> str:
    return answer.headers["content-type"].removesuffix("; charset=utf-8")


def titles(answer: httpx2.Response) -> list[str]:
    if kind(answer) == FORMATS["json"]:
        return [item["title"] for item in answer.json()["items"]]
    return [entry.title for entry in parsed(answer).entries]


@pytest.mark.parametrize(("name", "media_type"), FORMATS.items())
async def test_each_format_contains_the_whole_post(client: httpx2.AsyncClient, write: Write, name: str, media_type: str) -> None:
    post = await write("On engines", "It *weaves*: ![loom](/media/loom.png)", tags=["maths", "looms"], age=3)
    published_at = post.published_at
    assert published_at is not None
    answer = await client.get(f"/feed.{name}")
    assert (answer.status_code, kind(answer)) == (200, media_type)
    html = f'<p>It <em>weaves</em>: <img src="{ORIGIN}/media/loom.png"'
    if name == "json":
        feed = answer.json()
        assert (feed["version"], feed["title"]) == ("https://jsonfeed.org/version/1.1", "Field Notes")
        assert (feed["home_page_url"], feed["feed_url"]) == (f"{ORIGIN}/", f"{ORIGIN}/feed.json")
        [item] = feed["items"]
        assert (item["title"], item["url"], item["summary"]) == ("On engines", f"{ORIGIN}/posts/on-engines", "It weaves:")
        assert (item["authors"], item["tags"]) == ([{"name": "ada", "url": f"{ORIGIN}/authors/ada"}], ["maths", "looms"])
        assert item["content_html"].startswith(html)
        assert dt.datetime.fromisoformat(item["date_published"]) == published_at.replace(microsecond=0)
        return
    feed = parsed(answer)
    assert (feed.feed.title, feed.feed.link) == ("Field Notes", f"{ORIGIN}/")
    assert [link.href for link in feed.feed.links if link.rel == "self"] == [f"{ORIGIN}/feed.{name}"]
    [entry] = feed.entries
    assert (entry.title, entry.link, entry.author) == ("On engines", f"{ORIGIN}/posts/on-engines", "ada")
    assert [tag.term for tag in entry.tags] == ["maths", "looms"]
    assert "".join(part.value for part in entry.content).startswith(html)
    assert entry.published_parsed[:6] == published_at.timetuple()[:6]
    assert entry.updated_parsed[:6] == post.updated_at.timetuple()[:6]


@pytest.mark.parametrize("name", FORMATS)
async def test_feed_has_the_newest_twenty(client: httpx2.AsyncClient, write: Write, name: str) -> None:
    for number in range(22):
        await write(f"Post {number}", age=number)
    assert titles(await client.get(f"/feed.{name}")) == [f"Post {number}" for number in range(20)]


@pytest.mark.parametrize("name", FORMATS)
async def test_feeds_of_a_tag_an_author_and_a_search_contain_only_their_posts(
    client: httpx2.AsyncClient, ctx: Context, write: Write, make_user: MakeUser, author: Context, name: str
) -> None:
    await write("On engines", "steam", tags=["Maths"])
    other = await write("On looms", "thread", tags=["craft"], age=1)
    grace = await make_user("grace")
    await ctx.db.execute(tables.post_authors.insert().values(post_id=other.id, user_id=grace.id, position=1))
    assert titles(await client.get(f"/tags/maths/feed.{name}")) == ["On engines"]
    assert titles(await client.get(f"/authors/Grace/feed.{name}")) == ["On looms"]
    assert titles(await client.get(f"/authors/ada/feed.{name}")) == ["On engines", "On looms"]
    assert titles(await client.get(f"/search/feed.{name}?q=thread")) == ["On looms"]
    assert titles(await client.get(f"/search/feed.{name}?q=nothing")) == []


async def test_feed_title_and_links(client: httpx2.AsyncClient, write: Write) -> None:
    await write("On engines", "steam", tags=["Maths"])
    found = {path: parsed(await client.get(path)).feed for path in ("/tags/maths/feed.atom", "/search/feed.atom?q=steam+on")}
    tag, search = found.values()
    assert (tag.title, tag.link, tag.id) == ("Posts tagged Maths · Field Notes", f"{ORIGIN}/tags/Maths", f"{ORIGIN}/tags/Maths")
    assert [link.href for link in tag.links if link.rel == "self"] == [f"{ORIGIN}/tags/Maths/feed.atom"]
    assert (search.title, search.link) == ("Posts with “steam on” · Field Notes", f"{ORIGIN}/search?q=steam+on")
    assert [link.href for link in search.links if link.rel == "self"] == [f"{ORIGIN}/search/feed.atom?q=steam+on"]


async def test_tags_with_slashes_have_feeds_and_keep_their_pages(client: httpx2.AsyncClient, write: Write) -> None:
    await write("Of a", tags=["a"])
    await write("Of c", tags=["c#/c++"], age=1)
    await write("Of a feed", tags=["a/feed.atom"], age=2)
    assert titles(await client.get("/tags/c%23%2Fc%2B%2B/feed.rss")) == ["Of c"]
    assert titles(await client.get("/tags/a/feed.atom")) == ["Of a"]
    assert titles(await client.get("/tags/a%2Ffeed.atom/feed.atom")) == ["Of a feed"]
    page = await client.get("/tags/a%2Ffeed.atom")
    assert page.headers["content-type"].startswith("text/html")
    assert "Of a feed" in page.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/feed.xml", 404),
        ("/tags/nothing/feed.atom", 404),
        ("/authors/nobody/feed.rss", 404),
        ("/search/feed.atom", 422),
        ("/search/feed.json?q=%20", 422),
        (f"/search/feed.json?q={'a' * 201}", 422),
    ],
)
async def test_missing_feeds_are_error_pages(client: httpx2.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("name", FORMATS)
async def test_only_published_posts_are_listed(
    client: httpx2.AsyncClient, author: Context, write: Write, sign_in: SignIn, name: str
) -> None:
    await write("A draft", status="draft", tags=["maths"])
    await write("Tomorrow", status="scheduled", publish_at=author.now + dt.timedelta(days=1), tags=["maths"])
    gone = await write("Deleted", tags=["maths"])
    await posts.delete(author, gone.id)
    await write("On engines", tags=["maths"])
    eve = await sign_in("eve", Role.EDITOR)
    for path in ("/feed", "/tags/maths/feed", "/authors/ada/feed"):
        assert titles(await client.get(f"{path}.{name}", headers=eve)) == ["On engines"]
    assert titles(await client.get(f"/search/feed.{name}?q=text", headers=eve)) == ["On engines"]


@pytest.mark.parametrize("name", FORMATS)
async def test_id_of_a_post_is_independent_of_slug_and_title(
    client: httpx2.AsyncClient, author: Context, write: Write, name: str
) -> None:
    post = await write("On engines")
    before = await client.get(f"/feed.{name}")
    await posts.edit(author, post.id, PostChanges(title="On looms", slug="on-looms", content="Other text."))
    after = await client.get(f"/feed.{name}")
    assert titles(after) == ["On looms"]
    expected = f"tag:127.0.0.1,{post.created_at:%Y-%m-%d}:post/{post.id}"
    if name == "json":
        assert before.json()["items"][0]["id"] == after.json()["items"][0]["id"] == expected
    else:
        assert parsed(before).entries[0].id == parsed(after).entries[0].id == expected
    if name == "rss":
        assert etree.fromstring(after.content).find("channel/item/guid").get("isPermaLink") == "false"


async def test_all_authors_are_listed_in_order(
    client: httpx2.AsyncClient, ctx: Context, write: Write, make_user: MakeUser
) -> None:
    post = await write("On engines")
    grace = await make_user("grace")
    await ctx.db.execute(tables.post_authors.insert().values(post_id=post.id, user_id=grace.id, position=1))
    atom = etree.fromstring((await client.get("/feed.atom")).content)
    assert [name.text for name in atom.iterfind(f"{ATOM}entry/{ATOM}author/{ATOM}name")] == ["ada", "grace"]
    rss = etree.fromstring((await client.get("/feed.rss")).content)
    assert [name.text for name in rss.iterfind("channel/item/{http://purl.org/dc/elements/1.1/}creator")] == ["ada", "grace"]
    assert [one["name"] for one in (await client.get("/feed.json")).json()["items"][0]["authors"]] == ["ada", "grace"]


@pytest.mark.parametrize("name", FORMATS)
async def test_hostile_titles_are_escaped(client: httpx2.AsyncClient, ctx: Context, write: Write, name: str) -> None:
    post = await write(HOSTILE, f"`{HOSTILE}`", tags=["</category>"])
    answer = await client.get(f"/feed.{name}")
    if name == "json":
        assert answer.json()["items"][0]["title"] == HOSTILE
    else:
        root = etree.fromstring(answer.content)
        assert HOSTILE in [element.text for element in root.iter() if element.tag.endswith("title")]
    # The form rejects control characters, but imported rows may contain them.
    odd = f"bell\x07 nul{nul(ctx)} escape\x1b\ufffe high\U0001f600 tab\t"
    await ctx.db.execute(tables.posts.update().where(tables.posts.c.id == post.id).values(title=odd, html=f"<p>{odd}</p>"))
    [title] = titles(await client.get(f"/feed.{name}"))
    assert title.rstrip() == "bell nul escape high\U0001f600 tab"


def test_invalid_xml_characters_are_removed() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x11000)])) + "\ud800\udfff"
    kept = strip_invalid_xml(every)
    assert {"\t", "\n", "\r", " ", "\x7f", "\ud7ff", "\ue000", "\ufffd", "\U00010000"} <= set(kept)
    element = etree.Element("a")
    element.text = kept  # raises ValueError for what XML cannot hold
    assert not {"\x00", "\x1f", "\ufffe", "\uffff", "\ud800"} & set(kept)


@pytest.mark.parametrize("path", ["/feed.atom", "/tags/maths/feed.rss", "/authors/ada/feed.json", "/search/feed.atom?q=text"])
async def test_conditional_requests(client: httpx2.AsyncClient, write: Write, path: str) -> None:
    post = await write("On engines", tags=["maths"], age=2)
    first = await client.get(path)
    tag, date = first.headers["etag"], first.headers["last-modified"]
    assert re.fullmatch(r'W/"[0-9a-f]{32}"', tag), "weak, because compressed responses have other bytes"
    assert first.headers["cache-control"] == "public, max-age=300"
    assert parsedate_to_datetime(date) >= post.updated_at.replace(microsecond=0)
    older = format_datetime(parsedate_to_datetime(date) - dt.timedelta(seconds=1), usegmt=True)
    for headers, status in [
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": f'"other", {tag.removeprefix("W/")}'}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": date}, 304),
        ({"If-Modified-Since": older}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Modified-Since": date, "If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": older, "If-None-Match": tag}, 304),
    ]:
        answer = await client.get(path, headers=headers)
        assert answer.status_code == status, headers
        assert (answer.headers["etag"], answer.headers["cache-control"]) == (tag, "public, max-age=300")
        assert (answer.content == b"") == (status == 304)
    head = await client.head(path)
    assert (head.status_code, head.headers["etag"], head.headers["last-modified"]) == (200, tag, date)


async def changed_by(client: httpx2.AsyncClient, change: Awaitable[Any]) -> tuple[bool, int]:
    before = await client.get("/feed.atom")
    await change
    after = await client.get("/feed.atom")
    again = await client.get("/feed.atom", headers={"If-Modified-Since": before.headers["last-modified"]})
    return before.headers["etag"] != after.headers["etag"], again.status_code


async def test_every_change_of_a_feed_changes_its_validators(
    client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write
) -> None:
    """Clients that compare only dates also notice changes, even if the newest post is deleted."""
    later = [replace(author, now=author.now + dt.timedelta(seconds=seconds)) for seconds in (10, 20, 30, 40)]
    await write("The oldest", age=2)
    post = await write("On engines", age=1)
    assert await changed_by(client, posts.edit(later[0], post.id, PostChanges(content="Other text."))) == (True, 200)
    draft = PostChanges(status=PostStatus.DRAFT)
    assert await changed_by(client, posts.edit(later[1], post.id, draft)) == (True, 200)
    assert await changed_by(client, posts.edit(later[2], post.id, PostChanges(status=PostStatus.PUBLISHED))) == (True, 200)
    assert await changed_by(client, posts.delete(later[3], post.id)) == (True, 200)
    users = tables.users.update().values(name="Ada L.", updated_at=ctx.now + dt.timedelta(seconds=50))
    assert await changed_by(client, ctx.db.execute(users)) == (True, 200)


async def test_comments_do_not_change_feeds(client: httpx2.AsyncClient, author: Context, write: Write) -> None:
    post = await write("On engines")
    assert (await changed_by(client, comments.create(author, post.id, NewComment(content="Well."))))[0] is False


async def test_feed_is_the_same_for_members_and_sets_no_cookie(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    await write("On engines")
    eve = await sign_in("eve", Role.EDITOR)
    # Half of the session has passed: the next response would renew the cookie.
    await ctx.db.execute(tables.sessions.update().values(last_seen_at=ctx.now - dt.timedelta(days=16)))
    known = await client.get("/feed.atom", headers=eve)
    assert known.content == (await client.get("/feed.atom")).content
    assert "set-cookie" not in known.headers
    await ctx.db.execute(tables.sessions.update().values(last_seen_at=ctx.now - dt.timedelta(days=16)))
    assert "set-cookie" in (await client.get("/", headers=eve)).headers, "other pages renew the cookie"


async def test_empty_blog_has_valid_feeds(client: httpx2.AsyncClient) -> None:
    assert [titles(await client.get(f"/feed.{name}")) for name in FORMATS] == [[], [], []]


async def test_atom_is_valid(client: httpx2.AsyncClient, write: Write) -> None:
    assert_valid_atom((await client.get("/feed.atom")).content)
    await write(HOSTILE, "A ![picture](b.png) and a note[^1].\n\n[^1]: It.", tags=["a & b", "c/d"])
    await write("Ohne Text", "![](b.png)", age=400)
    for path in ("/feed.atom", "/tags/a%20%26%20b/feed.atom", "/authors/ada/feed.atom", "/search/feed.atom?q=a+%26+%22b"):
        assert_valid_atom((await client.get(path)).content)


async def test_pages_link_to_their_feeds(client: httpx2.AsyncClient, write: Write) -> None:
    await write("On engines", tags=["c#/c++"])
    for path, feed in {
        "/": "/feed.{}",
        "/posts/on-engines": "/feed.{}",
        "/tags/c%23%2Fc%2B%2B": "/tags/c%23%2Fc%2B%2B/feed.{}",
        "/authors/ada": "/authors/ada/feed.{}",
        "/search?q=some%20text": "/search/feed.{}?q=some%20text",
    }.items():
        page = (await client.get(path)).text
        links = re.findall(r'<link rel="alternate" type="([^"]+)" title="[^"]+" href="([^"]+)">', page)
        expected = [(media_type, feed.format(name)) for name, media_type in FORMATS.items()]
        assert [link for link in links if "oembed" not in link[0]] == expected
        for media_type, address in expected:
            answer = await client.get(address)
            assert (kind(answer), titles(answer)) == (media_type, ["On engines"])
    assert "search/feed" not in (await client.get("/search")).text, "an empty search has no feed"
