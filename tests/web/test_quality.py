"""Every kind of page in a real browser: accessible, responsive, light and dark, valid, small, without layout shifts."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import html5lib
import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.support import matching
from tests.support.axe import violations, violations_in_both_schemes
from tests.support.optional import unwrap
from tests.support.patience import seconds
from tests.support.pictures import png
from tests.support.serving import blog, free_port, run_sql, serving, wait_until_up

PASSWORD = "a long enough one"
WATCH = """
  window.shifts = []; window.refused = [];
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifts.push(entry.value);
  }).observe({type: 'layout-shift', buffered: true});
  addEventListener('securitypolicyviolation', event => refused.push(event.violatedDirective + ' ' + event.blockedURI));
"""
CONTROLS = """() => {
  window.reached = new Set(); window.unseen = [];
  const isRadioOfAnother = one => one.type === "radio" && !one.checked && document.querySelector(`[name="${one.name}"]:checked`);
  const all = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  window.controls = () => [...document.querySelectorAll(all)].filter(one => one.tabIndex >= 0 && !one.disabled
    && one.checkVisibility({visibilityProperty: true}) && !isRadioOfAnother(one));
  window.waiting = () => controls().filter(one => !reached.has(one)).map(one => one.outerHTML.slice(0, 200));
  const parts = document.querySelectorAll("[type=date], [type=datetime-local], audio, video").length;
  return controls().length + 8 * parts;
}"""
"""Returns the number of times to press Tab, at most: dates and players have several stops."""
NOTE_FOCUS = """() => {
  const focused = document.activeElement;
  if (focused === document.body || reached.has(focused)) return;
  reached.add(focused);
  const {outlineStyle, outlineWidth} = getComputedStyle(focused);
  if (outlineStyle === "none" || !parseFloat(outlineWidth)) unseen.push(focused.outerHTML.slice(0, 200));
}"""
STRANGERS = [
    "/", "/posts/long", "/posts/short", "/posts/markup", "/posts/figures", "/tags", "/tags/maths", "/authors/ada", "/archive",
    "/posts/long/guest-comment", "/posts/long/guest-comment?reply=1", "/posts/long/guest-comment?sent=yes",
    "/search", "/search?q=paragraph", "/search?q=zebra", "/login", "/register", "/nowhere", "/?cursor=nonsense",
]  # fmt: skip
MEMBERS = [
    "/dashboard/posts", "/admin/posts", "/admin/tags", "/admin/tags/1", "/admin/tags/1/merge", "/admin/tags/1/delete",
    "/account", "/account/password", "/write", "/dashboard", "/admin", "/posts/long", "/posts/long/edit", "/posts/long/delete",
    "/posts/draft", "/posts/long/views",
    "/admin/pages", "/admin/pages/new", "/admin/pages/1", "/admin/pages/1/publish", "/imprint",
    "/comments/1/edit", "/comments/1/reply", "/comments/1/remove", "/media-library", "/media-library/1",
    "/posts/long/history", "/posts/long/history/1", "/posts/long/history/diff?from=1&to=2", "/posts/draft/previews",
    "/posts/draft/publish", "/moderation", "/notifications", "/media-library?choose=/write",
    "/media-library/1/delete", "/admin/members", "/admin/members/1", "/admin/members/2", "/admin/members/2/delete",
]  # fmt: skip
MARKUP = "\n\n".join([
    *(f"> [!{kind}]\n> Some *text*, `code` and a [link](https://example.org)." for kind in ("NOTE", "TIP", "IMPORTANT")),
    *(f"> [!{kind}]\n> ==Marked==, H~2~O and CSS." for kind in ("WARNING", "CAUTION")),
    "$$\n\\frac{a}{b} = " + " + ".join(f"x_{{{number}}}^2" for number in range(40)) + "\n$$\n\nWith $E = mc^2$.",
    "Term\n: Meaning",
    "> [!BOOKMARK]\n> [A page](https://example.org)\n>\n> What it is about.\n>\n> ![](/static/img/favicon.svg)",
    "https://youtu.be/dQw4w9WgXcQ", "https://x.com/jack/status/20", "*[CSS]: Cascading Style Sheets",
])  # fmt: skip
Scheme = Literal["light", "dark"]


class Blog(NamedTuple):
    """A running blog, and the session cookie of its owner."""

    base: str
    session: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blog]:
    folder: Path = tmp_path_factory.mktemp("quality")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner", "--password-stdin", stdin=PASSWORD)
    blog(folder, "user", "create", "bob", "bob@example.org", "--password-stdin", stdin=PASSWORD)
    token = blog(folder, "token", "create", "ada").stdout.strip()
    run_sql(
        folder,
        "INSERT INTO site_preferences (name, value, user_id, updated_at) VALUES ('guest_comments', 'true', 1, '2026-01-01')",
    )
    with serving(folder, port, RATE_LIMIT="off") as (process, _):
        wait_until_up(port, process)
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=seconds(30)) as client:
            fill(client)
        signed = httpx.post(f"{base}/login", data={"username": "ada", "password": PASSWORD}, headers={"Origin": base})
        page = {"title": "Imprint", "content": "We are.\n\n## Here\n\nAnd there."}
        httpx.post(f"{base}/admin/pages/new", data=page, cookies=dict(signed.cookies), headers={"Origin": base})
        yield Blog(base, signed.cookies["session"])


def fill(client: httpx.Client) -> None:
    image = client.post("/api/v1/media", files={"file": ("a.png", png(900, 600))}, data={"alt": "A loom"}).json()["url"]
    paragraph = "A paragraph of *some* length with a [link](https://example.org), `code` and a note[^1]. " * 3
    sections = [f"## Part {number}\n\n{paragraph}\n\n### Detail {number}\n\n{paragraph}" for number in range(8)]
    parts = [f"![A loom]({image})", *sections, f"![Again]({image})", "```python\nclass A:\n    x = 'y'  # z\n```"]
    parts += ["| a | b |\n|---|--:|\n| 1 | 2 |", "> Quoted.", "- [x] done\n- [ ] to do", "1. one\n2. two", "[^1]: Noted."]
    write(client, title="A long post", slug="long", content="\n\n".join(parts), tags=["maths", "looms"])
    photo = client.post("/api/v1/media", files={"file": ("b.png", png(3000, 2000))}, data={"alt": "A mill"}).json()["url"]
    write(client, title="A photo", slug="photo", content=f"![A mill]({photo})")
    write(client, title="Markup", slug="markup", content=MARKUP)
    loom, mill = f'![A loom]({image} "Oak")', f"![A mill]({photo})"
    figures = [f"{mill}{{.wide}}", f"{loom}{{.full}}", f"{loom}\n{mill}\n{loom}", f"{mill}\n{mill}{{.full}}"]
    write(client, title="Figures", slug="figures", content="\n\n".join(["## One", paragraph, *figures]))
    write(client, title="Not yet", slug="draft", content="x", status="draft")
    for number in range(25):
        write(client, title=f"Post number {number}", slug="short" if number == 24 else None, content=paragraph, tags=["maths"])
    for content, parent in (("Opening *words*.", None), ("An answer.", 1), ("Removed.", None)):
        client.post("/api/v1/posts/1/comments", json={"content": content, "parent_id": parent}).raise_for_status()
    client.delete("/api/v1/comments/3").raise_for_status()
    client.patch("/api/v1/posts/1", json={"title": "A long post, again", "tags": ["maths"]}).raise_for_status()


def write(client: httpx.Client, **members: object) -> None:
    client.post("/api/v1/posts", json={name: value for name, value in members.items() if value}).raise_for_status()


def opened(
    browser: Browser, site: Blog, width: int, scheme: Scheme = "light", *, signed_in: bool = False, **options: Any
) -> Page:
    """Return a page in a new browser profile."""
    profile = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
    if signed_in:
        profile.add_cookies([{"name": "session", "value": site.session, "url": site.base}])
    profile.add_init_script(WATCH)
    return profile.new_page()


def pages(browser: Browser, site: Blog, width: int) -> Iterator[tuple[Page, str]]:
    """Yield each kind of page, without a session and as the owner: the open page, and its path."""
    for paths, signed_in in ((STRANGERS, False), (MEMBERS, True)):
        page = opened(browser, site, width, signed_in=signed_in)
        for path in paths:
            yield page, path
        page.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_no_violation(site: Blog, browser: Browser, width: int) -> None:
    for page, path in pages(browser, site, width):
        page.goto(site.base + path)
        assert violations_in_both_schemes(page) == {}, path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_in_the_chosen_theme(site: Blog, browser: Browser, theme: str) -> None:
    page = opened(browser, site, 800, "light" if theme == "dark" else "dark")
    page.goto(f"{site.base}/posts/long")
    page.get_by_role("button", name=theme.title()).click()
    page.locator(f"html[data-theme={theme}]").wait_for()
    assert violations(page) == []


def test_axe_finds_a_known_violation(site: Blog, browser: Browser) -> None:
    page = opened(browser, site, 800)
    page.goto(site.base)
    page.evaluate("document.querySelector('.card-title a').append(new Image()); document.querySelector('main').lang = 'nonsense'")
    assert {name for name, _ in violations(page)} == {"image-alt", "valid-lang"}


def test_axe_finds_a_colour_of_the_dark_scheme(site: Blog, browser: Browser) -> None:
    page = opened(browser, site, 800)
    page.goto(site.base)
    page.evaluate(
        "const style = new CSSStyleSheet(); document.adoptedStyleSheets = [style];"
        "style.replaceSync('@media (prefers-color-scheme: dark) { h1 { color: #333 !important } }')"
    )
    found = violations_in_both_schemes(page)
    assert [(scheme, [name for name, _ in rules]) for scheme, rules in found.items()] == [("dark", ["color-contrast"])]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [320, 360, 1440])
def test_pages_have_no_layout_shift_no_overflow_and_no_external_requests(site: Blog, browser: Browser, width: int) -> None:
    complaints: list[str] = []
    asked: set[str] = set()
    for page, path in pages(browser, site, width):
        if page.url == "about:blank":
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: asked.add(matching.search(r"^\w+://[^/]+", request.url)[0]))
        answer = unwrap(page.goto(site.base + path))
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate("[shifts, refused]") == [[], []], path
        # A page that says 404 or 422 is itself what the browser complains of.
        assert [line for line in complaints if answer.ok or f"{answer.status}" not in line] == [], path
        complaints.clear()
    assert asked == {site.base}


@pytest.mark.timeout(300)
def test_every_control_is_reached_with_tab_and_shows_its_focus(site: Blog, browser: Browser) -> None:
    for page, path in pages(browser, site, 1024):
        page.goto(site.base + path)
        for _ in range(page.evaluate(CONTROLS) + 2):
            page.keyboard.press("Tab")
            page.evaluate(NOTE_FOCUS)
        assert page.evaluate("[unseen, waiting()]") == [[], []], path


def test_nothing_moves_when_images_arrive(site: Blog, browser: Browser) -> None:
    page = opened(browser, site, 360)
    page.goto(f"{site.base}/posts/long")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
    attributes = "[...document.images].map(image => ['width', 'height', 'loading'].map(name => image.getAttribute(name)))"
    assert page.evaluate(attributes) == [["900", "600", None], ["900", "600", "lazy"]]
    assert page.evaluate("shifts") == []


@pytest.mark.parametrize(("width", "density", "file_width"), [(360, 1, 480), (360, 3, 960), (1440, 1, 960), (1440, 2, 1600)])
def test_screens_get_the_copy_that_fits(site: Blog, browser: Browser, width: int, density: int, file_width: int) -> None:
    page = browser.new_context(viewport={"width": width, "height": 800}, device_scale_factor=density).new_page()
    page.goto(f"{site.base}/posts/photo")
    page.evaluate("document.images[0].decode()")
    source = page.evaluate("document.images[0].currentSrc")
    with Image.open(io.BytesIO(httpx.get(source).content)) as image:
        assert image.width == file_width
    assert page.evaluate("document.images[0].clientWidth") <= width


@pytest.mark.parametrize(("width", "wide"), [(320, 280), (360, 320), (800, 730), (1440, 800)])
def test_figures_are_as_wide_as_the_page_or_the_window(site: Blog, browser: Browser, width: int, wide: int) -> None:
    page = opened(browser, site, width)
    page.goto(f"{site.base}/posts/figures")
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
    boxes = page.evaluate("[...document.querySelectorAll('.prose > figure')].map(f => f.getBoundingClientRect().toJSON())")
    assert boxes[0]["width"] >= wide
    assert [(box["x"], box["width"]) for box in (boxes[1], boxes[3])] == [(0, width)] * 2
    text = page.locator(".prose > p").first.bounding_box()
    caption = page.locator("figure.full > figcaption").bounding_box()
    assert abs(unwrap(caption)["x"] - unwrap(text)["x"]) <= 1, "captions begin where the text does"
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("shifts") == []
    page.emulate_media(media="print")
    assert page.evaluate("[...document.querySelectorAll('.prose > figure')].every(f => f.offsetLeft >= f.parentNode.offsetLeft)")


@pytest.mark.parametrize(("path", "files"), [("/", 6), ("/posts/long", 7)])
def test_pages_are_small_and_smaller_with_a_warm_cache(site: Blog, browser: Browser, path: str, files: int) -> None:
    page = opened(browser, site, 1440)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}
    network.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    network.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))

    def load(address: str) -> list[float]:
        """Return the bytes of each response, without images, and without icon and manifest, which not every Chromium loads."""
        sizes.clear()
        page.goto(site.base + address, wait_until="networkidle")
        return [size for number, size in sizes.items() if size and kinds[number] not in ("Image", "Manifest", "Other")]

    cold = load(path)
    assert (len(cold), sum(cold) < 30 * 1024) == (files, True), sum(cold)
    load("/login")
    warm = load(path)
    assert (len(warm), sum(warm) < 10 * 1024) == (1, True), "the page alone: all else is kept"


@pytest.mark.parametrize(("paths", "signed_in"), [(STRANGERS, False), (MEMBERS, True)])
def test_pages_are_valid_html(site: Blog, paths: tuple[str, ...], signed_in: bool) -> None:
    cookies = {"session": site.session} if signed_in else {}
    with httpx.Client(base_url=site.base, cookies=cookies) as client:
        for path in paths:
            text = client.get(path).text
            html5lib.HTMLParser(strict=True).parse(text)
            ids = re.findall(r'\sid="([^"]+)"', text)
            assert len(ids) == len(set(ids)), path
            for labels in re.findall(r'\saria-(?:labelledby|describedby)="([^"]+)"', text):
                assert set(labels.split()) <= set(ids), path


def test_printed_page_has_only_the_text(site: Blog, browser: Browser) -> None:
    page = opened(browser, site, 800, "dark")
    page.goto(f"{site.base}/posts/long")
    page.emulate_media(media="print")
    for chrome in (".site-header nav", ".contents", ".site-footer", ".comment-prompt", ".read-next"):
        assert page.locator(chrome).first.is_hidden(), chrome
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    link = "getComputedStyle(document.querySelector('.prose a[href^=http]'), '::after').content"
    assert "https://example.org" in page.evaluate(link)
