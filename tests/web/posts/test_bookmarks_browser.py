"""Bookmark cards in the editor, in a real browser: the menu of blocks, the dialog, and pasted addresses."""

import contextlib
import http.server
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.axe import violations
from tests.support.pictures import png
from tests.support.serving import blog
from tests.web.posts.test_editor_browser import PASSWORD, context, page, site, text
from tests.web.posts.test_paste_browser import paste
from tests.web.test_live_page import Site

__all__ = ["context", "page", "site"]

HEAD = '<title>The [loom]</title><meta name="description" content="How it works."><meta property="og:image" content="/i.png">'


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(1)
        body, kind = (png(30, 20), "image/png") if self.path == "/i.png" else (HEAD.encode(), "text/html")
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """Serve another site. Return its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a blog that may read the other site."""
    made = Site(tmp_path_factory.mktemp("bookmarks"))
    blog(made.folder, "user", "create", "bob", "bob@example.org", "--role", "author", "--password-stdin", stdin=PASSWORD)
    Path(made.folder, ".env").write_text("RATE_LIMIT=off\nOUTGOING_ALLOW_PRIVATE=true\n")
    with made.up(), contextlib.closing(httpx.Client(base_url=made.base, headers={"Origin": made.base})) as client:
        made.session = client.post("/login", data={"username": "bob", "password": PASSWORD}).cookies["session"]
        yield made


def ask(page: Page, address: str) -> None:
    """Choose the block in the menu, and enter an address."""
    page.keyboard.type("/bookmark")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Insert bookmark card")
    dialog.get_by_label("Address of the page").fill(address)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()


def test_block_asks_for_an_address_and_becomes_a_card(site: Site, page: Page, other: str) -> None:
    page.goto(f"{site.base}/write")
    text(page).focus()
    page.keyboard.type("Before\n\n/bookmark")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Insert bookmark card")
    address = dialog.get_by_label("Address of the page")
    expect(address).to_be_focused()
    assert violations(page) == []
    address.fill("loom")
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    address.fill(f"{other}/slow")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Reading the page for the bookmark card…")).to_be_visible()
    expect(text(page)).to_be_focused()
    expect(text(page)).to_have_value(f"Before\n\n{other}/slow\n\n")
    page.keyboard.type("After")
    card = f"> [!BOOKMARK]\n> [The \\[loom\\]]({other}/slow)\n>\n> How it works.\n>\n> ![](/media/"
    expect(page.get_by_text("Reading the page")).to_be_hidden()
    value = text(page).input_value()
    assert value.startswith(f"Before\n\n{card}")
    assert value.endswith(".png)\n\nAfter")
    page.keyboard.type("wards")
    assert text(page).input_value().endswith("\n\nAfterwards"), "the cursor stays where it was"
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.locator(".editor-preview .bookmark").get_by_role("link", name="The [loom]")).to_be_visible()


def test_plain_link_stays_if_the_page_cannot_be_read(site: Site, page: Page, other: str) -> None:
    page.goto(f"{site.base}/write")
    text(page).focus()
    ask(page, f"{other}/missing")
    message = "The text has a plain link instead of a bookmark card. The server of the page returned status 404."
    expect(page.get_by_role("status").get_by_text(message)).to_be_visible()
    expect(text(page)).to_have_value(f"{other}/missing\n\n")


def test_cancelled_dialog_changes_nothing(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    text(page).fill("One\n")
    text(page).press("End")
    page.keyboard.type("/book")
    page.keyboard.press("Enter")
    page.get_by_label("Address of the page").fill("http")
    page.keyboard.press("Escape")
    expect(text(page)).to_be_focused()
    expect(text(page)).to_have_value("One\n")


def test_pasted_address_can_become_a_card(site: Site, page: Page, other: str) -> None:
    page.goto(f"{site.base}/write")
    text(page).fill("One\n\nTwo")
    text(page).evaluate("(area) => area.setSelectionRange(4, 4)")
    paste(page, "", f"{other}/")
    expect(text(page)).to_have_value(f"One\n{other}/\nTwo")
    page.get_by_role("button", name="Make a bookmark card").click()
    expect(text(page)).to_have_value(re.compile("BOOKMARK"))
    value = text(page).input_value()
    assert value.startswith(f"One\n> [!BOOKMARK]\n> [The \\[loom\\]]({other}/)\n>\n")
    assert value.endswith(".png)\n\nTwo"), "the next line does not belong to the card"


def test_offer_is_only_for_an_address_on_an_empty_line(site: Site, page: Page, other: str) -> None:
    page.goto(f"{site.base}/write")
    offer = page.get_by_role("button", name="Make a bookmark card")
    text(page).fill("See ")
    text(page).press("End")
    paste(page, "", f"{other}/")
    expect(text(page)).to_have_value(f"See {other}/")
    expect(offer).to_be_hidden()
    text(page).fill("")
    paste(page, "", f"{other}/")
    expect(offer).to_be_visible()
    page.keyboard.type("x")
    expect(offer).to_be_hidden()
