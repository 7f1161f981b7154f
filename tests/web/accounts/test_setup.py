"""The setup page: the owner's account, and the title, colour, language and time zone of the site."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser

from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from tests.conftest import ORIGIN, PASSWORD
from tests.support.axe import violations_in_both_schemes
from tests.support.serving import free_port, serving, wait_for_line, wait_until_up

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
ACCOUNT = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
IDENTITY = {
    "title": "Räder & Webstühle", "description": "Über Maschinen.", "accent": "#1f5fa8", "language": "de", "language_tag": "",
    "time_zone": "Europe/Berlin",
}  # fmt: skip


async def submit(client: httpx2.AsyncClient, ctx: Context, **typed: str) -> httpx2.Response:
    """Send the form of the setup page with these values."""
    return await client.post(f"/setup/{accounts.setup_link(ctx)}", data=ACCOUNT | IDENTITY | typed, headers=OWN)


async def test_setup_names_the_site_and_opens_the_dashboard(client: httpx2.AsyncClient, ctx: Context) -> None:
    answer = await submit(client, ctx)
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
    home = (await client.get("/")).text
    assert "<title>Räder &amp; Webstühle</title>" in home
    assert '<meta name="description" content="Über Maschinen.">' in home
    assert '<html lang="de">' in home
    assert '<link rel="stylesheet" href="/theme.css?v=' in home
    assert '<html lang="en">' in (await client.get("/dashboard")).text, "its labels are English"
    form = (await client.get("/admin/site")).text
    assert '<option value="de" lang="de" selected>Deutsch</option>' in form
    assert '<option value="Europe/Berlin" selected>Berlin</option>' in form
    assert 'name="accent" type="color" value="#1f5fa8"' in (await client.get("/admin/appearance")).text


async def test_owner_gets_a_draft_that_explains_markdown(client: httpx2.AsyncClient, ctx: Context) -> None:
    await submit(client, ctx)
    assert ">How to write a post</a>" in (await client.get("/dashboard")).text
    page = (await client.get("/posts/how-to-write-a-post")).text
    assert "Only you and editors can see this." in page
    assert "<mark>a highlight</mark>" in page
    assert re.search(r'<article class="post" id="post-\d+" lang="en">', page), "the blog is in German, the draft in English"
    assert "Write your first post</a>" in (await client.get("/dashboard")).text, "the draft is no post of the owner"
    client.cookies.clear()
    assert (await client.get("/posts/how-to-write-a-post")).status_code == 404


async def test_account_alone_is_enough(client: httpx2.AsyncClient, ctx: Context) -> None:
    answer = await client.post(f"/setup/{accounts.setup_link(ctx)}", data=ACCOUNT, headers=OWN)
    assert answer.status_code == 303
    home = (await client.get("/")).text
    assert '<html lang="en">' in home
    assert "<title>Field Notes</title>" in home
    assert "Choose a title, a colour and the navigation</a>" in (await client.get("/dashboard")).text, "still to be done"


async def test_language_and_time_zone_alone_are_no_look(client: httpx2.AsyncClient, ctx: Context) -> None:
    await submit(client, ctx, title="", description="", accent="#17614b")
    assert "Choose a title, a colour and the navigation</a>" in (await client.get("/dashboard")).text


async def test_language_outside_the_list(client: httpx2.AsyncClient, ctx: Context) -> None:
    assert (await submit(client, ctx, language="", language_tag="GSW_ch")).status_code == 303
    assert '<html lang="gsw-CH">' in (await client.get("/")).text
    form = (await client.get("/admin/site")).text
    assert 'name="language_tag" type="text" value="gsw-CH"' in form
    assert '<option value="" selected>Another language</option>' in form


@pytest.mark.parametrize(
    ("typed", "field", "message"),
    [
        ({"title": "x" * 101}, "title", "Use at most 100 characters"),
        ({"description": "x" * 301}, "description", "Use at most 300 characters"),
        ({"accent": "blue"}, "accent", "Not a hex colour."),
        ({"language": "", "language_tag": "english"}, "language_tag", "Not a language tag. Enter one such as gsw"),
        ({"language": "", "language_tag": ""}, "language_tag", "Enter the language tag, such as gsw"),
        ({"language": "de", "language_tag": "gsw"}, "language_tag", "To use this tag, choose “Another language”"),
        ({"language": "german"}, "language", "Not a language tag."),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "Not a time zone. Choose one from the list"),
        ({"time_zone": "localtime"}, "time_zone", "Not a time zone."),
    ],
)
async def test_invalid_values_have_messages_and_lose_nothing(
    client: httpx2.AsyncClient, ctx: Context, typed: dict[str, str], field: str, message: str
) -> None:
    sent: dict[str, Any] = {"title": "My blog", "description": "All of it."} | typed
    answer = await submit(client, ctx, username="a", **sent)
    assert answer.status_code == 422
    assert f'id="error-{field}">{message}' in answer.text
    assert 'id="error-username">Use at least 3 characters' in answer.text, "all messages at once"
    assert f'<a href="#field-{field}">' in answer.text
    assert re.search(rf'\sid="field-{field}"', answer.text), "the link of the summary has a target"
    for name in ("title", "description", "language_tag"):
        assert f'value="{sent.get(name, "")}"' in answer.text, name
    assert await accounts.first_owner(ctx) is None
    page = (await client.get("/")).text
    assert "<title>Field Notes</title>" in page


async def test_feeds_and_posts_name_the_language(client: httpx2.AsyncClient, ctx: Context) -> None:
    await submit(client, ctx)
    for title, language in (("Eins", ""), ("One", "en")):
        sent = {"title": title, "content": "Text.", "language": language, "status": "published"}
        assert (await client.post("/write", data=sent, headers=OWN)).status_code == 303
    assert '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de">' in (await client.get("/feed.atom")).text
    assert "<language>de</language>" in (await client.get("/feed.rss")).text
    assert (await client.get("/feed.json")).json()["language"] == "de"
    german, english = [(await client.get(f"/posts/{slug}")).text for slug in ("eins", "one")]
    for page, language in ((german, "de"), (english, "en")):
        assert re.search(rf'<article class="post" id="post-\d+" lang="{language}">', page)
        assert re.search(r'<div class="post-meta"( lang="en")?>', page)
    for page, language in ((german, "de"), (english, "en"), ((await client.get("/")).text, "de")):
        assert f'"inLanguage": "{language}"' in page
    assert '<div class="post-meta" lang="en">' in german, "its words are English"


def test_setup_page_is_accessible_and_chooses_the_zone_of_the_browser(tmp_path: Path, browser: Browser) -> None:
    port = free_port()
    with serving(tmp_path, port) as (server, log):
        link = wait_for_line(log, server, r"(http://127\.0\.0\.1:\d+/setup/\S+)")
        wait_until_up(port, server)
        for width in (360, 1440):
            profile = browser.new_context(viewport={"width": width, "height": 800}, timezone_id="Asia/Tokyo")
            page = profile.new_page()
            page.goto(link)
            assert violations_in_both_schemes(page) == {}
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator("[name=time_zone]").input_value() == "Asia/Tokyo"
        without = browser.new_context(java_script_enabled=False).new_page()
        without.goto(link)
        assert without.locator("[name=time_zone]").input_value() == "UTC"
        without.locator("[name=username]").fill("ada")
        without.locator("[name=email]").fill("ada@example.org")
        without.locator("[name=password]").fill(PASSWORD)
        without.get_by_label("Blue").check()
        without.get_by_role("button", name="Create blog").press("Enter")
        without.get_by_role("heading", name="First steps").wait_for()
