"""The upload form of the media library in a real browser: several files, each with its progress and its error."""

from playwright.sync_api import FilePayload, Page, Route, expect

from tests.support.pictures import png
from tests.web.posts.test_editor_browser import context, page, server, site
from tests.web.test_live_page import Site

__all__ = ["context", "page", "server", "site"]


def test_each_file_has_its_progress_and_its_error(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/media-library")
    held: list[Route] = []
    page.route("**/api/v1/media", lambda route: route.continue_() if held else held.append(route))
    contents = {"red": png(9, 9, "red"), "broken": b"no image", "blue": png(9, 9, "blue")}
    files: list[FilePayload] = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": data} for n, data in contents.items()]
    page.get_by_label("Files").set_input_files(files)
    with page.expect_request("**/api/v1/media"):
        page.get_by_role("button", name="Upload").click()
    rows = page.locator(".upload-list li")
    for name in contents:
        expect(page.get_by_role("progressbar", name=f"{name}.png")).to_be_visible()
    held[0].continue_()
    expect(rows.nth(2)).to_contain_text("Uploaded.")
    expect(rows.nth(0)).to_contain_text("Uploaded.")
    expect(rows.nth(1)).to_contain_text("Not uploaded: ")
    expect(rows.nth(1).get_by_role("button", name="Try again")).to_be_visible()
    page.get_by_label("Files").set_input_files([files[0], files[2]])
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("2 files uploaded.").wait_for()
    for name in ("red.png", "blue.png"):
        expect(page.get_by_role("link", name=name)).to_be_visible()
