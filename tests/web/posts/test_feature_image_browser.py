"""The dialog that chooses the feature image of a post, in a real browser."""

import re

import httpx
from playwright.sync_api import FilePayload, Page, expect

from tests.support.axe import violations
from tests.support.pictures import png
from tests.web.media.test_library import LIBRARY
from tests.web.posts.test_editor_browser import context, page, server, site, state
from tests.web.test_live_page import Site

__all__ = ["context", "page", "server", "site"]


def upload(site: Site, name: str, colour: str, alt: str) -> None:
    headers = {"Cookie": f"session={site.session}", "Origin": site.base}
    files = {"file": (name, png(60, 40, colour), "image/png")}
    assert httpx.post(f"{site.base}{LIBRARY}", data={"alt": alt}, files=files, headers=headers).status_code == 303


def test_image_of_the_library_is_chosen_by_keyboard(site: Site, page: Page) -> None:
    upload(site, "loom.png", "teal", "A loom")
    upload(site, "mill.png", "navy", "A mill")
    page.goto(f"{site.base}/write")
    page.get_by_label("Title", exact=True).fill("On looms")
    opener = page.get_by_role("button", name="Choose or upload an image")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Choose an image")
    expect(dialog.get_by_label("File name or alt text")).to_be_focused()
    expect(dialog.get_by_role("button", name="A mill mill.png")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("loom")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("button", name="A mill")).to_have_count(0)
    expect(dialog.get_by_role("button", name="A loom")).to_be_visible()
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="A loom loom.png")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    settings = page.get_by_role("group", name="Feature image")
    expect(settings.get_by_label("Image address")).to_have_value(re.compile("^/media/"))
    expect(settings.get_by_label("Alt text")).to_have_value("A loom")
    expect(settings.locator("img")).to_have_js_property("naturalWidth", 60)
    state(page, "Saved on the server")
    page.get_by_role("button", name="Save draft").click()
    page.get_by_role("link", name="View draft").click()
    expect(page.locator(".feature-image img")).to_have_attribute("alt", "A loom")


def test_image_is_uploaded_in_the_dialog(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    page.get_by_role("button", name="Choose or upload an image").click()
    dialog = page.get_by_role("dialog", name="Choose an image")
    dialog.get_by_label("File", exact=True).set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no image"})
    dialog.get_by_label("Alt text", exact=True).fill("A wheel")
    dialog.get_by_role("button", name="Upload").click()
    expect(dialog.get_by_role("alert")).to_contain_text("a.png cannot be used: ")
    file: FilePayload = {"name": "wheel.png", "mimeType": "image/png", "buffer": png(70, 50, "brown")}
    dialog.get_by_label("File", exact=True).set_input_files(file)
    dialog.get_by_role("button", name="Upload").click()
    expect(dialog).to_be_hidden()
    settings = page.get_by_role("group", name="Feature image")
    expect(settings.get_by_label("Alt text")).to_have_value("A wheel")
    expect(settings.locator("img")).to_have_js_property("naturalWidth", 70)


def test_failure_to_load_the_library_is_explained(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    page.route("**/media-library?*", lambda route: route.fulfill(status=503))
    page.get_by_role("button", name="Choose or upload an image").click()
    page.get_by_text("The images could not be loaded: the server returned status 503.").wait_for()
