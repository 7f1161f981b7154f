"""Reading a post in a real browser: links on headings, copied code, large images, the current section."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.axe import violations_in_both_schemes
from tests.support.pictures import png
from tests.web.test_live_page import Site

FILLER = "\n\n".join(["A paragraph that is long enough to fill a line of the page, and one more after it. " * 8] * 6)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("reading")
    made = Site(folder)
    with made.up():
        with httpx.Client(base_url=f"{made.base}/api/v1", headers=made._headers) as client:
            urls = [
                client.post("/media", files={"file": (name, png(width, 1200, colour))}, data={"alt": alt}).json()["url"]
                for name, width, colour, alt in (
                    ("a.png", 2400, "teal", "A loom"), ("b.png", 1800, "navy", "A mill"), ("c.png", 1700, "olive", "A card"),
                )
            ]  # fmt: skip
        large, *gallery = urls
        images = f'![A loom]({large} "Oak")\n\n' + "\n".join(f"![Part]({url})" for url in gallery)
        sections = "".join(f"## Part {number} {{#part-{number}}}\n\n{FILLER}\n\n" for number in range(1, 5))
        made.post("Reading", slug="reading", content=f"{images}\n\n```python\nprint(1)\n```\n\n{sections}")
        yield made


@pytest.fixture
def page(site: Site, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(f"{site.base}/posts/reading")
    yield opened
    context.close()
    assert faults == []


def test_code_is_copied(page: Page) -> None:
    box = page.locator(".code-block")
    assert box.evaluate("box => getComputedStyle(box, '::before').content") == '"python"'
    box.get_by_role("button", name="Copy").click()
    expect(box.get_by_role("status")).to_have_text("The code was copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "print(1)\n"


def test_refused_copy_says_what_to_do(page: Page) -> None:
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject() }")
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".code-block").get_by_role("status")).to_contain_text("Select the code instead.")


def test_images_are_enlarged_by_keyboard(page: Page) -> None:
    image = page.get_by_role("button", name="Enlarge image: A loom")
    image.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Large image")
    expect(dialog.locator("figcaption")).to_have_text("Oak")
    expect(dialog.get_by_role("button", name="Previous")).to_be_disabled()
    shown = dialog.locator("img")
    first = shown.get_attribute("src")
    assert violations_in_both_schemes(page) == {}
    page.keyboard.press("ArrowRight")
    expect(shown).not_to_have_attribute("src", first or "")
    expect(dialog.locator("figcaption")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(image).to_be_focused()


def test_gallery_opens_the_dialog_and_links_to_the_file_without_scripts(page: Page, site: Site, browser: Browser) -> None:
    page.locator(".gallery a").last.click()
    dialog = page.get_by_role("dialog", name="Large image")
    expect(dialog.get_by_role("button", name="Next")).to_be_disabled()
    expect(dialog.get_by_role("button", name="Close")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(page).to_have_url(f"{site.base}/posts/reading")
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"{site.base}/posts/reading")
    plain.locator(".gallery a").last.click()
    assert "/media/" in plain.url
    plain.context.close()


def test_heading_link_appears_with_the_pointer_and_leads_to_the_section(page: Page, site: Site) -> None:
    heading = page.get_by_role("heading", name="Part 2")
    link = heading.get_by_role("link", name="Link to this section")
    assert link.evaluate("link => getComputedStyle(link).opacity") == "0"
    heading.hover()
    expect(link).to_have_css("opacity", "1")
    link.click()
    expect(page).to_have_url(f"{site.base}/posts/reading#part-2")
    assert heading.evaluate("heading => heading.getBoundingClientRect().top") < 200


def test_table_of_contents_marks_the_current_section(page: Page) -> None:
    current = page.locator(".contents [aria-current=location]")
    assert current.count() == 0, "above the first heading"
    for name in ("Part 3", "Part 1"):
        page.get_by_role("heading", name=name).evaluate("heading => heading.scrollIntoView()")
        expect(current).to_have_text(name)
