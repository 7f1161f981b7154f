"""A post by two authors in a real browser, with and without JavaScript."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.serving import blog
from tests.web.test_live_page import Site

PASSWORD = "a long enough one"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path, owner="ora")
    for name in ("ada", "bob"):
        options = ("--role", "author", "--password-stdin")
        blog(tmp_path, "user", "create", name, f"{name}@example.net", *options, stdin=PASSWORD)
    return made


@contextlib.contextmanager
def signed_in(site: Site, browser: Browser, username: str, *, scripts: bool) -> Iterator[Page]:
    """Open a page of a browser in which the user is signed in."""
    form = {"username": username, "password": PASSWORD}
    answer = httpx.post(f"{site.base}/login", data=form, headers={"Origin": site.base})
    context = browser.new_context(java_script_enabled=scripts)
    context.add_cookies([{"name": "session", "value": answer.cookies["session"], "url": site.base}])
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["JavaScript", "no JavaScript"])
def test_a_post_by_two_authors(site: Site, browser: Browser, scripts: bool) -> None:
    with site.up():
        with signed_in(site, browser, "ada", scripts=scripts) as page:
            page.goto(f"{site.base}/write")
            page.locator("#field-title").fill("Two hands")
            page.locator("#field-content").fill("Some text.")
            authors = page.locator("#field-authors")
            expect(authors).to_have_value("ada")
            if scripts:
                authors.fill("")
                authors.press_sequentially("bo")
                expect(page.get_by_role("option")).to_have_text(["bob"])
                authors.press("ArrowDown")
                authors.press("Enter")
                expect(authors).to_have_value("bob, ")
                authors.press_sequentially("ada")
            else:
                authors.fill("bob, ada")
            page.get_by_role("button", name="Publish", exact=True).click()
            page.get_by_role("button", name="Publish now").click()
            page.wait_for_url("**/posts/two-hands**")
            assert page.locator(".byline").first.inner_text() == "By bob and ada"
        with signed_in(site, browser, "bob", scripts=scripts) as page:
            page.goto(f"{site.base}/notifications")
            expect(page.locator(".notification-list")).to_contain_text("ada named you as an author of Two hands")
            page.get_by_role("link", name="Two hands").click()
            page.get_by_role("button", name="Remove me as an author").click()
            expect(page.locator(".byline").first).to_have_text("By ada")
            assert page.get_by_role("link", name="Edit", exact=True).count() == 0
            page.goto(f"{site.base}/notifications")
            assert page.get_by_role("button", name="Remove me").count() == 0
