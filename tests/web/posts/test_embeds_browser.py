"""Cards of other sites in a real browser: no request before the click, keyboard, frames, and pages without JavaScript."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, Route

from tests.web.test_live_page import Site, follow

YOUTUBE = "https://www.youtube-nocookie.com"
ADDRESSES = (
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ", "https://vimeo.com/76979871", "https://x.com/jack/status/20",
    "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC", "https://mastodon.social/@Gargron/112345678901234567",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("embeds"))
    with made.up():
        made.post("Cards", slug="cards", content="\n\n".join(ADDRESSES))
        made.post("Links", slug="links", content="https://x.com/jack/status/20")
        yield made


@pytest.fixture
def requested(page: Page) -> list[Request]:
    """Record the requests to other hosts, and answer them with an empty page."""
    found: list[Request] = []

    def respond(route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            found.append(route.request)
            route.fulfill(body="<!doctype html><title>Player</title>", content_type="text/html")

    page.route("**/*", respond)
    return found


@pytest.fixture
def page(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 360, "height": 800})


def test_nothing_is_requested_before_the_click(site: Site, page: Page, requested: list[Request]) -> None:
    page.goto(f"{site.base}/posts/cards", wait_until="networkidle")
    page.mouse.wheel(0, 5000)
    page.get_by_role("button", name="Play").first.hover()
    page.wait_for_load_state("networkidle")

    assert page.get_by_role("button", name="Play video").count() == 2
    assert page.get_by_role("button", name="Play audio").count() == 1
    assert page.locator("iframe").count() == 0
    assert requested == []


def test_the_keyboard_loads_one_player(site: Site, page: Page, requested: list[Request]) -> None:
    page.goto(f"{site.base}/posts/cards")
    button = page.get_by_role("button", name="Play video").first
    before = page.locator(".embed-card").first.bounding_box()
    button.focus()
    page.keyboard.press("Enter")
    frame = page.get_by_title("YouTube video")
    frame.wait_for()
    page.wait_for_function("document.activeElement.tagName === 'IFRAME'")

    assert [urlsplit(request.url).hostname for request in requested] == ["www.youtube-nocookie.com"]
    assert frame.get_attribute("sandbox") == "allow-scripts allow-same-origin allow-presentation"
    assert frame.get_attribute("loading") == "lazy"
    assert requested[0].headers["referer"] == f"{site.base}/"
    assert page.locator(".embed-card").first.bounding_box() == before, "nothing moves"
    assert page.get_by_role("link", name="YouTube").is_visible()


def test_first_player_of_a_live_update_is_offered_by_a_reload(site: Site, page: Page, requested: list[Request]) -> None:
    post = site.post("Live", slug="live-card", content=f"Text.\n\n{ADDRESSES[2]}")
    follow(page, f"{site.base}/posts/live-card")
    assert page.get_by_role("button", name="video").count() == 0
    site.api("PATCH", f"/posts/{post['id']}", content=f"Text.\n\n{ADDRESSES[0]}")
    button = page.get_by_role("button", name="Reload to play video")
    button.wait_for()
    assert page.get_by_text("Loads this page again, with the player of YouTube").is_visible()
    assert page.evaluate("window.wasNotReloaded")
    button.click()
    page.get_by_role("button", name="Play video").click()
    page.locator("iframe").wait_for()
    assert [urlsplit(request.url).hostname for request in requested] == [urlsplit(YOUTUBE).hostname]
    site.api("PATCH", f"/posts/{post['id']}", content=f"Text.\n\n{ADDRESSES[0]}\n\n{ADDRESSES[1]}")
    page.locator("[data-provider=Vimeo]").get_by_role("button", name="Reload to play video").wait_for()


def test_policy_forbids_other_frames(site: Site, page: Page, requested: list[Request]) -> None:
    page.goto(f"{site.base}/posts/cards")
    page.evaluate(
        """() => new Promise(resolve => {
          document.addEventListener("securitypolicyviolation", resolve, { once: true });
          document.body.append(Object.assign(document.createElement("iframe"), { src: "https://evil.example/" }));
        })"""
    )
    assert requested == []


def test_policy_names_players_on_their_page_only(site: Site) -> None:
    def policy(path: str) -> list[str]:
        responses = [httpx.get(site.base + path) for _ in range(2)]  # the second one is cached
        (first,), (second,) = (response.headers.get_list("content-security-policy") for response in responses)
        assert first == second
        return [part.strip() for part in first.split(";") if "-src" in part or part.strip().startswith("frame")]

    frames = f"frame-src https://open.spotify.com https://player.vimeo.com {YOUTUBE}"
    assert frames in policy("/posts/cards")
    for path in ("/", "/posts/links"):
        assert not any(part.startswith("frame-src") for part in policy(path))
        assert "embeds" not in httpx.get(site.base + path).text
    assert "media-src 'self'" in policy("/")


def test_cards_are_links_without_javascript(site: Site, browser: Browser) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{site.base}/posts/cards")

    links = page.locator(".embed-card a")
    assert [links.nth(number).get_attribute("href") for number in range(len(ADDRESSES))] == list(ADDRESSES)
    assert page.get_by_role("button", name="Play").count() == 0
    assert not page.locator(".embed-frame").first.is_visible()


def test_feeds_contain_links(site: Site) -> None:
    feed = httpx.get(f"{site.base}/feed.json").json()
    html = next(item["content_html"] for item in feed["items"] if item["title"] == "Cards")

    assert html.count("<a ") == len(ADDRESSES)
    assert "embed-card" not in html
