"""The moderation queue in a real browser: keyboard shortcuts, the same without JavaScript, and axe."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.serving import blog, free_port, serving, wait_until_up

PASSWORD = "a long enough one"
AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
LOOK = "axe.run().then(found => found.violations.map(v => [v.id, v.nodes.map(n => n.html + n.failureSummary)]))"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield the URL of a blog, the session cookie of its owner, and the headers of a reader."""
    folder: Path = tmp_path_factory.mktemp("shortcuts")
    for name, role in (("ora", "owner"), ("bob", "reader")):
        blog(folder, "user", "create", name, f"{name}@example.org", "--role", role, "--password-stdin", stdin=PASSWORD)
    ora, bob = ({"Authorization": f"Bearer {blog(folder, 'token', 'create', name).stdout.strip()}"} for name in ("ora", "bob"))
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with serving(folder, port, RATE_LIMIT="off") as (process, _):
        wait_until_up(port, process)
        httpx.post(f"{base}/api/v1/posts", json={"title": "On engines", "content": "x"}, headers=ora).raise_for_status()
        signed = httpx.post(f"{base}/login", data={"username": "ora", "password": PASSWORD}, headers={"Origin": base})
        yield base, signed.cookies["session"], bob


def queue(browser: Browser, site: tuple[str, str, dict[str, str]], texts: list[str], **options: object) -> Page:
    """Hold comments with these texts, and return the moderation page of the owner with only these."""
    base, session, bob = site
    for text in texts:
        content = f"{text} https://a.example https://b.example https://c.example https://d.example"
        httpx.post(f"{base}/api/v1/posts/1/comments", json={"content": content}, headers=bob).raise_for_status()
    profile = browser.new_context(**options)  # type: ignore[arg-type]
    profile.add_cookies([{"name": "session", "value": session, "url": base}])
    page = profile.new_page()
    page.goto(f"{base}/moderation?q={texts[0].split()[0]}")
    assert page.locator(".queue-item").count() == len(texts)
    return page


def test_shortcuts_move_decide_and_stay_in_place(site: tuple[str, str, dict[str, str]], browser: Browser) -> None:
    page = queue(browser, site, [f"keys {number}" for number in range(5)])
    keys = page.keyboard
    keys.press("j")
    keys.press("j")
    assert "keys 3" in page.locator(".queue-item:focus").inner_text()
    keys.press("k")
    assert "keys 4" in page.locator(".queue-item:focus").inner_text()
    for key, words in (("a", "approved"), ("r", "removed"), ("s", "marked as spam")):
        before = page.locator(".queue-item").count()
        keys.press(key)
        page.get_by_text(f"1 comment {words}.").wait_for()
        assert page.locator(".queue-item").count() == before - 1
        page.locator(".queue-item:focus").wait_for()
    keys.press("x")
    assert page.locator(".queue-item:focus [type=checkbox]").is_checked()


def test_shortcuts_are_off_while_typing_and_can_be_turned_off(site: tuple[str, str, dict[str, str]], browser: Browser) -> None:
    page = queue(browser, site, ["quiet 1"])
    page.get_by_label("Text").focus()
    page.keyboard.press("End")
    page.keyboard.type("jar?")
    assert page.get_by_label("Text").input_value() == "quietjar?"
    assert not page.locator("dialog[open]").count()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    assert "Mark as spam" in dialog.inner_text()
    page.evaluate(AXE)
    assert page.evaluate(LOOK) == []
    page.keyboard.press("a")
    page.get_by_label("Use these shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("j")
    page.keyboard.press("a")
    assert page.locator(".queue-item:focus").count() == 0
    page.reload()
    page.keyboard.press("?")
    assert not page.locator("dialog[open]").count(), "remembered"
    assert page.locator(".queue-item").count() == 1


def test_row_buttons_work_without_javascript(site: tuple[str, str, dict[str, str]], browser: Browser) -> None:
    page = queue(browser, site, ["plain 1", "plain 2"], java_script_enabled=False)
    assert not page.get_by_role("button", name="Keyboard shortcuts").is_visible()
    page.get_by_role("button", name="Spam the comment by bob").first.click()
    assert page.get_by_text("1 comment marked as spam.").is_visible()
    assert page.locator(".queue-item").count() == 1
    page.get_by_role("link", name="Suspend bob").click()
    assert page.get_by_role("heading", name="Suspend", exact=True).is_visible()


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (360, "dark"), (1440, "light")])
def test_queue_has_no_axe_violation(site: tuple[str, str, dict[str, str]], browser: Browser, width: int, scheme: str) -> None:
    viewport = {"width": width, "height": 800}
    page = queue(browser, site, [f"look{width} {number}" for number in range(2)], viewport=viewport, color_scheme=scheme)
    page.evaluate(AXE)
    assert page.evaluate(LOOK) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
