"""/api/openapi.json, /api/docs and /api/asyncapi.json: as documents, as a page without JavaScript, and in a browser."""

import html
import itertools
import re
import shlex
from collections.abc import Awaitable, Callable, Iterator
from html.parser import HTMLParser
from typing import Literal

import html5lib
import httpx2
import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.conftest import Bearer
from tests.support.axe import violations_in_both_schemes
from tests.support.serving import blog, free_port, serving, wait_until_up


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/api/openapi.json", "application/json"),
        ("/api/asyncapi.json", "application/json"),
        ("/api/docs", "text/html; charset=utf-8"),
    ],
)
async def test_document_is_revalidated_with_304(client: httpx2.AsyncClient, path: str, media_type: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    head = await client.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", answer.headers["content-length"])
    assert (await client.options(path)).headers["allow"] == "GET, HEAD, OPTIONS"
    refused = await client.post(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_document_has_the_url_of_the_api(client: httpx2.AsyncClient) -> None:
    paths = (await client.get("/api/openapi.json")).json()["paths"]
    assert (await client.get(next(path for path in paths if path.endswith("/posts")))).status_code == 200


async def test_document_does_not_depend_on_the_session(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    stranger, ada = await client.get("/api/docs"), await client.get("/api/docs", headers=await bearer("ada"))
    assert stranger.content == ada.content


class Texts(HTMLParser):
    """The text of each list item."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = self._inside or tag == "li"
        self.items += [""] if tag == "li" else []

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "li"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.items[-1] += data


async def test_page_lists_every_operation_without_javascript(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/api/openapi.json")).json()
    texts = Texts()
    texts.feed((await client.get("/api/docs")).text)
    shown = [line for item in texts.items if re.match("[A-Z]+ /", line := " ".join(item.split()))]
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            assert any(line.startswith(f"{verb.upper()} {path} {operation['summary']}") for line in shown), (verb, path)
    assert len(shown) == sum(len(item) for item in document["paths"].values())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL of a running blog, and a token of its owner."""
    folder = tmp_path_factory.mktemp("documents")
    blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner")
    token = blog(folder, "token", "create", "ada").stdout.strip()
    port = free_port()
    with serving(folder, port) as (process, _):
        wait_until_up(port, process)
        yield f"http://127.0.0.1:{port}", token


def test_page_tries_operations_under_the_strict_policy(served: tuple[str, str], browser: Browser) -> None:
    base, token = served
    page = browser.new_page()
    complaints: list[str] = []
    strangers: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: strangers.append(request.url) if not request.url.startswith(base) else None)
    page.add_init_script(
        "window.violations = [];"
        "addEventListener('securitypolicyviolation', event => window.violations.push(event.violatedDirective))"
    )
    page.goto(f"{base}/api/docs")

    def send(operation: str, **fields: str) -> Locator:
        article = page.locator(f"#{operation}")
        article.get_by_text("Send a request").click()
        for name, value in fields.items():
            article.get_by_label(name).fill(value)
        article.get_by_role("button", name="Send").click()
        article.locator(".send-response pre").first.wait_for()
        return article.locator(".send-response")

    expect(send("get_posts", limit="1")).to_contain_text("200 OK")
    page.get_by_label("Token for requests").fill(token)
    expect(send("get_current_user")).to_contain_text("ada@example.org")
    made = send("post_posts", Body='{"title": "Sent from the page", "content": "Text."}')
    expect(made).to_contain_text("201 Created")
    expect(made).to_contain_text('"title": "Sent from the page"')
    expect(send("get_post", id="1")).to_contain_text("Sent from the page")
    assert page.evaluate("window.violations") == []
    assert complaints == []
    assert strangers == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing_also_in_opened_parts(served: tuple[str, str], browser: Browser, width: int) -> None:
    base, _ = served
    page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
    page.goto(f"{base}/api/docs")
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    article = page.locator("#get_posts")
    article.get_by_role("button", name="Send").click()
    article.locator(".send-response pre").first.wait_for()
    assert violations_in_both_schemes(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "colour"), [("light", "rgb(252, 252, 250)"), ("dark", "rgb(22, 25, 27)")])
def test_page_follows_the_scheme(
    served: tuple[str, str], browser: Browser, scheme: Literal["light", "dark"], colour: str
) -> None:
    page = browser.new_context(color_scheme=scheme).new_page()
    page.goto(f"{served[0]}/api/docs")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour


async def test_page_shows_the_theme_that_the_reader_chose(client: httpx2.AsyncClient) -> None:
    page = await client.get("/api/docs", headers={"Cookie": "theme=dark"})
    assert '<html lang="en" data-theme="dark">' in page.text
    assert "data-theme" not in (await client.get("/api/docs")).text
    assert "Cookie" in page.headers["vary"]


async def test_page_shows_access_types_and_examples(client: httpx2.AsyncClient) -> None:
    document, page = (await client.get("/api/openapi.json")).json(), (await client.get("/api/docs")).text
    html5lib.HTMLParser(strict=True).parse(page)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids), "no link leads nowhere"
    for item in document["paths"].values():
        for operation in item.values():
            article = page.partition(f'id="{operation["operationId"]}"')[2].partition("</article>")[0]
            access = "Public: no token is needed." if {} in operation["security"] else "Needs a token"
            assert f'<p class="access">{access}' in article, operation["operationId"]
            assert "<summary>Example with curl</summary>" in article
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    assert ("example" in content) == ('class="language-json"' in article.partition("<h4>Responses</h4>")[2])
    for name, schema in document["components"]["schemas"].items():
        article = page.partition(f'id="schema-{name}"')[2].partition("</article>")[0]
        assert all(f"<code>{member}</code>" in article for member in schema.get("properties", ())), name


async def test_commands_of_the_page_are_correct(
    client: httpx2.AsyncClient, bearer: Callable[..., Awaitable[dict[str, str]]]
) -> None:
    """The command that creates a post: its header fields and its body are accepted as they are."""
    page = (await client.get("/api/docs")).text
    article = page.partition('id="post_posts"')[2].partition("</article>")[0]
    shown = re.search(r"Example with curl</summary>\s*<pre[^>]*>(.*?)</pre>", article, re.DOTALL)
    assert shown
    words = shlex.split(html.unescape(re.sub("<[^>]+>", "", shown[1])))
    assert words[0] == "curl"
    headers = dict(word.split(": ", 1) for option, word in itertools.pairwise(words) if option == "-H")
    token = (await bearer("ada"))["Authorization"]
    body = words[words.index("-d") + 1]
    made = await client.post(words[1], content=body, headers=headers | {"Authorization": token})
    assert made.status_code == 201
