"""The life of a post in a real browser: every field, two authors, a phone and a desktop, with and without JavaScript."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.pictures import png
from tests.support.serving import blog
from tests.web.test_live_page import Site

PASSWORD = "a long enough one"
PHONE, DESKTOP = ViewportSize(width=360, height=740), ViewportSize(width=1280, height=800)
FIELDS = {
    "title": "On looms",
    "content": "They *weave* patterns.",
    "tags": "threads, cards",
    "authors": "ada, eve",
    "custom_excerpt": "Looms in short",
    "feature_image_alt": "A wooden loom",
    "feature_image_caption": "In Lyon",
    "slug": "looms",
    "meta_title": "Looms explained",
    "meta_description": "All about looms",
    "language": "en-GB",
}
SEEN_BY_READERS = {
    "h1": "On looms",
    ".prose": "They weave patterns.",
    ".post-header": "cards",
    ".byline": "By ada and eve",
    ".feature-image figcaption": "In Lyon",
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path, owner="ora")
    for name, role in (("ada", "author"), ("eve", "editor")):
        options = ("--role", role, "--password-stdin")
        blog(tmp_path, "user", "create", name, f"{name}@example.net", *options, stdin=PASSWORD)
    return made


@contextlib.contextmanager
def visiting(site: Site, browser: Browser, viewport: ViewportSize, *, username: str = "", scripts: bool) -> Iterator[Page]:
    """Open a page in a new browser; with a username, the user is signed in. A JavaScript error fails the test."""
    context = browser.new_context(java_script_enabled=scripts, viewport=viewport)
    if username:
        form = {"username": username, "password": PASSWORD}
        answer = httpx.post(f"{site.base}/login", data=form, headers={"Origin": site.base})
        context.add_cookies([{"name": "session", "value": answer.cookies["session"], "url": site.base}])
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert faults == []


def upload_image(site: Site, page: Page) -> str:
    """Upload an image on the page of the media library, and return its path."""
    page.goto(f"{site.base}/media-library")
    page.locator("input[type=file]").first.set_input_files({"name": "loom.png", "mimeType": "image/png", "buffer": png(600, 400)})
    upload = page.get_by_role("button", name="Upload", exact=True)
    if upload.is_visible():
        upload.click()
    page.locator(".media-preview, a[href='/media-library/1']").first.wait_for()
    page.goto(f"{site.base}/media-library/1")
    path = page.locator(".media-preview a").get_attribute("href") or ""
    assert httpx.get(f"{site.base}{path}").headers["content-type"] == "image/png"
    return path


def fill(page: Page, fields: dict[str, str]) -> None:
    closed = page.locator("details.settings-group:not([open]) > summary")
    while closed.count():
        closed.first.click()
    for name, value in fields.items():
        page.locator(f"form.editor-form [name={name}]:not([type=hidden])").fill(value)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def write_a_draft(site: Site, page: Page) -> None:
    path = upload_image(site, page)
    page.goto(f"{site.base}/write")
    fill(page, FIELDS | {"feature_image_url": path})
    press(page, "Save draft")
    expect(page.locator("[role=status]").filter(has_text="Draft saved")).to_be_visible()
    page.goto(f"{site.base}/posts/looms/edit")
    for name, value in FIELDS.items():
        assert page.locator(f"form.editor-form [name={name}]:not([type=hidden])").input_value() == value, name


def schedule_and_return_to_draft(site: Site, page: Page) -> None:
    press(page, "Schedule")
    page.get_by_label("Time").fill("2099-01-01T10:00")
    page.locator("#schedule").get_by_role("button", name="Schedule").click()
    page.goto(f"{site.base}/posts/looms/edit")
    expect(page.locator(".editor-status strong")).to_have_text("Scheduled")
    press(page, "Save as draft")
    page.goto(f"{site.base}/posts/looms/edit")
    expect(page.locator(".editor-status strong")).to_have_text("Draft")


def publish(page: Page) -> None:
    press(page, "Publish")
    expect(page.locator(".publication")).to_contain_text("Everyone, and search engines may list it.")
    press(page, "Publish now")
    expect(page.locator("main")).to_contain_text("Everyone can read this post at")


def feature_and_back_date(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/posts/looms")
    page.get_by_role("link", name="Edit", exact=True).click()
    fill(page, {"published_at": "2020-02-29T12:00", "canonical_url": "https://elsewhere.example/looms"})
    page.get_by_label("Feature this post").check()
    page.get_by_label("Allow comments").uncheck()
    press(page, "Save changes")
    page.wait_for_url(re.compile(r"/posts/looms(\?.*)?$"))


def read_as_a_visitor(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/")
    expect(page.locator("#featured")).to_contain_text("Looms in short")
    page.locator("#featured").get_by_role("link", name="On looms").click()
    for selector, words in SEEN_BY_READERS.items():
        expect(page.locator(f"main {selector}").first).to_contain_text(words)
    expect(page.locator("main .feature-image img")).to_have_attribute("alt", "A wooden loom")
    expect(page.locator("main article time").first).to_have_attribute("datetime", re.compile("^2020-02-29T12:00:00"))
    expect(page.locator("main")).to_contain_text("Comments are closed.")
    expect(page.locator("article.post")).to_have_attribute("lang", "en-GB")
    head = {
        "meta[name=description]": "All about looms",
        "meta[property='og:title']": "Looms explained",
        "meta[property='og:image:alt']": "A wooden loom",
    }
    for selector, content in head.items():
        expect(page.locator(selector)).to_have_attribute("content", content)
    expect(page.locator("link[rel=canonical]")).to_have_attribute("href", "https://elsewhere.example/looms")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen"


def save_over_a_newer_version(site: Site, page: Page) -> None:
    """Save a form that was opened before another author's change: both changes are kept."""
    page.goto(f"{site.base}/posts/looms/edit")
    [post] = site.api("GET", "/posts")["items"]
    site.api("PATCH", f"/posts/{post['id']}", tags=["threads", "punched cards"])
    fill(page, {"content": "They *weave* many patterns."})
    press(page, "Save changes")
    expect(page.locator("h1")).to_contain_text("Edit conflict")
    press(page, "Save merged version")
    page.wait_for_url(re.compile(r"/posts/looms(\?.*)?$"))
    expect(page.locator(".prose")).to_contain_text("many patterns")
    expect(page.locator(".post-header")).to_contain_text("punched cards")


