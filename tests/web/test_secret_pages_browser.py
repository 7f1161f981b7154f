"""Pages behind a secret link, in a real browser: small and large, light and dark."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser

from tests.support.axe import violations_in_both_schemes
from tests.support.serving import blog, free_port, serving, wait_until_up
from tests.web.test_quality import PASSWORD, write

SECRET_PAGES = ("invitation", "preview", "set_password")
"""The names of the routes."""


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Yield one link for each of the routes."""
    folder: Path = tmp_path_factory.mktemp("secrets")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    blog(folder, "user", "create", "ada", "ada@example.org", "--role", "owner", "--password-stdin", stdin=PASSWORD)
    blog(folder, "user", "create", "bob", "bob@example.org", "--password-stdin", stdin=PASSWORD)
    with serving(folder, port, RATE_LIMIT="off", PUBLIC_URL=base) as (process, _):
        wait_until_up(port, process)
        with httpx.Client(base_url=base, headers={"Origin": base}) as client:
            client.post("/login", data={"username": "ada", "password": PASSWORD})
            write(client, title="Not yet", slug="draft", content="x", status="draft")
            client.post("/posts/draft/previews", data={"lifetime": "7 days"})
            preview = client.get("/posts/draft/previews").text.partition(f'value="{base}')[2].partition('"')[0]
            invitation = client.post("/api/v1/invitations", json={"role": "author"}).json()["url"]
            reset = client.post("/api/v1/users/2/password-link", json={}).json()["url"]
            yield {"preview": base + preview, "invitation": invitation, "set_password": reset}


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("name", SECRET_PAGES)
def test_secret_page_is_accessible(links: dict[str, str], browser: Browser, name: str, width: int) -> None:
    page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
    answer = page.goto(links[name])
    assert answer is not None
    assert answer.status == 200, urlsplit(links[name]).path
    assert violations_in_both_schemes(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
