"""/api/openapi.json, /api/docs and /api/asyncapi.json: as documents, as a page without JavaScript, and in a browser."""

from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from tests.conftest import Bearer
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
    shown = [" ".join(item.split()) for item in texts.items]
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            assert any(line.startswith(f"{verb.upper()} {path} {operation['summary']}") for line in shown), (verb, path)
    assert len(shown) == sum(len(item) for item in document["paths"].values())


def test_page_tries_operations_under_the_strict_policy(tmp_path: Path, browser: Browser) -> None:
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    token = blog(tmp_path, "token", "create", "ada").stdout.strip()
    port = free_port()
    with serving(tmp_path, port) as (process, _):
        wait_until_up(port, process)
        page = browser.new_page()
        complaints: list[str] = []
        strangers: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: strangers.append(request.url) if f"127.0.0.1:{port}" not in request.url else None)
        page.add_init_script(
            "window.violations = [];"
            "addEventListener('securitypolicyviolation', event => window.violations.push(event.violatedDirective))"
        )
        page.goto(f"http://127.0.0.1:{port}/api/docs")
        page.locator(".swagger-ui .opblock").first.wait_for(timeout=30_000)
        page.locator("#plain").wait_for(state="hidden")
        page.get_by_role("button", name="Authorize").first.click()
        page.locator("section:has-text('bearer'), div.auth-container:has-text('bearer') >> input").last.wait_for()
        page.locator(".auth-container input[type=text], .auth-container input[type=password]").first.fill(token)
        page.locator(".auth-btn-wrapper button[type=submit]").first.click()
        page.locator(".close-modal").click()
        me = page.locator("#operations-users-get_current_user")
        me.locator(".opblock-summary-control").click()
        me.get_by_role("button", name="Try it out").click()
        me.get_by_role("button", name="Execute").click()
        me.locator(".live-responses-table").get_by_text("ada@example.org").first.wait_for(timeout=10_000)
        assert page.evaluate("window.violations") == []
        assert complaints == []
        assert [url for url in strangers if not url.startswith(("data:", "blob:"))] == []