def restore_the_first_version(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/posts/looms/history")
    page.goto(f"{site.base}/posts/looms/history/1")
    expect(page.locator(".diff-summary")).to_contain_text("A wooden loom")
    press(page, "Restore this version")
    page.goto(f"{site.base}/posts/looms")
    expect(page.locator(".prose")).to_contain_text("They weave patterns.")


def delete_and_restore(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/posts/looms/delete")
    press(page, "Delete post")
    assert httpx.get(f"{site.base}/posts/looms").status_code == 404
    page.goto(f"{site.base}/dashboard")
    page.get_by_role("button", name="Restore On looms").click()
    assert httpx.get(f"{site.base}/posts/looms").status_code == 200


@pytest.mark.parametrize(
    ("scripts", "first", "second"),
    [(True, PHONE, DESKTOP), (False, DESKTOP, PHONE)],
    ids=["a phone, then a desktop", "a desktop, then a phone, without JavaScript"],
)
def test_life_of_a_post(site: Site, browser: Browser, scripts: bool, first: ViewportSize, second: ViewportSize) -> None:
    with site.up():
        with visiting(site, browser, first, username="ada", scripts=scripts) as page:
            write_a_draft(site, page)
            schedule_and_return_to_draft(site, page)
            publish(page)
        with visiting(site, browser, second, username="eve", scripts=scripts) as page:
            feature_and_back_date(site, page)
        for viewport in (PHONE, DESKTOP):
            with visiting(site, browser, viewport, scripts=True) as page:
                read_as_a_visitor(site, page)
        with visiting(site, browser, second, username="eve", scripts=scripts) as page:
            save_over_a_newer_version(site, page)
            restore_the_first_version(site, page)
        with visiting(site, browser, first, username="ada", scripts=scripts) as page:
            delete_and_restore(site, page)
