"""Comments in real browsers: written, held, approved with the keyboard alone, edited, removed, restored."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.serving import blog, free_port, serving, wait_until_up

PASSWORD = "a long enough one"


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a blog that holds first comments, with a post by the owner ada and a reader named bob."""
    for name, role in (("ada", "owner"), ("bob", "reader")):
        account = ("user", "create", name, f"{name}@example.org", "--role", role, "--password-stdin")
        blog(tmp_path, *account, stdin=PASSWORD)
    token = blog(tmp_path, "token", "create", "ada").stdout.strip()
    with contextlib.closing(sqlite3.connect(tmp_path / "blog.db")) as database:
        row = ("hold_first_comment", json.dumps(True), "2026-01-01 00:00:00")
        database.execute("INSERT INTO site_preferences (name, value, updated_at) VALUES (?, ?, ?)", row)
        database.commit()
    port = free_port()
    with serving(tmp_path, port) as (process, log):
        wait_until_up(port, process)
        address = f"http://127.0.0.1:{port}"
        post = {"title": "On engines", "content": "Some text."}
        headers = {"Authorization": f"Bearer {token}"}
        httpx.post(f"{address}/api/v1/posts", json=post, headers=headers).raise_for_status()
        yield address
    assert "Traceback" not in log.read_text()


def visitor(browser: Browser, base: str, name: str | None = None, *, scripts: bool) -> Page:
    """Return a page in a new browser profile, signed in as `name`."""
    page = browser.new_context(java_script_enabled=scripts).new_page()
    if name:
        page.goto(f"{base}/login")
        page.get_by_label("Username or e-mail address").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign in").click()
    return page


def press_until(page: Page, selector: str, key: str = "Tab") -> None:
    """Move the focus with the keyboard. Raises AssertionError if it does not reach the element."""
    for _ in range(60):
        page.keyboard.press(key)
        if page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_life_of_a_comment(base: str, browser: Browser, scripts: bool) -> None:
    bob, ada, reader = (visitor(browser, base, name, scripts=scripts) for name in ("bob", "ada", None))
    address = f"{base}/posts/on-engines"
    reader.goto(address)
    if scripts:
        reader.evaluate("window.wasNotReloaded = true")

    def read_on(page: Page) -> None:
        """Reload the page if scripts are off."""
        if not scripts:
            page.goto(address)

    # Written, and held: its writer sees it, a reader does not.
    bob.goto(address)
    bob.get_by_label("Your comment").fill("What *is* it?")
    bob.get_by_role("button", name="Post comment").click()
    comment = bob.locator("#comment-1")
    comment.get_by_text("Awaiting moderation").wait_for()
    assert comment.get_by_text("What is it?").is_visible()
    assert bob.locator("#comments-count").inner_text() == "0 comments"
    read_on(reader)
    assert reader.locator(".comment").count() == 0

    # Approved with the keyboard alone, from the front page on.
    ada.goto(base)
    press_until(ada, "[popovertarget]")
    ada.keyboard.press("Enter")
    ada.get_by_role("link", name="Moderation 1 pending").wait_for()
    press_until(ada, "a[href='/moderation']")
    ada.keyboard.press("Enter")
    ada.wait_for_url("**/moderation")
    press_until(ada, "#choose-1")
    ada.keyboard.press("Space")
    press_until(ada, "button[value=visible]")
    ada.keyboard.press("Enter")
    ada.get_by_text("1 comment approved.").wait_for()
    assert ada.get_by_text("Nothing to review.").is_visible()
    ada.locator("[popovertarget]").click()
    assert ada.get_by_role("link", name="Moderation", exact=True).is_visible(), "no number any more"

    # It appears in the page that is open, and loses its mark where its writer sees it.
    read_on(reader)
    reader.locator("#comment-1").get_by_text("What is it?").wait_for()
    assert reader.locator("#comments-count").inner_text() == "1 comment"
    read_on(bob)
    bob.locator("#comment-1:not(.pending)").wait_for()
    if not scripts:
        assert bob.locator("#comment-1").get_by_role("link", name="Reply").is_visible()

    # Answered: bob hears of it.
    ada.goto(address)
    ada.locator("#comment-1").get_by_role("link", name="Reply").click()
    ada.get_by_label("Your reply").fill("An engine.")
    ada.get_by_role("button", name="Post reply").click()
    ada.locator("#comment-2").wait_for()
    bob.goto(base)
    bob.locator("[popovertarget]").click()
    bob.get_by_role("link", name="Notifications 1 unread").click()
    bob.get_by_text("An engine.").wait_for()

    # Changed by its writer.
    bob.goto(address)
    bob.locator(".thread:has(> #comment-1) > .comment-tools").get_by_role("link", name="Edit").click()
    bob.get_by_label("Your comment").fill("What *was* it?")
    bob.get_by_role("button", name="Save comment").click()
    bob.locator("#comment-1").get_by_text("What was it?").wait_for()
    read_on(reader)
    reader.locator("#comment-1").get_by_text("What was it?").wait_for()

    # Removed: the text goes, the answer stays.
    bob.locator(".thread:has(> #comment-1) > .comment-tools").get_by_role("link", name="Remove").click()
    bob.get_by_role("button", name="Remove").click()
    bob.wait_for_url("**/posts/on-engines#comments")
    read_on(reader)
    reader.locator("#comment-1").get_by_text("This comment was removed.").wait_for()
    assert reader.get_by_text("What was it?").count() == 0
    assert reader.locator("#comment-2").get_by_text("An engine.").is_visible()

    # Brought back by a moderator.
    ada.goto(address)
    ada.get_by_role("button", name="Restore").click()
    ada.locator("#comment-1").get_by_text("What was it?").wait_for()
    read_on(reader)
    reader.locator("#comment-1").get_by_text("What was it?").wait_for()
    if scripts:
        assert reader.evaluate("window.wasNotReloaded")
