"""Light and dark themes."""

import re

import httpx2
import pytest

from blog.app import create_app
from blog.settings import Settings
from tests.conftest import ORIGIN, running
from tests.web.conftest import Write

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


async def choose(client: httpx2.AsyncClient, theme: str, **more: str) -> httpx2.Response:
    return await client.post("/theme", data={"theme": theme, **more}, headers=OWN)


async def test_theme_choice_is_stored_and_returns_to_the_page(client: httpx2.AsyncClient, write: Write) -> None:
    await write("On engines")
    page = (await client.get("/search?q=a+%26b")).text
    back = re.findall(r'<input type="hidden" name="next" value="([^"]*)">', page)[0].replace("&amp;", "&")
    answer = await choose(client, "dark", next=back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/search?q=a+%26b")
    cookie = answer.headers["set-cookie"].lower()
    assert "theme=dark;" in cookie
    assert "max-age=31536000" in cookie
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    for path in ("/", "/posts/on-engines", "/login", "/nowhere"):
        page = (await client.get(path)).text
        assert '<html lang="en" data-theme="dark">' in page
        assert '<meta name="color-scheme" content="dark">' in page
        assert re.findall(r'<meta name="theme-color" content="([^"]+)" media="all">', page) == ["#16191b"]
        assert re.findall(r'value="(\w+)" aria-pressed="true"', page) == ["dark"]


async def test_theme_auto_removes_the_choice(client: httpx2.AsyncClient) -> None:
    await choose(client, "light")
    assert 'data-theme="light"' in (await client.get("/")).text
    await choose(client, "auto")
    assert "theme" not in client.cookies
    page = (await client.get("/")).text
    assert "data-theme" not in page
    assert '<meta name="color-scheme" content="light dark">' in page
    assert page.count('media="(prefers-color-scheme: ') == 2
    assert re.findall(r'value="(\w+)" aria-pressed="true"', page) == ["auto"]


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""])
async def test_theme_choice_never_redirects_to_another_site(client: httpx2.AsyncClient, elsewhere: str) -> None:
    assert (await choose(client, "dark", next=elsewhere)).headers["location"] == "/"


async def test_invalid_themes_are_refused_or_ignored(client: httpx2.AsyncClient) -> None:
    refused = await choose(client, "pink")
    assert refused.status_code == 422
    assert "set-cookie" not in refused.headers
    page = (await client.get("/", headers={"Cookie": 'theme="><script>'})).text
    assert "data-theme" not in page
    assert "<script>" not in page


async def test_cross_site_theme_choice_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/theme", data={"theme": "dark"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_cookie_is_secure_under_tls(settings: Settings) -> None:
    async with running(create_app(settings.model_copy(update={"public_url": "https://blog.example.org"}))) as client:
        answer = await client.post("/theme", data={"theme": "dark"})
        assert 'data-theme="dark"' in (await client.get("/", headers={"Cookie": "__Host-theme=dark"})).text
    assert answer.headers["set-cookie"].startswith("__Host-theme=dark;")
    assert "secure" in answer.headers["set-cookie"].lower()
