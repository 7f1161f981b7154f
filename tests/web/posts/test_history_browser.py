"""The life of a post in real browsers of several users, with and without scripts."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.optional import unwrap
from tests.support.serving import blog, free_port, serving, wait_until_up

pytestmark = pytest.mark.timeout(300)  # dozens of pages in browsers of three people, perhaps on a busy machine
PASSWORD = "a long enough one"
POEM = "one\n\ntwo\n\nthree\n\nfour\n\nfive\n"


class Site:
    """A running blog with an author and an editor, and their browsers."""

    def __init__(self, folder: Path, browser: Browser) -> None:
        self.base, self._browser = "", browser
        self.database = sqlite3.connect(folder / "blog.db", timeout=30)
        self.faults: list[str] = []

    def visitor(self, **options: Any) -> Page:
        page = self._browser.new_context(base_url=self.base, **options).new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.set_default_timeout(20_000)
        return page

    def member(self, name: str, **options: Any) -> Page:
        page = self.visitor(**options)
        page.goto("/login")
        page.get_by_label("Username or e-mail address").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Menu").wait_for()
        return page

    def until(self, query: str, expected: object) -> None:
        """Wait until a query gives the expected value."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if (found := self.database.execute(query).fetchone()[0]) == expected:
                return
            time.sleep(0.02)  # between two looks
        raise AssertionError(f"{query} gives {found}, not {expected}")


@pytest.fixture
def site(tmp_path: Path, browser: Browser) -> Iterator[Site]:
    for name, role in (("ada", "author"), ("eve", "editor")):
        address = f"{name}@example.org"
        blog(tmp_path, "user", "create", name, address, "--role", role, "--password-stdin", stdin=PASSWORD)
    port = free_port()
    with serving(tmp_path, port, RATE_LIMIT="off") as (process, log):
        wait_until_up(port, process)
        opened = Site(tmp_path, browser)
        opened.base = f"http://127.0.0.1:{port}"
        with contextlib.closing(opened.database):
            yield opened
    assert opened.faults == []
    assert "Traceback" not in log.read_text()


def write(page: Page, title: str, content: str, button: str = "Publish") -> None:
    page.goto("/write")
    page.get_by_label("Title", exact=True).fill(title)
    page.locator("#field-content").fill(content)
    page.get_by_role("button", name=button, exact=True).click()
    if button == "Publish":
        page.get_by_role("button", name="Publish now").click()
    (page.locator("article h1") if button == "Publish" else page.get_by_text("Draft saved.")).wait_for()


def open_form(page: Page, slug: str, content: str) -> None:
    page.goto(f"/posts/{slug}/edit")
    page.locator("#field-content").fill(content)


def save(page: Page) -> None:
    """Press the button that keeps the status of the post."""
    page.locator("button.save").click()


