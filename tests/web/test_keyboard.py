"""Writing, publishing and moderating in a real browser with the keyboard alone: without clicks and scripted focus."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.serving import blog, free_port, serving, wait_until_up

PASSWORD = "a long enough one"
LOOK = """wanted => {
  const focused = document.activeElement, {outlineStyle, outlineWidth} = getComputedStyle(focused);
  const isSeen = focused === document.body || (outlineStyle !== "none" && parseFloat(outlineWidth) > 0);
  return [focused === wanted, isSeen ? "" : focused.outerHTML];
}"""
"""Is the focus where it should go, and what has it without showing it; at the end of a page the browser itself has it."""


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a blog with an author, an editor, and a pending comment by bob."""
    for name, role in (("ada", "author"), ("eve", "editor"), ("bob", "reader")):
        account = ("user", "create", name, f"{name}@example.org", "--role", role, "--password-stdin")
        blog(tmp_path, *account, stdin=PASSWORD)
    with contextlib.closing(sqlite3.connect(tmp_path / "blog.db")) as database:
        row = ("hold_first_comment", json.dumps(True), "2026-01-01 00:00:00")
        database.execute("INSERT INTO site_preferences (name, value, updated_at) VALUES (?, ?, ?)", row)
        database.commit()
    ada, bob = ({"Authorization": f"Bearer {blog(tmp_path, 'token', 'create', name).stdout.strip()}"} for name in ("ada", "bob"))
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with serving(tmp_path, port, RATE_LIMIT="off") as (process, log):
        wait_until_up(port, process)
        post = {"title": "On engines", "content": "Some text."}
        httpx.post(f"{address}/api/v1/posts", json=post, headers=ada).raise_for_status()
        httpx.post(f"{address}/api/v1/posts/1/comments", json={"content": "What is it?"}, headers=bob).raise_for_status()
        yield address
    assert "Traceback" not in log.read_text()


class Keys:
    """A page that is used with the keyboard; the focus must be visible."""

    def __init__(self, page: Page, have_scripts: bool) -> None:
        self.page, self.have_scripts = page, have_scripts

    def reach(self, role: Literal["button", "checkbox", "link", "radio", "textbox"], name: str, *, most: int = 60) -> None:
        """Press Tab until the element has the focus; the focus must be visible at each stop."""
        wanted = self.page.get_by_role(role, name=name, exact=True)
        wanted.wait_for()
        for _ in range(most):
            self.page.keyboard.press("Tab")
            is_there, unseen = wanted.evaluate(LOOK)
            assert unseen == ""
            if is_there:
                return
        raise AssertionError(f"the {role} {name} is not reached")

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def sign_in(self, name: str) -> None:
        self.reach("link", "Sign in")
        self.press("Enter")
        self.reach("textbox", "Username or e-mail address")
        self.type(name)
        self.reach("textbox", "Password")
        self.type(PASSWORD)
        self.reach("button", "Sign in")
        self.press("Space")
        self.page.get_by_role("button", name="Menu").wait_for()

    def open_menu(self) -> None:
        """Open the menu of the signed-in user; the next stop of the focus is its first link."""
        self.reach("button", self.page.locator("[popovertarget]").inner_text().strip())
        self.press("Enter")
        self.page.get_by_role("button", name="Sign out").wait_for()


@pytest.fixture(params=[True, False], ids=["with scripts", "without"])
def keys(request: pytest.FixtureRequest, browser: Browser, base: str) -> Keys:
    """Return a page that shows the front page, without a session."""
    context = browser.new_context(base_url=base, java_script_enabled=request.param, viewport={"width": 1000, "height": 800})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto("/")
    return Keys(page, request.param)


def test_post_is_written_and_published(keys: Keys, base: str) -> None:
    keys.sign_in("ada")
    keys.reach("link", "Write")
    keys.press("Enter")
    keys.reach("textbox", "Title")
    keys.type("By hand")
    keys.reach("textbox", "Body optional")
    keys.type("Typed, and *never* clicked.")
    keys.reach("button", "Save draft")
    keys.press("Enter")
    keys.page.get_by_text("Draft saved.").wait_for()
    assert httpx.get(f"{base}/posts/by-hand").status_code == 404
    keys.reach("button", "Publish")
    keys.press("Enter")
    keys.page.get_by_text("Who can read it").wait_for()
    keys.reach("button", "Publish now")
    keys.press("Enter")
    keys.page.get_by_role("button", name="Unpublish").wait_for()
    assert "Typed, and <em>never</em> clicked." in httpx.get(f"{base}/posts/by-hand").text


def test_comment_is_approved(keys: Keys, base: str) -> None:
    assert "What is it?" not in httpx.get(f"{base}/posts/on-engines").text
    keys.sign_in("eve")
    keys.open_menu()
    keys.reach("link", "Moderation 1 pending")
    keys.press("Enter")
    keys.reach("checkbox", "Select the comment by bob")
    keys.press("Space")
    assert keys.page.get_by_role("checkbox").is_checked()
    keys.reach("button", "Approve selected")
    keys.press("Enter")
    keys.page.get_by_text("1 comment approved.").wait_for()
    assert "What is it?" in httpx.get(f"{base}/posts/on-engines").text
