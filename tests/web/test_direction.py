"""Text from right to left, and the bullets of lists."""

import re

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.schemas.accounts import AccountChanges, Role
from blog.schemas.comments import NewComment
from blog.text.markdown import render, render_comment
from tests.conftest import MakeUser
from tests.support.lines import ROOT
from tests.web.conftest import SignIn, Write

ARABIC, HEBREW = "مقدمة في المحركات", "מבוא למנועים"
STYLE_SHEETS = sorted((ROOT / "static/css").glob("*.css"))
PHYSICAL = re.compile(
    r"(?m)^\s*(?:(?:margin|padding|border)-(?:left|right)[\w-]*|left|right)\s*:|(?:text-align|float|clear): (?:left|right);"
)
# Code, equations and the columns that an author aligned keep their side.
EXCEPTIONS = re.compile(r"\.prose (?:pre|\.align-(?:left|right)|mtd\[columnalign=\"(?:left|right)\"\]) \{[^}]*\}")


def show(page: Page, html: str) -> None:
    page.set_content(f"<style>{(ROOT / 'static/css/blog.css').read_text()}</style><main>{html}</main>")


def style(page: Page, selector: str, name: str) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        selector, "(elements, name) => elements.map((element) => getComputedStyle(element)[name])", name
    )
    return found


@pytest.mark.parametrize("title", [ARABIC, HEBREW])
async def test_titles_texts_and_names_choose_their_direction(
    client: httpx2.AsyncClient, ctx: Context, write: Write, make_user: MakeUser, title: str
) -> None:
    post = await write(title, f"{title}.", tags=[title])
    rob = ctx.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))
    await accounts.change(rob, AccountChanges(name=title))
    await comments.create(rob, post.id, NewComment(content=title))
    page = (await client.get(f"/posts/{post.slug}")).text
    assert f'<h1 dir="auto">{title}</h1>' in page
    assert '<div class="prose" dir="auto">' in page
    assert '<div class="prose comment-text" dir="auto">' in page
    assert f"<bdi>{title}</bdi></a>" in page
    assert re.search(rf'<a rel="tag" href="[^"]+" dir="auto">{title}</a>', page)
    home = (await client.get("/")).text
    assert re.search(r'<h2 class="card-title"[^>]* dir="auto">', home)
    assert f'<p class="card-excerpt" dir="auto">{title}.</p>' in home
    for path in ("/archive", "/tags", f"/search?q={title}", f"/tags/{title}"):
        assert 'dir="auto"' in (await client.get(path)).text.partition("<main")[2], path


async def test_inputs_choose_their_direction(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    page = (await client.get("/write", headers=await sign_in("ada"))).text
    for name in ("title", "tags", "custom_excerpt", "slug"):
        assert re.search(rf'<(?:input|textarea) id="field-{name}"[^>]* dir="auto"', page), name
    assert re.search(r'<textarea id="field-content"[^>]* dir="auto"', page)
    assert 'dir="auto"' in (await client.get("/search")).text.partition("<form")[2]


@pytest.mark.parametrize("path", STYLE_SHEETS, ids=lambda path: path.name)
def test_style_sheets_use_logical_properties(path: object) -> None:
    assert PHYSICAL.findall(EXCEPTIONS.sub("", (ROOT / str(path)).read_text())) == []


def test_each_paragraph_has_its_own_direction(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 600, "height": 800})
    text = f"{ARABIC}.\n\nEnglish.\n\n> {ARABIC}\n\n```\ncode\n```\n\n- {ARABIC}\n"
    show(page, f'<div class="prose" dir="auto">{render(text)}</div><div class="prose" dir="auto">{render("English.")}</div>')
    assert style(page, ".prose", "direction") == ["rtl", "ltr"]
    assert style(page, "pre", "direction") == ["ltr"]
    assert style(page, "blockquote", "borderRightWidth") == ["3px"]
    width = page.locator(".prose").first.bounding_box()
    starts = page.eval_on_selector_all(
        ".prose:first-child > p",
        """elements => elements.map((element) => {
          const range = document.createRange();
          range.selectNodeContents(element);
          const [text, box] = [range.getBoundingClientRect(), element.getBoundingClientRect()];
          return [Math.round(text.left - box.left), Math.round(box.right - text.right)];
        })""",
    )
    assert width is not None
    (arabic_left, arabic_right), (english_left, english_right) = starts
    assert (arabic_right, english_left) == (0, 0)
    assert min(arabic_left, english_right) > 100


def test_bullets_of_mixed_task_lists_and_of_comments(browser: Browser) -> None:
    page = browser.new_page()
    post = render("- a\n- [ ] b\n- [x] c\n  - d\n- e\n\n1. f\n2. [ ] g\n")
    comment = render_comment("- h\n  - i\n\n1. j\n")
    show(
        page,
        f'<div class="prose">{post}</div><ol class="threads"><li><ol class="replies"><li>'
        f'<div class="prose comment-text">{comment}</div></li></ol></li></ol>',
    )
    kinds = dict(zip("abcdefghij", style(page, ".prose li", "listStyleType"), strict=True))
    bullets = {"a": "disc", "b": "none", "c": "none", "d": "circle", "e": "disc", "h": "disc", "i": "circle"}
    assert kinds == bullets | {"f": "decimal", "g": "none", "j": "decimal"}