def words(page: Page) -> list[str]:
    return page.locator("article .prose").inner_text().split()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_life_of_a_post(site: Site, scripts: bool) -> None:
    options = {"java_script_enabled": scripts}
    ada, eve, stranger = site.member("ada", **options), site.member("eve", **options), site.visitor(**options)

    # A draft, and a link by which a stranger reads it.
    write(ada, "Numbers", POEM, "Save draft")
    assert unwrap(stranger.goto("/posts/numbers")).status == 404
    ada.get_by_role("link", name="View draft").click()
    ada.get_by_role("link", name="Preview links").click()
    ada.get_by_label("1 day").check()
    ada.get_by_role("button", name="Create link").click()
    link = ada.locator("input[readonly]").input_value()
    stranger.goto(link)
    stranger.get_by_text("This is an unpublished draft").wait_for()
    assert words(stranger) == POEM.split()

    # Published from its page: the link leads to it.
    ada.goto("/posts/numbers")
    ada.get_by_role("link", name="Publish").click()
    ada.get_by_role("button", name="Publish now").click()
    ada.get_by_role("button", name="Unpublish").wait_for()
    stranger.goto(link)
    assert stranger.url == f"{site.base}/posts/numbers"

    # Two change other lines of it at the same time, and nothing is lost.
    open_form(ada, "numbers", POEM.replace("five", "FIVE"))
    open_form(eve, "numbers", POEM.replace("one", "ONE"))
    eve.get_by_role("status").get_by_text("ada is also editing this post").wait_for()
    save(eve)
    eve.locator("article h1").wait_for()
    save(ada)
    ada.get_by_text("eve saved a newer version while you were writing").wait_for()
    assert ada.locator("#field-content").input_value() == POEM.replace("five", "FIVE")
    ada.get_by_role("button", name="Save merged version").click()
    ada.locator("article h1").wait_for()
    assert words(ada) == ["ONE", "two", "three", "four", "FIVE"]

    # Two change the same line: the later one decides.
    open_form(ada, "numbers", "mine\n")
    open_form(eve, "numbers", "theirs\n")
    save(eve)
    eve.locator("article h1").wait_for()
    save(ada)
    ada.get_by_text("Both of you changed the same lines of the body").wait_for()
    assert ada.locator("#conflict-yours ~ .diff").locator("ins").all_inner_texts() == ["mine"]
    ada.get_by_role("button", name="Keep mine").click()
    ada.locator("article h1").wait_for()
    assert words(ada) == ["mine"]

    # Scheduled: taken from sight, and out again at its time.
    ada.goto("/posts/numbers")
    ada.get_by_role("button", name="Unpublish").click()
    ada.goto("/posts/numbers/publish")
    ada.get_by_label("Time").fill("2099-01-01T10:00")
    ada.get_by_role("button", name="Schedule").click()
    ada.get_by_text("This will be published on").wait_for()
    assert unwrap(stranger.goto("/posts/numbers")).status == 404
    site.database.execute("UPDATE posts SET publish_at = '2020-01-01 10:00:00.000000'")
    site.database.commit()
    site.until("SELECT status FROM posts", "published")
    assert unwrap(stranger.goto("/posts/numbers")).status == 200

    # Any two versions are compared, and the first comes back.
    ada.goto("/posts/numbers/history")
    ada.get_by_label("from version 1", exact=True).check()
    ada.get_by_label("to version 3", exact=True).check()
    ada.get_by_role("button", name="Compare").click()
    ada.get_by_text("From version 1").wait_for()
    assert ada.locator(".diff ins").all_inner_texts() == ["ONE"]
    ada.get_by_role("link", name="version 1").click()
    ada.get_by_role("button", name="Restore this version").click()
    ada.get_by_role("link", name="Version 9", exact=True).wait_for()
    stranger.reload()
    assert words(stranger) == POEM.split()

    # Deleted by mistake.
    ada.goto("/dashboard")
    ada.get_by_role("button", name="Delete Numbers").click()
    notice = ada.get_by_role("status").filter(has_text="“Numbers” was deleted.")
    notice.wait_for()
    assert unwrap(stranger.goto("/posts/numbers")).status == 404
    notice.get_by_role("button", name="Undo").click()
    ada.locator("article h1").wait_for()
    stranger.goto("/posts/numbers")
    assert words(stranger) == POEM.split()


def test_form_announces_other_editors_and_their_saves(site: Site) -> None:
    ada = site.member("ada")
    write(ada, "Numbers", POEM)
    ada.clock.install()
    ada.goto("/posts/numbers/edit")
    status = ada.locator("#presence")
    assert status.get_attribute("role") == "status"
    assert status.inner_text() == ""
    eve = site.member("eve")
    eve.goto("/posts/numbers/edit")
    eve.get_by_role("status").get_by_text("ada is also editing this post").wait_for()
    ada.clock.run_for(16_000)
    status.get_by_text("eve is also editing this post").wait_for()
    eve.goto("/")
    site.until("SELECT count(*) FROM editing_sessions", 1)
    ada.clock.run_for(16_000)
    status.get_by_text("eve stopped editing").wait_for()
    open_form(eve, "numbers", "theirs\n")
    save(eve)
    eve.locator("article h1").wait_for()
    ada.clock.run_for(16_000)
    status.get_by_text("Someone saved a newer version").wait_for()
    assert ada.locator("#field-content").input_value() == POEM
    ada.goto("/")
    site.until("SELECT count(*) FROM editing_sessions", 0)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_text_survives_the_end_of_the_post_and_of_the_session(site: Site, scripts: bool) -> None:
    ada, eve = site.member("ada", java_script_enabled=scripts), site.member("eve")
    write(ada, "Numbers", POEM)
    open_form(ada, "numbers", "Hours of work")
    eve.goto("/posts/numbers/delete")
    eve.get_by_role("button", name="Delete post").click()
    eve.get_by_text("“Numbers” was deleted.").wait_for()
    save(ada)
    ada.get_by_text("This post was deleted while you were writing").first.wait_for()
    assert ada.locator("#field-content").input_value() == "Hours of work"
    if scripts:
        return
    site.database.execute("DELETE FROM sessions")
    site.database.commit()
    save(ada)
    ada.get_by_text("Sign-in required").first.wait_for()
    assert ada.locator("#field-content").input_value() == "Hours of work"
