"""Social cards: images that other sites show with a link to a post."""

import asyncio
import datetime as dt
import io
import threading
from typing import Any

import httpx2
import pytest
from PIL import Image

from blog.app import Application
from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.media import social_cards, text_layout
from blog.domain.media.social_cards import LruByteCache, SocialCard
from blog.domain.media.text_layout import layout_text
from blog.domain.posts import posts
from blog.schemas.accounts import Role
from blog.schemas.posts import PostChanges, PostStatus
from tests.web.conftest import SignIn, Write
from tests.web.test_pages import opened

WIDE: dict[str, Any] = {"width": 1008, "sizes": (84, 72, 62, 54), "height": 330}


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(social_cards, "cache", LruByteCache(1_000_000))


@pytest.fixture
def no_system_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove all system fonts."""
    monkeypatch.setattr(text_layout, "_FONTS", ("",))


def opened_card(answer: httpx2.Response) -> Image.Image:
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.size) == ("PNG", (1200, 630))
    return image.convert("RGB")


def inked(image: Image.Image, box: tuple[int, int, int, int]) -> int:
    """Return the number of pixels of the box that are darker than the background."""
    return sum(image.crop(box).convert("L").histogram()[:128])


async def test_card_shows_title_blog_and_facts(client: httpx2.AsyncClient, write: Write) -> None:
    await write("On engines")
    answer = await client.get("/posts/on-engines/card.png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    image = opened_card(answer)
    assert image.getpixel((10, 300)) == (0x17, 0x61, 0x4B), "the colour of the blog"
    for box in ((96, 60, 600, 120), (96, 140, 1100, 260), (96, 520, 1100, 600)):
        assert inked(image, box) > 100
    assert inked(image, (96, 280, 1100, 480)) == 0, "one line of title"


async def test_versioned_url_is_immutable(client: httpx2.AsyncClient, write: Write) -> None:
    await write("On engines")
    plain = await client.get("/posts/on-engines/card.png")
    assert plain.headers["cache-control"] == "public, max-age=300"
    tag = plain.headers["etag"]
    exact = await client.get(f"/posts/on-engines/card.png?v={tag.strip(chr(34))}")
    assert exact.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert exact.content == plain.content
    assert (await client.get("/posts/on-engines/card.png?v=old")).headers["cache-control"] == "public, max-age=300"
    again = await client.get("/posts/on-engines/card.png", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.head("/posts/on-engines/card.png")).headers["etag"] == tag


async def test_card_changes_only_with_its_content(client: httpx2.AsyncClient, author: Context, write: Write) -> None:
    post = await write("On engines")

    async def tag() -> str:
        return (await client.get("/posts/on-engines/card.png")).headers["etag"]

    first = await tag()
    await posts.edit(author, post.id, PostChanges(content="Other text.", tags=["maths"]))
    assert await tag() == first
    await posts.edit(author, post.id, PostChanges(title="On looms"))
    assert await tag() != first


async def test_card_has_the_title_and_colour_of_the_site_settings(app: Application, ctx: Context, write: Write) -> None:
    await write("On engines")
    async with opened(app) as (client, services):
        first = await client.get("/posts/on-engines/card.png")
        for name, value in {"title": "Tea", "accent": "#aa0000"}.items():
            await ctx.db.execute(
                tables.site_preferences.insert().values(name=name, value=value, user_id=None, updated_at=ctx.now)
            )
        await services.site.runtime_settings.refresh(services.site.db)
        second = await client.get("/posts/on-engines/card.png")
    assert first.headers["etag"] != second.headers["etag"]
    assert opened_card(second).getpixel((10, 300)) == (0xAA, 0, 0)


async def test_only_published_posts_have_cards(
    client: httpx2.AsyncClient, author: Context, write: Write, sign_in: SignIn
) -> None:
    await write("A draft", status="draft")
    await write("Tomorrow", status="scheduled", publish_at=author.now + dt.timedelta(days=1))
    gone = await write("Deleted")
    hidden = await write("Hidden")
    assert (await client.get("/posts/hidden/card.png")).status_code == 200
    await posts.delete(author, gone.id)
    await posts.edit(author, hidden.id, PostChanges(status=PostStatus.DRAFT))
    for headers in ({}, await sign_in("eve", Role.EDITOR)):
        for slug in ("a-draft", "tomorrow", "deleted", "hidden", "nothing"):
            assert (await client.get(f"/posts/{slug}/card.png", headers=headers)).status_code == 404


async def test_old_slug_redirects_to_the_card_of_the_current_slug(
    client: httpx2.AsyncClient, author: Context, write: Write
) -> None:
    post = await write("On engines")
    await posts.edit(author, post.id, PostChanges(slug="on-looms"))
    answer = await client.get("/posts/on-engines/card.png?v=1")
    assert (answer.status_code, answer.headers["location"]) == (301, "/posts/on-looms/card.png")


async def test_card_is_drawn_once_off_the_event_loop_a_few_at_a_time(
    client: httpx2.AsyncClient, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await write(f"Post {number}")
    drawn: list[str] = []
    at_once: list[int] = []
    threads: set[threading.Thread] = set()
    original, lock = social_cards._render_image, threading.Lock()

    def watched(card: SocialCard) -> Image.Image:
        with lock:
            at_once.append(len(at_once) - len(drawn) + 1)
            threads.add(threading.current_thread())
        image = original(card)
        with lock:
            drawn.append(card.title)
        return image

    monkeypatch.setattr(social_cards, "_render_image", watched)
    answers = await asyncio.gather(*(client.get(f"/posts/post-{number}/card.png") for number in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert sorted(drawn) == [f"Post {number}" for number in range(4)]
    assert threading.main_thread() not in threads
    assert max(at_once) <= 2
    again = await client.get("/posts/post-0/card.png")
    assert (again.content, len(drawn)) == (answers[0].content, 4)


def test_least_recently_used_card_is_evicted_first() -> None:
    kept = LruByteCache(10)
    kept.put("a", b"1234")
    kept.put("b", b"1234")
    assert kept.get("a") == b"1234"
    kept.put("c", b"12")
    kept.put("d", b"1")
    assert [kept.get(name) for name in "abcd"] == [b"1234", None, b"12", b"1"]
    assert kept.size == 7
    kept.put("a", b"1")
    assert kept.size == 4
    kept.put("e", b"12345678901")
    assert (kept.get("e"), kept.size) == (None, 0)


def test_title_is_as_large_as_possible_and_ends_in_an_ellipsis() -> None:
    short, long, endless = (
        layout_text("On engines", **WIDE),
        layout_text("On engines and looms " * 6, **WIDE),
        layout_text("On engines " * 40, **WIDE),
    )
    assert (short.size, short.lines) == (84, ["On engines"])
    assert 54 <= long.size < 84
    assert " ".join(long.lines) == ("On engines and looms " * 6).strip()
    assert endless.size == 54
    assert endless.lines[-1].endswith((" engines…", " On…")), "a whole word before it"
    for text in (short, long, endless):
        assert len(text.lines) * text.size * 1.2 <= 330
        assert all(text.font.getlength(line) <= 1008 for line in text.lines)


def test_too_long_word_is_broken() -> None:
    text = layout_text("x" * 200, **WIDE)
    assert len(text.lines) > 2
    assert all(text.font.getlength(line) <= 1008 for line in text.lines)


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Café – „Straße“", "Cafe - “Strasse“"),
        ("Łódź, Ærø", "Lodz, AEro"),
        ("A \U0001f389 party \U0001f468\u200d\U0001f469", "A party"),
        ("A\u0000\u202e title\ufffe", "A title"),
        ("100 ½ ﬁne", "100 1⁄2 ﬁne"),
    ],
)
def test_unsupported_characters_are_replaced(no_system_fonts: None, title: str, shown: str) -> None:
    assert layout_text(title, **WIDE).lines == [shown]


def test_few_unknown_characters_are_boxes(no_system_fonts: None) -> None:
    assert layout_text("The sign Ж in print", **WIDE).lines == ["The sign Ж in print"]


@pytest.mark.parametrize("title", ["日本語のタイトル", "Привет, мир", "\U0001f389\U0001f389", "\u0000"])
def test_card_without_a_readable_title_shows_the_name_of_the_blog(no_system_fonts: None, title: str) -> None:
    assert layout_text(title, **WIDE).lines == []
    facts = {"authors": "日本太郎", "date": "22 November 2026"}
    drawn = social_cards.render(SocialCard(title, "Field Notes", **facts))
    assert drawn == social_cards.render(SocialCard("Привет, народ", "Field Notes", **facts)), "nothing of the title is left"
    image = Image.open(io.BytesIO(drawn))
    assert inked(image, (96, 140, 1100, 260)) > 1000
    assert inked(image, (96, 60, 600, 120)) == 0, "it does not stand there twice"
    assert inked(image, (96, 520, 1100, 600)) > 100, "the date"


def test_system_font_is_used_for_missing_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    if not text_layout._font_exists("DejaVuSans.ttf"):
        pytest.skip("this machine has no DejaVu Sans")
    assert layout_text("Café – Привет", **WIDE).lines == ["Café – Привет"]
    assert layout_text("Café", **WIDE).font.getname()[0] == "DejaVu Sans"
    assert layout_text("Cafe \U0001f9f6", **WIDE).font.getname()[0] == "Aileron"
