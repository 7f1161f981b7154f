"""Every page is opened by the tests that run axe in both colour schemes."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from starlette.routing import BaseRoute, Match, Mount, Route

from blog.web import app
from tests.web.test_quality import MEMBERS, STRANGERS
from tests.web.test_secret_pages_browser import SECRET_PAGES
from tests.web.test_settings_pages import PAGES

NOT_PAGES = {
    "post_card", "theme_css", "robots", "sitemap", "sitemap_part", "opensearch", "oembed", "feed", "tag_feed", "author_feed",
    "search_feed", "account_export", "login_passkey", "media_item_replace", "admin_appearance_export", "custom_css",
}  # fmt: skip
"""Routes that answer GET with a file or a redirect, or that show the page of another route."""
BEHIND_A_SECRET = {
    "setup", "account_email_confirm", "login_code", "account_two_factor_enable", "account_passkey_remove",
}  # fmt: skip
"""Forms of one use, behind a link of a message or a step of a sign-in. `accounts/test_setup.py` runs axe in the setup page."""


def _matching_route(path: str, routes: list[BaseRoute]) -> str:
    scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
    for route in routes:
        match, _child = route.matches(scope)
        if match is Match.NONE:
            continue
        if isinstance(route, Mount):
            below = path.removeprefix(route.path)
            if below and (name := _matching_route(below, list(route.routes))):
                return name
        elif isinstance(route, Route):
            return route.name
    return ""


def _pages(routes: list[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount):
            yield from _pages(list(route.routes))
        elif isinstance(route, Route) and hasattr(route.endpoint, "get"):
            yield route.name


CHECKED = {_matching_route(urlsplit(path).path, app.routes) for path in (*STRANGERS, *MEMBERS, *PAGES)} | set(SECRET_PAGES)


@pytest.mark.parametrize("name", sorted(set(_pages(app.routes)) - NOT_PAGES - BEHIND_A_SECRET))
def test_page_is_checked(name: str) -> None:
    assert name in CHECKED


def test_no_exception_is_out_of_date() -> None:
    assert set(_pages(app.routes)) >= NOT_PAGES | BEHIND_A_SECRET
    assert not (NOT_PAGES | BEHIND_A_SECRET) & CHECKED
