"""Wide tables of posts in a real browser: rows of few lines, shadows where they continue, a page that does not scroll."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.web.test_live_page import Site

LONG = "some longer words that say what this row is about"
CELL_LINES = """(() => {
  const lines = cell => cell.clientHeight / parseFloat(getComputedStyle(cell).lineHeight);
  return [...document.querySelectorAll('.prose table')].map(table => Math.max(...[...table.querySelectorAll('td')].map(lines)));
})()"""


def table(columns: int, *, long: int = 1) -> str:
    """Return a Markdown table of three rows with a long text in one column."""
    rows = [[LONG if column == long else f"value {column}" for column in range(columns)] for _ in range(3)]
    head = [[f"Column {column}" for column in range(columns)], ["---"] * columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (*head, *rows))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("tables"))
    with made.up():
        raw = f"<table><tr>{''.join(f'<td>raw column {number}</td>' for number in range(20))}</tr></table>"
        made.post("Wide", slug="wide", content=table(12))
        made.post("Narrow", slug="narrow", content=table(2))
        made.post("Middle", slug="middle", content=table(4))
        made.post("Raw", slug="raw", content=raw)
        yield made


@pytest.fixture
def page(browser: Browser) -> Page:
    return browser.new_page()


@pytest.mark.parametrize("width", [360, 1440])
def test_rows_of_wide_tables_have_few_lines(site: Site, page: Page, width: int) -> None:
    """A column of twelve was as narrow as its longest word: rows had seven lines, and empty space in all other columns."""
    page.set_viewport_size({"width": width, "height": 800})
    for slug in ("wide", "middle"):
        page.goto(f"{site.base}/posts/{slug}")
        (lines,) = page.evaluate(CELL_LINES)
        assert lines < 5, slug


@pytest.mark.parametrize("width", [320, 360, 1440])
def test_tables_scroll_in_their_own_box(site: Site, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for slug in ("wide", "narrow", "middle", "raw"):
        page.goto(f"{site.base}/posts/{slug}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, slug
    page.goto(f"{site.base}/posts/narrow")
    assert page.evaluate("(box => box.scrollWidth - box.clientWidth)(document.querySelector('.table-scroll'))") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shadow_shows_that_a_table_continues(site: Site, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")

    def edges(slug: str, scrolled: int) -> tuple[bool, bool]:
        """Return whether the left and the right edge of the table are darker, or lighter, than the page."""
        page.goto(f"{site.base}/posts/{slug}")
        box = page.locator(".table-scroll")
        box.evaluate("(box, to) => { box.scrollLeft = to; }", scrolled)
        box.evaluate("box => box.querySelectorAll('td').forEach(cell => cell.style.color = 'transparent')")
        area = box.bounding_box()
        assert area is not None
        shot = page.screenshot(clip=area)
        return _has_shadow(shot, left=True), _has_shadow(shot, left=False)

    assert edges("wide", 0) == (False, True)
    assert edges("wide", 200) == (True, True)
    assert edges("wide", 10_000) == (True, False)
    assert edges("narrow", 0) == (False, False)


def _has_shadow(png: bytes, *, left: bool) -> bool:
    with Image.open(BytesIO(png)) as image:
        grey = image.convert("L")
        middle = grey.height // 2 + 6  # between the lines of the rows
        edge = 2 if left else grey.width - 3
        background = grey.getpixel((grey.width // 2, middle))
        shade = grey.getpixel((edge, middle))
    assert isinstance(background, int)
    assert isinstance(shade, int)
    return abs(shade - background) > 8
