"""Text typed into comments, in a real browser: leaving the page loses nothing, and sending it clears it."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.serving import blog
from tests.web.test_live_page import Site

PASSWORD = "a long enough one"
STORED = "Object.keys(localStorage).filter((key) => key.startsWith('blog:draft:'))"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a blog with a post and a comment, and the session of its owner `ora`."""
    made: Any = Site(tmp_path_factory.mktemp("drafts"))
    blog(made.folder, "user", "create", "ora", "ora@example.org", "--role", "owner", "--password-stdin", stdin=PASSWORD)
    (made.folder / ".env").write_text("RATE_LIMIT=off\n")
    with made.up():
        form = {"username": "ora", "password": PASSWORD}
        answer = httpx.post(f"{made.base}/login", data=form, headers={"Origin": made.base})
        made.session = answer.cookies["session"]
        made.post("On engines")
        cookies = {"session": made.session}
        fields = {"content": "Opening words."}
        httpx.post(f"{made.base}/posts/on-engines/comments", data=fields, cookies=cookies, headers={"Origin": made.base})
        with contextlib.closing(sqlite3.connect(made.folder / "blog.db")) as database:
            database.execute("UPDATE comments SET status = 'visible'")
            database.commit()
        yield made


@pytest.fixture
def page(site: Any, browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    context.add_cookies([{"name": "session", "value": site.session, "url": site.base}])
    yield context.new_page()
    context.close()


COMMENT, REPLY, EDIT = (
    ("/posts/on-engines", "Your comment"),
    ("/comments/1/reply", "Your reply"),
    ("/comments/1/edit", "Your comment"),
)


@pytest.mark.parametrize(("path", "label"), [COMMENT, REPLY, EDIT])
@pytest.mark.parametrize("way", ["link", "reload", "close"])
def test_text_survives_leaving(site: Any, page: Page, path: str, label: str, way: str) -> None:
    page.goto(site.base + path)
    before = page.get_by_label(label).input_value()
    page.get_by_label(label).fill("Half a thou")
    if way == "link":
        page.get_by_role("link", name="Archive").first.click()
        page.get_by_role("heading", name="Archive").wait_for()
        page.goto(site.base + path)
    elif way == "reload":
        page.reload()
    else:
        other = page.context.new_page()
        page.close()
        page = other
        page.goto(site.base + path)
    page.get_by_text("Restored unsaved text.").wait_for()
    assert page.get_by_label(label).input_value() == "Half a thou"
    page.get_by_role("button", name="Discard").click()
    assert page.get_by_label(label).input_value() == before
    assert page.evaluate(STORED) == []
    page.reload()
    assert page.get_by_label(label).input_value() == before
    assert page.get_by_text("Restored unsaved text.").count() == 0


@pytest.mark.parametrize(
    ("path", "label", "button"),
    [(*COMMENT, "Post comment"), (*REPLY, "Post reply"), (*EDIT, "Save comment")],
)
def test_text_that_was_sent_is_cleared(site: Any, page: Page, path: str, label: str, button: str) -> None:
    page.goto(site.base + path)
    page.get_by_label(label).fill("A whole thought")
    assert len(page.evaluate(STORED)) == 1
    page.get_by_role("button", name=button).click()
    page.locator(".prose").get_by_text("A whole thought").first.wait_for()
    page.wait_for_load_state()  # the words are there before the script that clears the draft
    assert page.evaluate(STORED) == []
    page.goto(site.base + path)
    assert page.get_by_text("Restored unsaved text.").count() == 0


def test_text_that_was_not_accepted_is_kept(site: Any, page: Page) -> None:
    page.goto(f"{site.base}/posts/on-engines")
    field = page.get_by_label("Your comment")
    field.fill("x" * 9_999)
    field.evaluate("(area) => { area.removeAttribute('maxlength'); area.required = false; }")
    field.fill("y" * 10_001)
    page.get_by_role("button", name="Post comment").click()
    page.get_by_role("heading", name="Please fix the following").wait_for()
    page.goto(f"{site.base}/posts/on-engines")
    assert page.get_by_label("Your comment").input_value() == "y" * 10_001


@pytest.mark.parametrize("failure", ["offline", "error"])
def test_text_that_did_not_arrive_is_kept(site: Any, page: Page, failure: str) -> None:
    page.goto(f"{site.base}/posts/on-engines")
    page.get_by_label("Your comment").fill("Sent in a tunnel")
    handle: Callable[[Any], None] = {
        "offline": lambda route: route.abort(),
        "error": lambda route: route.fulfill(status=503, body="<a href='/posts/on-engines'>Back</a>", content_type="text/html"),
    }[failure]
    page.route("**/comments", handle)
    with page.expect_request("**/comments"):
        page.get_by_role("button", name="Post comment").click()
    if failure == "error":
        page.get_by_role("link", name="Back").click()
    else:
        page.wait_for_url("chrome-error:**")  # its navigation would interrupt ours
        page.goto(f"{site.base}/posts/on-engines")
    page.get_by_text("Restored unsaved text.").wait_for()
    assert page.get_by_label("Your comment").input_value() == "Sent in a tunnel"


def test_drafts_are_of_one_person(site: Any, page: Page) -> None:
    page.goto(f"{site.base}/posts/on-engines")
    page.get_by_label("Your comment").fill("Mine alone")
    assert page.evaluate(STORED) == ["blog:draft:ora:post-1"]
