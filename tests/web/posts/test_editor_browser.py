"""The editor in a real browser: its additions to the form, and the recovery of unsaved text."""

import base64
import contextlib
import datetime as dt
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, Route, expect

from blog.text.formats import formats
from tests.support.axe import violations
from tests.support.pictures import png
from tests.support.serving import blog
from tests.web.test_live_page import Site

PASSWORD = "a long enough one"
HAND_OVER = """([kind, name, type, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, {type}));
  const options = {bubbles: true, cancelable: true};
  const area = document.getElementById("field-content");
  area.focus();
  area.dispatchEvent(kind === "paste" ? new ClipboardEvent(kind, {...options, clipboardData: data})
                                      : new DragEvent(kind, {...options, dataTransfer: data}));
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return one server for all tests: its start takes longer than most of them."""
    made = Site(tmp_path_factory.mktemp("editor"))
    blog(made.folder, "user", "create", "bob", "bob@example.org", "--role", "editor", "--password-stdin", stdin=PASSWORD)
    (made.folder / ".env").write_text("RATE_LIMIT=off\n")  # all tests together are faster than people
    with made.up():
        form = {"username": "bob", "password": PASSWORD}
        answer = httpx.post(f"{made.base}/login", data=form, headers={"Origin": made.base})
        made.session = answer.cookies["session"]
        yield made


@pytest.fixture
def site(server: Site) -> Site:
    """Return a blog without posts."""
    with contextlib.closing(sqlite3.connect(server.folder / "blog.db")) as database:
        database.execute("PRAGMA foreign_keys = ON")
        for table in ("posts", "posts_fts", "autosaves", "tags"):
            database.execute(f"DELETE FROM {table}")  # noqa: S608 (a name from above)
        database.commit()
    return server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(timezone_id="America/St_Johns", locale="en-GB")
    opened.set_default_timeout(20_000)
    faults: list[str] = []
    opened.on("weberror", lambda error: faults.append(str(error.error)))
    yield opened
    opened.close()
    assert faults == []


def sign_in(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/login")
    page.get_by_label("Username or e-mail address").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.base}/")


@pytest.fixture
def page(site: Site, context: BrowserContext) -> Page:
    context.add_cookies([{"name": "session", "value": site.session, "url": site.base}])
    return context.new_page()


def text(page: Page) -> Locator:
    return page.locator("#field-content")


def tool(page: Page, name: str) -> Locator:
    return page.get_by_role("toolbar").get_by_role("button", name=name, exact=True)


def state(page: Page, words: str) -> None:
    page.locator(".editor-state").get_by_text(words).wait_for()


def stored_autosaves(site: Site) -> list[Any]:
    with contextlib.closing(sqlite3.connect(site.folder / "blog.db")) as database:
        return database.execute("SELECT id FROM autosaves").fetchall()


def select(page: Page, start: int, end: int) -> None:
    text(page).evaluate("(area, [start, end]) => { area.focus(); area.setSelectionRange(start, end); }", [start, end])


TOOLS = [
    ("Bold", "so much", (3, 7), "so **much**"),
    ("Bold", "so **much**", (5, 9), "so much"),
    ("Italic", "so **much**", (5, 9), "so ***much***"),
    ("Italic", "so ***much***", (6, 10), "so **much**"),
    ("Heading", "one\ntwo", (5, 5), "one\n## two"),
    ("Heading", "## two", (4, 4), "two"),
    ("Link", "see here", (4, 8), "see [here](https://)"),
    ("Link", "https://example.org/", (0, 20), "[link text](https://example.org/)"),
    ("List", "one\ntwo\nthree", (0, 7), "- one\n- two\nthree"),
    ("Numbered list", "- one\n- two", (0, 11), "1. one\n2. two"),
    ("Quote", "> one", (0, 5), "one"),
    ("Code", "a b", (2, 3), "a `b`"),
    ("Code", "a\nb", (0, 3), "```\na\nb\n```\n\n"),
    ("Footnote", "word[^1]\n\n[^1]: x", (4, 4), "word[^2][^1]\n\n[^1]: x\n\n[^2]: "),
    ("Table", "x", (1, 1), "x\n\n| Column | Column |\n| --- | --- |\n| Cell | Cell |\n\n"),
]


