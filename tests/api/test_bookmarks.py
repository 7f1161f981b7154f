"""Bookmark cards in the JSON API: a page of another site is read once, and its image becomes an upload."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from blog.api import bookmarks
from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import sessions
from blog.domain.core.context import Context
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings
from blog.text.markdown import render
from tests.conftest import ORIGIN, Bearer, running
from tests.delivery.test_http_client import reply, serving
from tests.support.pictures import png

pytestmark = pytest.mark.sqlite
URL = "/api/v1/bookmarks"
HTML = "Content-Type: text/html; charset=utf-8"
IMAGE = reply("Content-Type: image/png", png(30, 20))
SLOW = b""
"""Stands for a response that never comes."""


@pytest.fixture
def closed_settings(settings: Settings) -> Settings:
    """Return the settings with the default for outgoing requests."""
    return settings.model_copy(update={"outgoing_allow_private": False})


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings with which the blog may read the sites of these tests."""
    return settings.model_copy(update={"outgoing_allow_private": True})


@pytest.fixture
async def ada(bearer: Bearer) -> dict[str, str]:
    return await bearer("ada", scopes=[Scope.POSTS_WRITE, Scope.MEDIA_WRITE])


@contextlib.asynccontextmanager
async def another_site(pages: Mapping[str, bytes]) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve the responses by path. Yield the address of the site and the paths of its requests."""
    paths: list[str] = []

    async def respond(head: str, writer: asyncio.StreamWriter) -> None:
        paths.append(head.split()[1])
        if (response := pages[paths[-1]]) is SLOW:
            await asyncio.sleep(30)
        writer.write(response)

    async with serving(respond) as (port, _):
        yield f"http://127.0.0.1:{port}", paths


def page(head: str) -> bytes:
    return reply(HTML, f"<!DOCTYPE html><html><head>{head}</head><body>Text</body></html>".encode())


async def send(client: httpx2.AsyncClient, headers: dict[str, str], url: str) -> httpx2.Response:
    return await client.post(URL, json={"url": url}, headers=headers)


async def refusal(client: httpx2.AsyncClient, headers: dict[str, str], url: str) -> tuple[int, str]:
    response = await send(client, headers, url)
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["detail"]


async def uploads(ctx: Context) -> list[Any]:
    return await ctx.db.fetch_all(sa.select(tables.media))


async def test_page_becomes_a_card_with_an_uploaded_image(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    meta = '<meta property="og:title" content="The loom"><meta property="og:image" content="/img/the%20loom.png">'
    pages = {"/loom": page(f'{meta}<meta name="description" content="How it works.">'), "/img/the%20loom.png": IMAGE}
    async with another_site(pages) as (base, paths):
        made = (await send(client, ada, f"{base}/loom")).json()

    [stored] = await uploads(ctx)
    path = f"/media/{stored['name']}"
    assert made == {
        "markdown": f"> [!BOOKMARK]\n> [The loom]({base}/loom)\n>\n> How it works.\n>\n> ![]({path})",
        "title": "The loom",
        "description": "How it works.",
        "url": f"{base}/loom",
        "image": ORIGIN + path,
    }
    assert paths == ["/loom", "/img/the%20loom.png"], "each address is requested once"
    assert (stored["file_name"], stored["alt"], stored["width"]) == ("the loom.png", "", 30)
    assert (await client.get(path)).status_code == 200
    assert f'<img src="{path}"' in render(made["markdown"])


async def test_session_of_the_editor_makes_cards_and_foreign_pages_do_not(
    client: httpx2.AsyncClient, ctx: Context, author: Context
) -> None:
    cookie = {"Cookie": f"session={await sessions.start(ctx, author.require_actor(), 'a browser')}"}
    async with another_site({"/": page("<title>Looms</title>")}) as (base, paths):
        assert (await send(client, {**cookie, "Origin": "https://evil.example"}, base)).status_code == 403
        assert paths == []
        assert (await send(client, {**cookie, "Origin": ORIGIN}, base)).json()["title"] == "Looms"


async def test_request_with_a_key_is_repeated_without_reading_the_page_again(
    client: httpx2.AsyncClient, ada: dict[str, str]
) -> None:
    async with another_site({"/": page("<title>Looms</title>")}) as (base, paths):
        first = await send(client, {**ada, "Idempotency-Key": "a"}, base)
        second = await send(client, {**ada, "Idempotency-Key": "a"}, base)
    assert (second.json(), second.headers["idempotency-replayed"]) == (first.json(), "true")
    assert paths == ["/"]


async def test_redirects_are_followed_three_times(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    pages = {f"/{number}": reply(f"Location: /{number + 1}", status="302 Found") for number in range(4)}
    end = '<title>The end</title><meta property="og:image" content="i.png">'
    async with another_site({**pages, "/4": page(end), "/i.png": IMAGE}) as (base, paths):
        made = (await send(client, ada, f"{base}/1")).json()
        assert (made["title"], made["url"], made["image"] is not None) == ("The end", f"{base}/1", True)
        assert paths == ["/1", "/2", "/3", "/4", "/i.png"]
        assert await refusal(client, ada, f"{base}/0") == (502, "The address redirects more than 3 times.")


async def test_private_addresses_are_refused(closed_settings: Settings, ada: dict[str, str]) -> None:
    async with (
        another_site({"/": page("<title>Secret</title>")}) as (base, paths),
        running(create_app(closed_settings)) as client,
    ):
        for url in ("http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://localhost/", "http://[::1]/"):
            assert await refusal(client, ada, url) == (502, "The address is not on the public Internet.")
        assert await refusal(client, ada, base) == (502, "The address has a port other than 80 and 443.")
    assert paths == []


@pytest.mark.parametrize(
    "url", ["", "loom", "ftp://example.org/", "file:///etc/passwd", "http://a:b@example.org/", "http://" + "a" * 2000]
)
async def test_other_texts_than_addresses_are_invalid(client: httpx2.AsyncClient, ada: dict[str, str], url: str) -> None:
    response = await send(client, ada, url)
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", "url"]


@pytest.mark.parametrize(
    ("response", "status", "detail"),
    [
        (
            reply("Content-Type: text/html", b"<title>No</title>", "404 Not Found"),
            502,
            "The server of the page returned status 404.",
        ),
        (reply("Content-Type: application/pdf", b"%PDF"), 502, "The address has the wrong type of content. Expected: text/html."),
        (b"SSH-2.0-OpenSSH\r\n", 502, "The server could not be reached, or its response is invalid."),
        (SLOW, 504, "The server did not respond completely within 0.3 seconds."),
    ],
)
async def test_reason_is_given_if_a_page_cannot_be_read(
    client: httpx2.AsyncClient, ada: dict[str, str], monkeypatch: pytest.MonkeyPatch, response: bytes, status: int, detail: str
) -> None:
    monkeypatch.setattr(bookmarks, "PAGE", replace(bookmarks.PAGE, timeout=0.3))
    async with another_site({"/": response}) as (base, _):
        assert await refusal(client, ada, base) == (status, detail)


async def test_first_megabyte_of_a_page_is_read(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    bomb = gzip.compress(b"<title>Looms</title>" + b" " * 50_000_000 + b'<meta property="og:title" content="Too late">')
    async with another_site({"/": reply(f"{HTML}\r\nContent-Encoding: gzip", bomb)}) as (base, _):
        assert (await send(client, ada, base)).json()["title"] == "Looms"


async def test_page_without_metadata_is_called_by_its_host(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    async with another_site({"/": page("")}) as (base, _):
        made = (await send(client, ada, base)).json()
    assert made["markdown"] == f"> [!BOOKMARK]\n> [127.0.0.1]({base}/)"
    assert made["description"] == ""


async def test_hostile_metadata_stays_text(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    hostile = "](javascript:alert(1))\n> <script>alert(1)</script> [x".replace("<", "&lt;")
    meta = f'<meta property="og:title" content="{hostile}"><meta property="og:description" content="{hostile}">'
    async with another_site({"/": page(meta + '<meta property="og:image" content="javascript:alert(1)">')}) as (base, _):
        made = (await send(client, ada, base)).json()
    html = render(made["markdown"])
    assert html.count("<a ") == html.count("href=") == 1
    assert f'href="{base}/"' in html
    assert "<script" not in html
    assert made["title"] == made["description"] == "](javascript:alert(1)) > <script>alert(1)</script> [x"


@pytest.mark.parametrize(
    "image",
    [
        reply("Content-Type: image/png", b"", "404 Not Found"),
        reply("Content-Type: text/html", b"<p>Sign in"),
        reply("Content-Type: image/png", b"\x89PNG\r\n\x1a\nbroken"),
        reply("Content-Type: image/png", b"%PDF-1.7 a document"),
        reply("Content-Type: image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        reply("Content-Type: image/png", png(30, 20) + b"0" * 5_000_000),
        reply("Location: ftp://127.0.0.1/", status="302 Found"),
        SLOW,
    ],
    ids=["missing", "HTML", "broken", "PDF", "SVG", "too large", "redirect", "slow"],
)
async def test_card_has_no_image_if_it_fails(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], monkeypatch: pytest.MonkeyPatch, image: bytes
) -> None:
    monkeypatch.setattr(bookmarks, "IMAGE", replace(bookmarks.IMAGE, timeout=0.5))
    pages = {"/": page('<title>Looms</title><meta property="og:image" content="/i.png">'), "/i.png": image}
    async with another_site(pages) as (base, paths):
        made = (await send(client, ada, base)).json()
    assert (made["title"], made["image"], paths) == ("Looms", None, ["/", "/i.png"])
    assert "![]" not in made["markdown"]
    assert await uploads(ctx) == []


async def test_image_is_not_requested_from_a_private_address_or_without_the_scope(
    client: httpx2.AsyncClient, ctx: Context, bearer: Bearer
) -> None:
    pages = {"/": page('<title>Looms</title><meta property="og:image" content="/i.png">'), "/i.png": IMAGE}
    async with another_site(pages) as (base, paths):
        narrow = await bearer("eve", scopes=[Scope.POSTS_WRITE])
        assert (await send(client, narrow, base)).json()["image"] is None
        assert paths == ["/"]
        reader = await bearer("rob", Role.READER, scopes=[Scope.POSTS_WRITE])
        assert (await send(client, reader, base)).status_code == 403
        assert paths == ["/"]
    assert await uploads(ctx) == []


async def test_card_counts_as_several_requests(settings: Settings, ada: dict[str, str]) -> None:
    limited = create_app(settings.model_copy(update={"rate_limit": "20/minute"}))
    async with another_site({"/": page("<title>Looms</title>")}) as (base, paths), running(limited) as client:
        statuses = [(await send(client, ada, base)).status_code for _ in range(3)]
        last = await send(client, ada, base)
    assert (statuses, last.status_code, len(paths)) == ([200, 200, 429], 429, 2)
    assert "retry-after" in last.headers
