"""The editor of static pages in a real browser: the same additions to the form as for posts."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, expect

from tests.support.optional import unwrap
from tests.support.pictures import png
from tests.support.serving import blog
from tests.web.test_live_page import Site

PASSWORD = "a long enough one"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return one server for all tests, and the session of its owner `ora`."""
    made = Site(tmp_path_factory.mktemp("pages"))
    blog(made.folder, "user", "create", "ora", "ora@example.org", "--role", "owner", "--password-stdin", stdin=PASSWORD)
    (made.folder / ".env").write_text("RATE_LIMIT=off\n")
    with made.up():
        form = {"username": "ora", "password": PASSWORD}
        made.session = httpx.post(f"{made.base}/login", data=form, headers={"Origin": made.base}).cookies["session"]
        yield made


@pytest.fixture
def site(server: Site) -> Site:
    """Return a blog with two drafts of pages."""
    with contextlib.closing(sqlite3.connect(server.folder / "blog.db")) as database:
        for table in ("autosaves", "static_pages"):
            database.execute(f"DELETE FROM {table}")  # noqa: S608 (a name from above)
        database.commit()
    for title in ("Imprint", "Contact"):
        form = {"title": title, "content": "Some text."}
        made = httpx.post(
            f"{server.base}/admin/pages/new", data=form, cookies={"session": server.session}, headers={"Origin": server.base}
        )
        assert made.status_code == 303
    return server


@pytest.fixture
def context(site: Site, browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 360, "height": 800})
    opened.set_default_timeout(20_000)
    opened.add_cookies([{"name": "session", "value": site.session, "url": site.base}])
    faults: list[str] = []
    opened.on("weberror", lambda error: faults.append(str(error.error)))
    yield opened
    opened.close()
    assert faults == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def text(page: Page) -> Locator:
    return page.locator("#field-content")


def state(page: Page, words: str) -> None:
    page.locator(".editor-state").get_by_text(words).wait_for()


def page_ids(site: Site) -> list[int]:
    with contextlib.closing(sqlite3.connect(site.folder / "blog.db")) as database:
        return [row[0] for row in database.execute("SELECT id FROM static_pages ORDER BY id")]


def test_page_is_written_restored_and_published(site: Site, page: Page, context: BrowserContext) -> None:
    page.goto(f"{site.base}/admin/pages/new")
    title = page.get_by_label("Title", exact=True)
    one_line = title.bounding_box()
    title.fill("About the people who weave, and about their looms and wheels")
    grown = title.bounding_box()
    assert unwrap(grown)["height"] > unwrap(one_line)["height"]
    text(page).fill("# Us\n\n<form>A</form> few words.")
    assert page.locator(".editor-count").inner_text() == "4 words · 1 min read"
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("Not allowed, and removed: <form>").wait_for()
    page.get_by_role("button", name="Write", exact=True).click()
    state(page, "Saved on the server")
    page.close(run_before_unload=False)
    page = context.new_page()
    page.goto(f"{site.base}/dashboard")
    page.get_by_role("link", name="About the people", exact=False).first.click()
    page.get_by_text("Restored unsaved text from").wait_for()
    page.locator("#editor-file").set_input_files(FilePayload(name="loom.png", mimeType="image/png", buffer=png(30, 20)))
    page.get_by_role("dialog", name="Insert image").get_by_label("Alt text").fill("A loom")
    page.get_by_role("button", name="Insert").click()
    expect(text(page)).to_have_value(re.compile(r"!\[A loom\]\(/media/"))
    page.get_by_role("button", name="Save draft").click()
    page.get_by_text("Draft saved.").wait_for()
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_role("heading", name="Publish About the people").wait_for()
    page.get_by_role("button", name="Publish now").click()
    page.get_by_text("Everyone can read this page at").wait_for()
    assert page.locator("article img[alt='A loom']").count() == 1


def test_unsaved_text_is_offered_in_its_own_editor_alone(site: Site, page: Page, context: BrowserContext) -> None:
    first, second = (f"/admin/pages/{number}" for number in page_ids(site))
    page.goto(site.base + first)
    context.set_offline(True)
    text(page).fill("Typed in a tunnel.")
    state(page, "Saved in this browser only")
    with contextlib.suppress(Exception), page.expect_event("crash"):
        page.goto("chrome://crash")  # nothing is sent when the page is left
    page.close()
    context.set_offline(False)
    offer = "Unsaved text in this browser"
    for other in (second, "/admin/pages/new", "/write"):
        page = context.new_page()
        page.goto(site.base + other)
        page.locator(".editor-toolbar").wait_for()
        assert page.get_by_role("region", name=offer).count() == 0, other
    page.goto(site.base + first)
    page.get_by_role("region", name=offer).get_by_role("button", name="Restore").click()
    assert text(page).input_value() == "Typed in a tunnel."