def test_toolbar_changes_the_text_and_undo_reverts_it(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    for name, before, selection, after in TOOLS:
        text(page).fill(before)
        select(page, *selection)
        tool(page, name).click()
        assert text(page).input_value() == after, name
        assert text(page).evaluate("area => area === document.activeElement")
        steps = 0
        while text(page).input_value() != before:
            page.keyboard.press("Control+z")
            steps += 1
            assert steps < 4, f"{name}: undo left {text(page).input_value()!r}"


def test_keyboard_shortcuts_equal_the_toolbar(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    text(page).focus()
    page.keyboard.press("Control+b")
    page.keyboard.type("strong")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Shift+Digit8")
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.type("7) seven")
    page.keyboard.press("Enter")
    page.keyboard.type("eight")
    assert text(page).input_value() == "**strong**\n- one\n- two\n7) seven\n8) eight"
    page.keyboard.press("Control+/")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    assert dialog.locator("dt").all_inner_texts()[:3] == ["Bold", "Italic", "Heading"]
    assert dialog.locator("dd").first.inner_text() == "Ctrl B"
    page.keyboard.press("Escape")
    assert text(page).evaluate("area => area === document.activeElement")
    assert text(page).evaluate("area => area.selectionStart") == len("**strong**\n- one\n- two\n7) seven\n8) eight")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "field-tags", "the Tab key is never trapped"


def test_toolbar_is_one_stop_of_the_tab_key(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    focused = "document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"
    page.get_by_label("Title", exact=True).focus()
    page.keyboard.press("Tab")
    seen = [page.evaluate(focused)]
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft", "Home", "End", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
        seen.append(page.evaluate(focused))
    last = "Keyboard shortcuts"
    assert seen == ["Bold", "Italic", "Bold", last, "Bold", last, "Bold", "Italic"]
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Write"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(focused) == "Italic", "back to where one was"


def test_preview_is_rendered_by_the_server_and_the_view_is_remembered(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    assert page.get_by_role("region", name="Preview").count() == 0
    page.get_by_label("Title", exact=True).fill("On engines")
    text(page).fill("It *weaves*.[^1]\n\n[^1]: Patterns.")
    page.get_by_role("button", name="Both").click()
    preview = page.get_by_role("region", name="Preview")
    assert preview.locator("em").inner_text() == "weaves"
    assert preview.locator(".footnotes").inner_text().startswith("Patterns.")
    assert preview.locator(".editor-preview-title").inner_text() == "On engines"
    text(page).press("Control+End")
    page.keyboard.type(" And **more**.")
    preview.locator("strong").wait_for()
    state(page, "Saved on the server")
    page.reload()
    assert page.get_by_role("button", name="Both").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Preview").click()
    assert text(page).is_hidden()
    page.get_by_role("button", name="Write", exact=True).click()
    assert page.get_by_role("region", name="Preview").count() == 0
    assert text(page).is_visible()


def test_preview_shows_the_response_to_the_latest_request(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if "first" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/write/preview", hold_first)
    text(page).fill("first")
    with page.expect_request("**/write/preview"):
        page.get_by_role("button", name="Both").click()
    text(page).fill("second")
    page.locator("#editor-preview-text").get_by_text("second").wait_for()
    for route in held:
        with contextlib.suppress(Exception):  # it was given up by the page
            route.fulfill(body="<p>first</p>")
    text(page).fill("third")
    page.locator("#editor-preview-text").get_by_text("third").wait_for()
    assert page.locator("#editor-preview-text").inner_text() == "third"
    page.unroute("**/write/preview")
    page.route("**/write/preview", lambda route: route.fulfill(status=503))
    text(page).fill("fourth")
    page.get_by_text("Preview not up to date: the server returned status 503.").wait_for()
    assert page.locator("#editor-preview-text").inner_text() == "third"


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_image_is_described_uploaded_and_inserted_at_the_cursor(site: Site, page: Page, way: str) -> None:
    page.goto(f"{site.base}/write")
    text(page).fill("Before.\n\nAfter.")
    select(page, 9, 9)
    page.evaluate(HAND_OVER, [way, "red.png", "image/png", base64.b64encode(png(30, 20)).decode()])
    dialog = page.get_by_role("dialog", name="Insert image")
    assert dialog.get_by_text("red.png").is_visible()
    page.keyboard.type("A [red] wall")
    page.keyboard.press("Enter")
    expect(text(page)).to_have_value(re.compile(r"\]\(/media/"))
    value = text(page).input_value()
    assert value.startswith("Before.\n\n![A \\[red\\] wall](/media/")
    assert value.endswith(".png)\n\nAfter.")
    page.get_by_role("button", name="Both").click()
    image = page.get_by_role("region", name="Preview").get_by_role("img", name="A [red] wall")
    image.scroll_into_view_if_needed()
    image.evaluate("image => image.decode()")
    assert image.evaluate("image => image.naturalWidth") == 30


def choose_files(page: Page, **contents: bytes) -> Locator:
    """Choose files by “/gallery”, and return the dialog that asks for their alt texts and their order."""
    page.on("filechooser", lambda _: None)  # so that the browser reports it from now on
    text(page).press_sequentially("/gal")
    page.get_by_role("option", name="Gallery").wait_for()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    files: list[FilePayload] = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": data} for n, data in contents.items()]
    chooser.value.set_files(files)
    return page.get_by_role("dialog", name="Insert gallery")


def test_several_images_become_a_gallery_in_the_chosen_order(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    dialog = choose_files(page, red=png(9, 9, "red"), blue=png(9, 9, "blue"), gold=png(9, 9, "gold"), grey=png(9, 9, "grey"))
    expect(dialog.get_by_label("Alt text of red.png")).to_be_focused()
    for name in ("red", "blue", "gold"):
        dialog.get_by_label(f"Alt text of {name}.png").fill(f"A {name} square")
    assert violations(page) == []
    expect(dialog.get_by_role("button", name="Move up red.png")).to_be_disabled()
    dialog.get_by_role("button", name="Move up gold.png").focus()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("button", name="Move up gold.png")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("button", name="Move down gold.png")).to_be_focused()
    dialog.get_by_role("button", name="Move down red.png").press("Enter")
    dialog.get_by_role("button", name="Remove grey.png").press("Enter")
    dialog.get_by_role("button", name="Insert").press("Enter")
    images = [rf"!\[A {name} square\]\(/media/\S+\)" for name in ("gold", "blue", "red")]
    expect(text(page)).to_have_value(re.compile(rf"^{chr(10).join(images)}\s*$"))
    expect(page.get_by_role("progressbar")).to_have_count(0)


def test_a_failing_image_of_a_gallery_does_not_lose_the_others(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    held: list[Route] = []
    page.route("**/api/v1/media", lambda route: route.continue_() if held else held.append(route))
    dialog = choose_files(page, red=png(9, 9, "red"), broken=b"no image", blue=png(9, 9, "blue"))
    with page.expect_request("**/api/v1/media"):
        dialog.get_by_role("button", name="Insert").click()
    for name in ("red", "broken", "blue"):
        expect(page.get_by_role("progressbar", name=f"Upload of {name}.png")).to_be_visible()
    held[0].continue_()
    page.get_by_text("broken.png was not uploaded: ").wait_for()
    expect(text(page)).to_have_value(re.compile(r"^!\[\]\(/media/\S+\)\n!\[\]\(/media/\S+\)\s*$"))


def test_cancelled_image_dialog_uploads_nothing(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    text(page).fill("Text")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/media" in request.url else None)
    page.locator("#editor-file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png(9, 9)})
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").wait_for(state="hidden")
    assert text(page).input_value() == "Text"
    assert sent == []


def test_refused_upload_shows_the_reason_and_can_be_retried(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    text(page).fill("Text")
    page.route("**/api/v1/media", lambda route: route.fulfill(status=403, json={"detail": "Uploads are turned off"}))
    page.locator("#editor-file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png(9, 9)})
    page.get_by_role("dialog").get_by_role("button", name="Insert").click()
    page.get_by_text("a.png was not uploaded: Uploads are turned off").wait_for()
    assert text(page).input_value().strip() == "Text"
    page.unroute("**/api/v1/media")
    page.get_by_role("button", name="Try again").click()
    expect(text(page)).to_have_value(re.compile(r"!\[\]\(/media/"))
    assert page.get_by_role("button", name="Try again").count() == 0


def test_post_is_not_saved_during_an_upload(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    page.get_by_label("Title", exact=True).fill("On engines")
    held: list[Route] = []
    page.route("**/api/v1/media", lambda route: held.append(route))
    page.locator("#editor-file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png(9, 9)})
    with page.expect_request("**/api/v1/media"):
        page.get_by_role("dialog").get_by_role("button", name="Insert").click()
    assert "![Uploading a.png" in text(page).input_value()
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_text("An image is still uploading").wait_for()
    held[0].continue_()
    expect(text(page)).to_have_value(re.compile(r"!\[\]\(/media/"))
    page.get_by_role("button", name="Publish", exact=True).click()
    publish_now(site, page)


def test_tags_are_completed_by_keyboard_and_by_mouse(site: Site, page: Page) -> None:
    site.post("One", tags=["gardening", "games", "maths"])
    site.post("Two", tags=["games"])
    page.goto(f"{site.base}/write")
    field = page.get_by_role("combobox", name="Tags")
    field.press_sequentially("maths, ga")
    options = page.get_by_role("option")
    options.first.wait_for()
    assert options.all_inner_texts() == ["games", "gardening"], "what is used most comes first"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    active = field.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").inner_text() == "gardening"
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    assert field.input_value() == "maths, gardening, "
    assert page.url == f"{site.base}/write", "Enter chose a tag and sent nothing"
    page.keyboard.type("a")
    options.first.wait_for()
    assert options.all_inner_texts() == ["games"], "what is there already is not offered"
    page.keyboard.press("Escape")
    assert options.count() == 0
    assert field.get_attribute("aria-expanded") == "false"
    page.keyboard.type("m")
    options.first.click()
    assert field.input_value() == "maths, gardening, games, "


def test_words_are_counted_as_they_are_typed(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    text(page).fill("One *two* three—four, it’s 5.")
    assert page.locator(".editor-count").inner_text() == "6 words · 1 min read"
    text(page).fill("word " * 1150)
    assert page.locator(".editor-count").inner_text() == "1,150 words · 5 min read"


def test_text_is_stored_offline_and_sent_to_the_server_later(site: Site, page: Page, context: BrowserContext) -> None:
    page.goto(f"{site.base}/write")
    context.set_offline(True)
    page.get_by_label("Title", exact=True).fill("On engines")
    text(page).fill("Typed in a tunnel.")
    state(page, "Saved in this browser only: offline")
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_text("Not saved: the server could not be reached.").wait_for()
    assert text(page).input_value() == "Typed in a tunnel."
    assert stored_autosaves(site) == []
    context.set_offline(False)
    state(page, "Saved on the server")
    assert len(stored_autosaves(site)) == 1
    assert page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('blog:text:'))") == []
    page.get_by_role("button", name="Publish", exact=True).click()
    publish_now(site, page)
    assert stored_autosaves(site) == []


def publish_now(site: Site, page: Page) -> None:
    """Publish the post of the page that the button “Publish” of the editor leads to."""
    page.wait_for_url(f"{site.base}/posts/on-engines/publish")
    page.get_by_role("button", name="Publish now").click()
    page.get_by_text("Everyone can read this post at").wait_for()


def test_search_result_and_shared_link_are_previewed(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    page.get_by_label("Title", exact=True).fill("On engines")
    text(page).fill("They *weave* [patterns](https://example.org/).")
    page.get_by_text("Search and sharing").click()
    shown = page.get_by_role("group", name="Preview for search engines and shared links")
    expect(shown.locator("[data-part=title]")).to_have_text("On engines")
    expect(shown.locator("[data-part=card-description]")).to_have_text("They weave patterns.")
    page.get_by_label("URL slug").fill("engines")
    page.get_by_label("Search title").fill("Engines " * 10)
    page.get_by_label("Search description").fill("How they weave.")
    expect(shown.locator("[data-part=address]")).to_have_text(re.compile(r"/posts/engines$"))
    expect(shown.locator("[data-part=description]")).to_have_text("How they weave.")
    expect(shown.locator("[data-part=lengths]")).to_have_text(
        "Title: 79 characters, search engines show about 60. Description: 15 of about 155 characters."
    )


def crash(page: Page) -> None:
    with contextlib.suppress(Exception), page.expect_event("crash"):
        page.goto("chrome://crash")
    page.close()


def test_text_of_a_tab_that_crashed_is_offered_by_the_server(site: Site, page: Page, context: BrowserContext) -> None:
    page.goto(f"{site.base}/write")
    page.get_by_label("Title", exact=True).fill("Half a post")
    text(page).fill("Hours of work")
    state(page, "Saved on the server")
    crash(page)
    again = context.new_page()
    again.goto(f"{site.base}/write")
    again.get_by_role("link", name="Continue editing “Half a post”").click()
    again.get_by_text("Restored unsaved text from").wait_for()
    assert text(again).input_value() == "Hours of work"
    again.get_by_role("button", name="Save draft").click()
    again.wait_for_url(f"{site.base}/posts/half-a-post/edit?saved=1")
    assert stored_autosaves(site) == []


def test_text_of_a_tab_that_crashed_offline_is_offered_by_the_browser(site: Site, page: Page, context: BrowserContext) -> None:
    post = site.post("On engines")
    page.goto(f"{site.base}/posts/on-engines/edit")
    context.set_offline(True)
    text(page).fill("Hours of work")
    state(page, "Saved in this browser only")
    crash(page)
    context.set_offline(False)
    again = context.new_page()
    again.goto(f"{site.base}/posts/on-engines/edit")
    notice = again.get_by_role("region", name="Unsaved text in this browser")
    assert "“On engines”" in notice.inner_text()
    assert text(again).input_value() == "Some text."
    notice.get_by_role("button", name="Restore").click()
    assert text(again).input_value() == "Hours of work"
    assert again.get_by_role("region", name="Unsaved text in this browser").count() == 0
    again.get_by_role("button", name="Save changes").click()
    again.wait_for_url(f"{site.base}/posts/on-engines")
    assert site.api("GET", f"/posts/{post['id']}")["content"] == "Hours of work"
    again.goto(f"{site.base}/posts/on-engines/edit")
    assert again.get_by_text("unsaved text").count() == 0


def test_text_kept_in_the_browser_can_be_discarded(site: Site, page: Page, context: BrowserContext) -> None:
    page.goto(f"{site.base}/write")
    context.set_offline(True)
    text(page).fill("Not worth it")
    state(page, "Saved in this browser only")
    crash(page)
    context.set_offline(False)
    again = context.new_page()
    again.goto(f"{site.base}/write")
    again.get_by_role("button", name="Discard").click()
    again.reload()
    assert again.get_by_role("button", name="Discard").count() == 0
    assert text(again).input_value() == ""


def test_two_new_posts_in_two_tabs_are_kept_apart(site: Site, page: Page, context: BrowserContext) -> None:
    other = context.new_page()
    for tab, title in ((page, "One"), (other, "Two")):
        tab.goto(f"{site.base}/write")
        tab.get_by_label("Title", exact=True).fill(title)
    for tab in (page, other):
        state(tab, "Saved on the server")
    page.goto(f"{site.base}/dashboard")
    page.get_by_role("heading", name="Unfinished").wait_for()
    assert sorted(page.locator("section:has(#posts-unfinished) .item-title").all_inner_texts()) == ["One", "Two"]


def test_page_warns_before_leaving_only_with_unsaved_changes(site: Site, page: Page, context: BrowserContext) -> None:
    page.goto(f"{site.base}/write")
    context.set_offline(True)
    text(page).press_sequentially("Unsaved")
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    context.set_offline(False)
    state(page, "Saved on the server")
    page.on("dialog", lambda dialog: pytest.fail(f"asked: {dialog.type}"))
    page.goto(f"{site.base}/dashboard")
    page.get_by_role("heading", name="Unfinished").wait_for()


def test_end_of_the_session_loses_no_text(site: Site, page: Page, context: BrowserContext) -> None:
    page.goto(f"{site.base}/write")
    context.clear_cookies()
    page.get_by_label("Title", exact=True).fill("On engines")
    text(page).fill("Hours of work")
    page.get_by_text("You are signed out. Your text is saved in this browser only.").wait_for()
    state(page, "Saved in this browser only: you are signed out")
    page.get_by_role("button", name="Publish", exact=True).click()
    with context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in a new tab").click()
    opened.value.wait_for_load_state()
    sign_in(site, opened.value)
    text(page).press("End")
    page.keyboard.type(", saved")
    state(page, "Saved on the server")
    assert page.get_by_text("You are signed out").count() == 0
    page.get_by_role("button", name="Publish", exact=True).click()
    publish_now(site, page)
    assert "Hours of work, saved" in page.content()


def test_publication_time_is_in_the_time_zone_of_the_blog(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    page.get_by_label("Title", exact=True).fill("On engines")
    text(page).fill("Some text.")
    page.get_by_role("button", name="Schedule").click()
    page.wait_for_url(f"{site.base}/posts/on-engines/publish#schedule")
    moment = page.get_by_label("Time")
    moment.fill("2035-05-05T09:00")  # the browser is in St John’s, 2 h 30 min behind UTC
    assert page.get_by_text("Time in UTC").is_visible()
    page.get_by_role("button", name="Schedule").click()
    page.wait_for_url(f"{site.base}/posts/on-engines")
    assert page.locator(".notice time").get_attribute("datetime") == "2035-05-05T09:00:00Z"
    page.goto(f"{site.base}/posts/on-engines/edit")
    page.locator(".editor-status time").get_by_text("5 May 2035, 09:00 UTC").wait_for()
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(moment).to_have_value("2035-05-05T09:00")
    page.get_by_role("link", name="Back to the editor").click()
    page.get_by_role("button", name="Save as draft").click()
    page.get_by_text("Draft saved.").wait_for()
    assert page.locator(".editor-status time").count() == 0


def test_times_in_the_editor_are_in_the_time_zone_of_the_blog(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    page.locator("#editor").evaluate("editor => (editor.dataset.timeZone = 'Europe/Berlin')")
    text(page).fill("Some text.")
    state(page, "Saved on the server")
    clock = page.locator(".editor-state").inner_text().removeprefix("Saved on the server ")
    shown = [formats("en", "Europe/Berlin").time(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=age)) for age in (0, 1)]
    assert clock in shown, "the browser is in St John’s"


def test_time_in_the_past_keeps_its_value(site: Site, page: Page) -> None:
    post = site.post("On engines", status="draft")
    page.goto(f"{site.base}/posts/{post['slug']}/publish")
    page.get_by_label("Time").fill("2001-05-05T09:00")
    page.locator(".publish-later").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Schedule").click()
    page.get_by_text("Time: A scheduled post needs a time in the future").wait_for()
    expect(page.get_by_label("Time")).to_have_value("2001-05-05T09:00")


def test_invalid_form_keeps_its_values(site: Site, page: Page) -> None:
    page.goto(f"{site.base}/write")
    page.get_by_label("Title", exact=True).fill("On engines")
    page.get_by_label("URL slug").fill("no spaces")
    page.get_by_role("button", name="Schedule").click()
    page.get_by_role("heading", name="Please fix the following").wait_for()
    expect(page.get_by_label("URL slug")).to_have_value("no spaces")
    state(page, "Saved on the server")
    assert len(stored_autosaves(site)) == 1, "the same text, kept in the same place"


def saved(site: Any) -> list[tuple[str, str, str]]:
    """The title, the text and the status of each post."""
    with contextlib.closing(sqlite3.connect(site.folder / "blog.db")) as database:
        return database.execute("SELECT title, content, status FROM posts ORDER BY id").fetchall()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
@pytest.mark.parametrize("path", ["/write", "/posts/on-engines/edit"])
def test_enter_in_a_line_sends_nothing(site: Any, browser: Browser, scripts: bool, path: str) -> None:
    site.post("On engines")
    context = browser.new_context(java_script_enabled=scripts)
    try:
        context.add_cookies([{"name": "session", "value": site.session, "url": site.base}])
        page = context.new_page()
        page.goto(f"{site.base}{path}")
        sent = []
        page.on("request", lambda request: sent.append(request.url) if request.is_navigation_request() else None)
        for label in ("Title", "Tags optional", "Excerpt optional", "URL slug optional"):
            for key in ("Enter", "Control+Enter", "Meta+Enter"):
                page.get_by_label(label, exact=True).fill("typed")
                page.keyboard.press(key)
        page.get_by_label("Body").fill("Some text.")
        page.keyboard.press("Control+Enter")
        assert page.url == f"{site.base}{path}"
        assert sent == []
    finally:
        context.close()
    assert saved(site) == [("On engines", "Some text.", "published")]


@pytest.mark.parametrize("keys", ["Control+s", "Meta+s"])
def test_keys_save_a_draft_and_writing_goes_on(site: Any, page: Any, keys: str) -> None:
    page.goto(f"{site.base}/write")
    text(page).focus()
    page.keyboard.press(keys)
    assert page.url == f"{site.base}/write", "a post needs a title"
    page.get_by_label("Title", exact=True).fill("On engines")
    page.keyboard.press(keys)
    page.wait_for_url(f"{site.base}/posts/on-engines/edit?saved=1")
    assert saved(site) == [("On engines", "", "draft")]
    text(page).fill("It weaves.")
    select(page, 3, 3)
    page.keyboard.press(keys)
    page.wait_for_url(f"{site.base}/posts/on-engines/edit?saved=2")
    page.keyboard.type("often ")
    assert text(page).input_value() == "It often weaves."
    assert saved(site) == [("On engines", "It weaves.", "draft")]


def test_keys_do_not_publish_changes_of_a_published_post(site: Any, page: Any) -> None:
    site.post("On engines")
    page.goto(f"{site.base}/posts/on-engines/edit")
    text(page).fill("Half a thou")
    page.keyboard.press("Control+s")
    page.get_by_text("Your changes are saved but not public yet.").wait_for()
    assert saved(site) == [("On engines", "Some text.", "published")]
    assert len(stored_autosaves(site)) == 1


def test_empty_post_is_not_published(site: Any, page: Any) -> None:
    page.goto(f"{site.base}/write")
    page.get_by_label("Title", exact=True).fill("On engines")
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_text("This post is empty.").wait_for()
    assert page.get_by_role("button", name="Publish now").count() == 0
    assert saved(site) == [("On engines", "", "draft")]


def boxes(page: Page) -> list[str]:
    """The offers of unsaved text that one sees."""
    offers = page.locator(".autosave-offer, [aria-label='Unsaved text in this browser']")
    return [offer.inner_text() for offer in offers.all() if offer.is_visible()]


@pytest.mark.parametrize("path", ["/write", "/posts/on-engines/edit"])
@pytest.mark.parametrize("loss", ["response", "later text", "both"])
def test_one_text_is_offered_once(site: Any, page: Any, context: Any, path: str, loss: str) -> None:
    site.post("On engines")
    page.goto(f"{site.base}{path}")
    page.get_by_label("Title", exact=True).fill("Half a post")
    if loss == "later text":
        text(page).fill("Hours of")
        state(page, "Saved on the server")
        context.set_offline(True)
    else:  # the server stores the text, and the browser does not learn it
        text(page).fill("Hours of work" if loss == "response" else "Hours of")
        page.route("**/autosave", lambda route: (route.fetch(), route.abort()))
        state(page, "Saved in this browser only")
        page.unroute("**/autosave")
        context.set_offline(True)
    if loss != "response":
        text(page).fill("Hours of work")
        state(page, "Saved in this browser only")
    assert len(stored_autosaves(site)) == 1
    crash(page)
    context.set_offline(False)
    again = context.new_page()
    again.goto(f"{site.base}{path}")
    again.locator(".editor-toolbar").wait_for()
    assert len(boxes(again)) == 1
    if loss == "response":
        again.locator(".autosave-offer").get_by_role("link").click()
        again.get_by_text("Restored unsaved text from").wait_for()
    else:
        again.get_by_role("button", name="Restore").click()
    assert text(again).input_value() == "Hours of work"
    state(again, "Saved on the server") if loss != "response" else None
    assert len(stored_autosaves(site)) == 1, "the newer text replaced the older one"
    again.goto(f"{site.base}{path}")
    again.locator(".editor-toolbar").wait_for()
    assert len(boxes(again)) == 1


def test_older_text_is_offered_when_the_newer_one_is_discarded(site: Any, page: Any, context: Any) -> None:
    page.goto(f"{site.base}/write")
    text(page).fill("Hours of")
    state(page, "Saved on the server")
    context.set_offline(True)
    text(page).fill("Hours of work")
    state(page, "Saved in this browser only")
    crash(page)
    context.set_offline(False)
    again = context.new_page()
    again.goto(f"{site.base}/write")
    again.get_by_role("button", name="Discard", exact=True).click()
    assert len(boxes(again)) == 1
    again.get_by_role("link", name="Continue editing “Untitled”").click()
    assert text(again).input_value() == "Hours of"


@pytest.mark.parametrize("width", [360, 1440])
def test_dialogs_are_in_the_middle_of_the_screen(site: Site, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{site.base}/write")
    tool(page, "Keyboard shortcuts").click()
    box = page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert abs(box["x"] + box["width"] / 2 - width / 2) <= 1
    assert abs(box["y"] + box["height"] / 2 - 400) <= 1


@pytest.mark.parametrize("width", [360, 1440])
def test_saving_is_visible_at_every_field_and_covers_none(site: Site, page: Page, width: int) -> None:
    long = site.post("A long post", content="Some words of a paragraph. " * 400)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{site.base}/posts/{long['slug']}/edit")
    visible = """([label]) => {
      const field = document.activeElement.getBoundingClientRect();
      const state = document.querySelector(".editor-state");
      const box = state.getBoundingClientRect();
      const top = document.elementFromPoint(box.left + 2, box.top + box.height / 2);
      const isOutside = label === "Body optional" || field.top >= box.bottom || field.bottom <= box.top;
      return [state.contains(top), box.top >= 0 && box.bottom <= innerHeight, isOutside];
    }"""
    for label in ("Title", "Body optional", "Tags optional", "Excerpt optional", "URL slug optional"):
        page.get_by_label(label, exact=True).focus()
        page.keyboard.press("Control+End")
        page.keyboard.type("x")
        state(page, "Saved in this browser")
        assert page.evaluate(visible, [label]) == [True, True, True], label
    page.get_by_label("Body").first.focus()
    page.keyboard.type("x")
    page.keyboard.press("Control+End")
    covered = """innerHeight - document.getElementById("field-content").getBoundingClientRect().bottom"""
    assert page.evaluate(covered) >= 0, "the last line is on the screen"
    state(page, "Saved on the server")  # a closing page would send the text while the next test deletes the post
