"""Open pages in a real browser are updated without a reload; no update is lost or shown twice."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute

from tests.support.serving import blog, free_port, serving, wait_until_up


class Site:
    """A blog in a folder, with an owner; it can be stopped and restarted at the same port."""

    def __init__(self, folder: Path, owner: str = "ada") -> None:
        self.folder, self.port = folder, free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.session = ""
        blog(folder, "user", "create", owner, "ada@example.org", "--role", "owner")
        self._headers = {"Authorization": f"Bearer {blog(folder, 'token', 'create', owner).stdout.strip()}"}

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        with serving(self.folder, self.port) as (process, log):
            wait_until_up(self.port, process)
            yield
        assert "Traceback" not in log.read_text()

    def api(self, method: str, path: str, **json: Any) -> Any:
        answer = httpx.request(method, f"{self.base}/api/v1{path}", json=json or None, headers=self._headers)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def post(self, title: str, **members: Any) -> Any:
        return self.api("POST", "/posts", **({"title": title, "content": "Some text."} | members))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    opened.close()
    assert faults == []


def follow(page: Page, address: str) -> None:
    """Open a page, and mark it to detect a reload."""
    page.goto(address)
    page.evaluate("window.wasNotReloaded = true")


def titles(page: Page) -> list[str]:
    return page.locator("#posts .card-title").all_inner_texts()


def test_featured_posts_appear_change_and_go(site: Site, page: Page) -> None:
    with site.up():
        posts = [site.post(f"Post {number}", featured=number == 0) for number in range(5)]
        follow(page, site.base)
        shown = page.locator("#featured .card-title")
        assert shown.all_inner_texts() == ["Post 0"]
        for post in posts[1:4]:
            site.api("PATCH", f"/posts/{post['id']}", featured=True)
        page.locator(f"#featured-{posts[3]['id']}").wait_for()
        assert shown.all_inner_texts() == ["Post 3", "Post 2", "Post 1"], "the newest three"
        site.api("PATCH", f"/posts/{posts[3]['id']}", title="Post 3, again", language="de")
        page.locator("#featured").get_by_text("Post 3, again").wait_for()
        assert page.locator(":is(#featured, #posts) article[lang=de]").count() == 2
        for post in posts:
            site.api("PATCH", f"/posts/{post['id']}", featured=False)
        page.locator("#featured-section").wait_for(state="hidden")
        assert titles(page) == ["Post 4", "Post 3, again", "Post 2", "Post 1", "Post 0"]
        assert page.evaluate("window.wasNotReloaded")


def test_list_shows_published_edited_and_unpublished_posts(site: Site, page: Page) -> None:
    with site.up():
        follow(page, site.base)
        assert page.locator("#posts-empty").is_visible()
        first = site.post("First")
        page.locator(f"#post-{first['id']}").wait_for()
        assert page.locator("#posts-empty").is_hidden()
        second = site.post("Second")
        page.locator(f"#post-{second['id']}").wait_for()
        assert titles(page) == ["Second", "First"]
        site.api("PATCH", f"/posts/{first['id']}", title="First, again")
        page.get_by_text("First, again").wait_for()
        assert titles(page) == ["Second", "First, again"]
        site.api("PATCH", f"/posts/{second['id']}", status="draft")
        page.locator(f"#post-{second['id']}").wait_for(state="detached")
        site.api("PATCH", f"/posts/{second['id']}", status="published")
        page.locator(f"#post-{second['id']}").wait_for()
        assert titles(page) == ["Second", "First, again"], "back at the place of its date"
        for post in (first, second):
            site.api("DELETE", f"/posts/{post['id']}")
        page.locator("#posts-empty").wait_for()
        assert titles(page) == []
        assert page.evaluate("window.wasNotReloaded")


def test_new_content_is_announced_politely(site: Site, page: Page) -> None:
    with site.up():
        follow(page, site.base)
        site.post("Tea & <biscuits>")
        page.get_by_role("status").get_by_text("New post: Tea & <biscuits>").wait_for()


def test_new_replies_appear_in_threads_and_keep_a_typed_comment(site: Site, page: Page) -> None:
    with site.up():
        post = site.post("On engines")
        comments = f"/posts/{post['id']}/comments"
        first = site.api("POST", comments, content="Opening words.")
        follow(page, f"{site.base}/posts/on-engines")
        answer = site.api("POST", comments, content="Answer.", parent_id=first["id"])
        page.locator(f"#comment-{answer['id']}").wait_for()
        inside = page.locator(f".thread:has(> #comment-{first['id']}) > .replies > .thread > #comment-{answer['id']}")
        assert inside.count() == 1
        assert page.locator("#comments-count").inner_text() == "2 comments"
        site.api("PATCH", f"/comments/{answer['id']}", content="A better answer.")
        page.get_by_text("A better answer.").wait_for()
        assert page.locator(".comment").count() == 2
        site.api("DELETE", f"/comments/{first['id']}")
        page.locator(f"#comment-{first['id']}").get_by_text("This comment was removed.").wait_for()
        assert page.get_by_text("Opening words.").count() == 0
        assert page.locator("#comments-count").inner_text() == "1 comment"
        site.api("PATCH", f"/comments/{first['id']}", status="visible")
        page.get_by_text("Opening words.").wait_for()
        assert page.locator(".comment").count() == 2
        assert page.evaluate("window.wasNotReloaded")


def test_deep_replies_appear_where_a_reload_shows_them(site: Site, page: Page) -> None:
    with site.up():
        post = site.post("On engines")
        follow(page, f"{site.base}/posts/on-engines")
        parent = None
        for number in range(6):
            parent = site.api("POST", f"/posts/{post['id']}/comments", content=f"Level {number}", parent_id=parent)["id"]
        page.locator(f"#comment-{parent}").wait_for()
        shape = """[...document.querySelectorAll('.comment')].map(
            comment => [comment.id, comment.parentElement.parentElement.closest('.thread')?.querySelector('.comment').id]
        )"""
        grown = page.evaluate(shape)
        page.reload()
        assert page.evaluate(shape) == grown


def test_open_post_announces_its_removal_and_return(site: Site, page: Page) -> None:
    with site.up():
        post = site.post("On engines")
        follow(page, f"{site.base}/posts/on-engines")
        assert page.locator("#post-unpublished").is_hidden()
        site.api("PATCH", f"/posts/{post['id']}", status="draft")
        page.locator("#post-unpublished").wait_for()
        site.api("PATCH", f"/posts/{post['id']}", status="published", content="Back *again*.")
        page.get_by_text("Back again.").wait_for()
        assert page.locator("#post-unpublished").is_hidden()
        assert page.locator("article.post").count() == 1
        assert page.evaluate("window.wasNotReloaded")


def test_page_continues_after_a_restart(site: Site, page: Page) -> None:
    with site.up():
        site.post("Before")
        follow(page, site.base)
        live = site.post("Live")
        page.locator(f"#post-{live['id']}").wait_for()
    with site.up():
        missed = site.post("While it was away")
        page.locator(f"#post-{missed['id']}").wait_for()
        assert titles(page) == ["While it was away", "Live", "Before"]
        assert page.evaluate("window.wasNotReloaded")


def test_page_with_two_channels_that_is_cut_twice_shows_each_event_once(site: Site, page: Page) -> None:
    # Number of events after which each connection is cut: the second one in the middle of its replay.
    most = iter([1, 2, 1000])
    forwarded: list[tuple[str, str]] = []
    is_down = False

    def relay(socket: WebSocketRoute) -> None:
        if is_down:
            socket.close()
            return
        server, left = socket.connect_to_server(), next(most)
        socket.on_message(server.send)

        def forward(text: str | bytes) -> None:
            nonlocal is_down, left
            if left == 0:
                return  # it was on its way when the connection broke
            socket.send(text)
            message = json.loads(text)
            if message["type"] == "event":
                forwarded.append((message["event"], message["cursor"]))
                left -= 1
                if left == 0:
                    is_down = len(forwarded) == 1
                    socket.close()
                    server.close()

        server.on_message(forward)

    page.route_web_socket("**/live", relay)
    with site.up():
        first = site.post("First")
        follow(page, site.base)
        page.locator("#posts").get_by_text("First").wait_for()
        site.post("Seen")
        page.locator("#posts").get_by_text("Seen").wait_for()
        site.post("A")
        site.api("POST", f"/posts/{first['id']}/comments", content="In between.")
        site.post("B")
        is_down = False
        page.locator("#posts").get_by_text("B", exact=True).wait_for()
        page.get_by_role("link", name="1 comment").wait_for()
        assert titles(page) == ["B", "A", "Seen", "First"]
        assert page.evaluate("window.wasNotReloaded")
    assert [name for name, _ in forwarded] == ["post.published", "post.published", "comment.created", "post.published"]
    places = [int(cursor.rpartition(".")[2]) for _, cursor in forwarded]
    assert places == sorted(set(places))


def test_page_reloads_its_content_after_a_gap(site: Site, page: Page) -> None:
    with site.up():
        site.post("Before")
        follow(page, site.base)
        live = site.post("Live")
        page.locator(f"#post-{live['id']}").wait_for()
    with contextlib.closing(sqlite3.connect(site.folder / "blog.db")) as database:
        database.execute("UPDATE app_metadata SET value = 'another' WHERE name = 'event_epoch'")
        database.commit()
    with site.up():
        missed = site.post("In another epoch")
        page.locator(f"#post-{missed['id']}").wait_for()
        after = site.post("And on")
        page.locator(f"#post-{after['id']}").wait_for()
        assert titles(page) == ["And on", "In another epoch", "Live", "Before"]
        assert page.evaluate("window.wasNotReloaded")


def test_page_is_updated_without_websockets(site: Site, page: Page) -> None:
    page.route_web_socket("**/live", lambda socket: socket.close())
    is_stream = "**/api/v1/events/stream?*"
    with site.up():
        with page.expect_request(is_stream) as opening:
            follow(page, site.base)
        assert opening.value.resource_type == "eventsource"
        live = site.post("Live")
        page.locator(f"#post-{live['id']}").wait_for()
    with site.up():
        missed = site.post("While it was away")
        page.locator(f"#post-{missed['id']}").wait_for()
    with contextlib.closing(sqlite3.connect(site.folder / "blog.db")) as database:
        database.execute("UPDATE app_metadata SET value = 'another' WHERE name = 'event_epoch'")
        database.commit()
    with site.up():
        other = site.post("In another epoch")
        page.locator(f"#post-{other['id']}").wait_for()
        after = site.post("And on")
        page.locator(f"#post-{after['id']}").wait_for()
        assert titles(page) == ["And on", "In another epoch", "While it was away", "Live"]
        page.locator("#live-connection:empty").wait_for(state="attached")
        assert page.evaluate("window.wasNotReloaded")


def test_new_posts_wait_behind_a_button_while_scrolled_down(site: Site, page: Page) -> None:
    with site.up():
        for number in range(12):
            site.post(f"Old {number}", content="Some words of a usual length. " * 20)
        follow(page, site.base)
        page.locator("#post-4").scroll_into_view_if_needed()
        place = "document.getElementById('post-4').getBoundingClientRect().top"
        before = page.evaluate(place)
        for number in range(3):
            site.post(f"New {number}")
        button = page.get_by_role("button", name="3 new posts")
        button.wait_for()
        assert (titles(page)[0], page.evaluate(place)) == ("Old 11", before)
        page.get_by_role("status").get_by_text("New post: New 2").wait_for()
        button.focus()
        page.keyboard.press("Enter")
        assert titles(page)[:4] == ["New 2", "New 1", "New 0", "Old 11"]
        assert abs(page.evaluate(place) - before) < 1
        assert button.is_hidden()
        assert page.evaluate("document.activeElement.textContent") == "New 2"
        site.post("Last")
        page.get_by_role("button", name="1 new post").wait_for()
        page.evaluate("scrollTo(0, 0)")
        page.locator("#posts").get_by_text("Last").wait_for()
        assert page.locator("#new-posts").is_hidden()


def test_removed_new_post_is_no_longer_offered(site: Site, page: Page) -> None:
    with site.up():
        for number in range(12):
            site.post(f"Old {number}", content="Some words of a usual length. " * 20)
        follow(page, site.base)
        page.evaluate("scrollTo(0, 900)")
        new = site.post("New")
        page.get_by_role("button", name="1 new post").wait_for()
        site.api("DELETE", f"/posts/{new['id']}")
        page.locator("#new-posts").wait_for(state="hidden")
        assert "New" not in titles(page)


def test_cards_count_their_comments(site: Site, page: Page) -> None:
    with site.up():
        post = site.post("On engines")
        follow(page, site.base)
        assert page.locator(".card-comments").is_hidden()
        made = site.api("POST", f"/posts/{post['id']}/comments", content="One.")
        page.get_by_role("link", name="1 comment").wait_for()
        site.api("POST", f"/posts/{post['id']}/comments", content="Two.")
        page.get_by_role("link", name="2 comments").wait_for()
        site.api("DELETE", f"/comments/{made['id']}")
        page.get_by_role("link", name="1 comment").wait_for()
        assert page.evaluate("window.wasNotReloaded")


@pytest.mark.parametrize("path", ["/tags/maths", "/authors/ada"])
def test_pages_of_tags_and_authors_follow_their_own(site: Site, page: Page, path: str) -> None:
    with site.up():
        first = site.post("First", tags=["Maths"])
        follow(page, site.base + path)
        second = site.post("Second", tags=["looms"])
        third = site.post("Third", tags=["maths"])
        page.locator(f"#post-{third['id']}").wait_for()
        assert page.locator(f"#post-{second['id']}").count() == (0 if "tags" in path else 1)
        site.api("PATCH", f"/posts/{second['id']}", tags=["maths"])
        page.locator(f"#post-{second['id']}").wait_for()
        assert titles(page) == ["Third", "Second", "First"]
        if "tags" in path:
            site.api("PATCH", f"/posts/{first['id']}", tags=["looms"])
        else:
            site.api("DELETE", f"/posts/{first['id']}")
        page.locator(f"#post-{first['id']}").wait_for(state="detached")
        assert page.evaluate("window.wasNotReloaded")


def test_changes_above_the_viewport_keep_position_and_open_elements(site: Site, page: Page) -> None:
    paragraphs = [f"Paragraph {number}, of some length. " * 12 for number in range(12)]
    paragraphs[8] = "<details><summary>More</summary>Within.</details>"
    with site.up():
        post = site.post("On engines", content="\n\n".join(paragraphs))
        follow(page, f"{site.base}/posts/on-engines")
        page.get_by_text("More", exact=True).click()
        page.get_by_text("More", exact=True).evaluate("element => element.scrollIntoView()")
        place = "document.querySelector('.prose details').getBoundingClientRect().top"
        before = page.evaluate(place)
        changed = ["First of all. " * 60, *paragraphs[:3], "An addition.", *paragraphs[3:]]
        site.api("PATCH", f"/posts/{post['id']}", title="On *engines*, again", content="\n\n".join(changed))
        page.locator(".prose").get_by_text("An addition.").wait_for()
        assert page.locator("h1").inner_text() == "On *engines*, again"
        assert abs(page.evaluate(place) - before) < 1
        assert page.get_by_text("Within.").is_visible()


def test_comment_above_the_viewport_keeps_the_position(site: Site, page: Page) -> None:
    with site.up():
        post = site.post("On engines")
        comments = f"/posts/{post['id']}/comments"
        first = site.api("POST", comments, content="Opening words.")
        for number in range(12):
            last = site.api("POST", comments, content=f"Comment {number}. " * 40)
        follow(page, f"{site.base}/posts/on-engines")
        place = f"document.getElementById('comment-{last['id']}').getBoundingClientRect().top"
        page.evaluate(f"document.getElementById('comment-{last['id']}').scrollIntoView()")
        before = page.evaluate(place)
        answer = site.api("POST", comments, content="Answer. " * 60, parent_id=first["id"])
        page.locator(f"#comment-{answer['id']}").wait_for()
        assert abs(page.evaluate(place) - before) < 1


def test_lost_and_restored_connections_are_announced(site: Site, page: Page) -> None:
    with site.up():
        follow(page, site.base)
        site.post("Seen")
        page.get_by_text("Seen", exact=True).wait_for()
    page.locator("#live-connection").get_by_text("Connection lost. Reconnecting…").wait_for()
    with site.up():
        page.locator("#live-connection").get_by_text("Connected.").wait_for()
        page.locator("#live-connection:empty").wait_for(state="attached")


def test_hidden_page_disconnects_and_catches_up(site: Site, page: Page) -> None:
    look = "isHidden => { Object.defineProperty(document, 'hidden', {value: isHidden, configurable: true});"
    look += " document.dispatchEvent(new Event('visibilitychange')) }"
    with site.up():
        page.clock.install()
        with page.expect_websocket() as opening:
            follow(page, site.base)
        site.post("Seen")
        page.locator("#posts").get_by_text("Seen").wait_for()
        page.evaluate(look, True)
        with opening.value.expect_event("close"):
            page.clock.fast_forward("06:00")
        site.post("While nobody looked")
        assert titles(page) == ["Seen"]
        page.evaluate(look, False)
        page.locator("#posts").get_by_text("While nobody looked").wait_for()
        assert titles(page) == ["While nobody looked", "Seen"]


def test_form_keeps_its_text_while_the_page_changes(site: Site, page: Page) -> None:
    password = "a long enough one"
    blog(site.folder, "user", "create", "bob", "bob@example.org", "--role", "reader", "--password-stdin", stdin=password)
    with site.up():
        post = site.post("On engines")
        page.goto(f"{site.base}/login")
        page.get_by_label("Username or e-mail address").fill("bob")
        page.get_by_label("Password").fill(password)
        page.locator("main").get_by_role("button", name="Sign in").click()
        follow(page, f"{site.base}/posts/on-engines")
        page.get_by_label("Your comment").fill("Half a thou")
        site.api("PATCH", f"/posts/{post['id']}", content="New words.")
        page.get_by_text("New words.").wait_for()
        assert page.get_by_label("Your comment").input_value() == "Half a thou"
        page.get_by_label("Your comment").fill("A whole thought.")
        page.get_by_role("button", name="Post comment").click()
        page.locator(".comment").get_by_text("A whole thought.").wait_for()
        assert page.locator(".comment").count() == 1


@pytest.mark.parametrize("width", [320, 360, 768, 1440])
def test_no_page_scrolls_sideways(tmp_path: Path, page: Page, width: int) -> None:
    name = "m" * 50
    site = Site(tmp_path, name)
    wide = "m" * 190  # in every font
    table = "| " + " | ".join(f"column {number}" for number in range(12)) + " |\n" + "|---" * 12 + "|\n"
    content = f"{wide}\n\n```python\n{wide}\n```\n\n{table}\n\n<img src='/media/none.png' width='3000' height='10' alt='wide'>\n"
    with site.up():
        post = site.post(wide, content=content, tags=[name, "two words"], slug="wide")
        site.api("POST", f"/posts/{post['id']}/comments", content=wide)
        page.set_viewport_size({"width": width, "height": 800})
        lists = ["/", "/tags", "/archive", "/search?q=mm", f"/authors/{name}"]
        for path in (*lists, "/posts/wide", "/login", "/register", "/nowhere"):
            page.goto(site.base + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
