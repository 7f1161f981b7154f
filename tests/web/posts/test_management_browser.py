"""Changes of several posts in a browser: without JavaScript, and by keyboard alone."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.axe import violations
from tests.support.serving import blog, free_port, serving, wait_until_up
from tests.web.test_quality import PASSWORD, Blog, write


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blog]:
    """A blog with five drafts and its owner's session."""
    folder: Path = tmp_path_factory.mktemp("management")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner", "--password-stdin", stdin=PASSWORD)
    token = blog(folder, "token", "create", "ada").stdout.strip()
    with serving(folder, port, RATE_LIMIT="off") as (process, _):
        wait_until_up(port, process)
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}) as client:
            for number in range(5):
                write(client, title=f"Draft {number}", content="x", status="draft")
            write(client, title="Published", content="x")
        signed = httpx.post(f"{base}/login", data={"username": "ada", "password": PASSWORD}, headers={"Origin": base})
        yield Blog(base, signed.cookies["session"])


def opened(browser: Browser, site: Blog, path: str, *, width: int, javascript: bool) -> Page:
    profile = browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=javascript)
    profile.add_cookies([{"name": "session", "value": site.session, "url": site.base}])
    page = profile.new_page()
    page.goto(site.base + path)
    return page


MIDDLES = """links => links.map(link => {
  const text = document.createRange();
  text.selectNodeContents(link);
  const [outer, inner] = [link.getBoundingClientRect(), text.getBoundingClientRect()];
  return Math.abs(outer.top + outer.bottom - inner.top - inner.bottom) / 2;
})"""
"""The distances, in pixels, between the middle of each button and the middle of its text."""


@pytest.mark.parametrize("width", [360, 1440])
def test_buttons_centre_their_text_and_empty_cells_leave_no_gap(site: Blog, browser: Browser, width: int) -> None:
    page = opened(browser, site, "/admin/posts?q=Published", width=width, javascript=True)
    distances = page.locator(".post-filters :is(button, .button)").evaluate_all(MIDDLES)
    assert len(distances) == 2
    assert max(distances) <= 2
    assert page.locator("td.tags").is_visible() is (width > 1000), "the post has no tags"


@pytest.mark.parametrize("width", [360, 1440])
def test_posts_are_tagged_without_javascript(site: Blog, browser: Browser, width: int) -> None:
    page = opened(browser, site, "/admin/posts", width=width, javascript=False)
    page.get_by_label("Status").select_option("Draft")
    page.get_by_role("button", name="Filter").click()
    assert "status=draft" in page.url
    page.get_by_label("Select Draft 1").check()
    page.get_by_label("Select Draft 3").check()
    page.get_by_label("Action").select_option("Add the tag")
    page.get_by_label("Tag to add or remove").fill(f"at {width}")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name=f"Add the tag “at {width}” to 2 posts?").wait_for()
    assert page.locator(".bulk-titles bdi").all_text_contents() == ["Draft 3", "Draft 1"]
    page.get_by_role("button", name=f"Add the tag “at {width}” to 2 posts").click()
    page.get_by_text("2 posts changed.").wait_for()
    page.get_by_role("link", name="Back to the list").click()
    assert "status=draft" in page.url
    assert page.get_by_role("link", name=f"at {width}").count() == 2


def test_all_posts_of_a_page_are_changed_by_keyboard(site: Blog, browser: Browser) -> None:
    page = opened(browser, site, "/admin/posts?status=published", width=1440, javascript=True)
    page.get_by_label("Select all posts on this page").focus()
    page.keyboard.press("Space")
    page.get_by_text("1 selected").wait_for()
    page.get_by_label("Action").focus()
    page.keyboard.type("Unp")
    page.get_by_role("button", name="Continue").press("Enter")
    page.get_by_role("heading", name="Unpublish 1 post?").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Unpublish 1 post").press("Enter")
    page.get_by_text("1 post changed.").wait_for()
    assert page.evaluate("document.activeElement.className") == "notice"
    assert violations(page) == []
