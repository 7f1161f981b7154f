"""Settings pages of members and owners in a real browser: with the keyboard alone, small and large, light and dark."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.conftest import PASSWORD
from tests.support.axe import violations
from tests.support.optional import unwrap
from tests.support.serving import blog, free_port, serving, wait_until_up

ACCOUNT = [
    "", "/avatar", "/email", "/password", "/security", "/two-factor", "/passkeys/new", "/sessions", "/tokens",
    "/confirm", "/delete", "/deleted",
]  # fmt: skip
ADMIN = [
    "",
    "?days=90",
    "/members",
    "/members?q=nobody",
    "/invitations",
    "/audit",
    "/audit?action=sign_in&user=ora",
    "/audit?user=nobody",
    "/site",
    "/appearance",
    "/appearance?saved=yes",
    "/pages",
    "/pages/new",
    "/pages/1",
    "/pages/1/delete",
    "/pages/2",
    "/pages/2/publish",
]
PAGES = [
    *(f"/account{path}" for path in ACCOUNT),
    *(f"/admin{path}" for path in ADMIN),
    "/reset-password",
    "/reset-password?sent=yes",
    "/about",
    "/imprint",
    "/authors/ora",
    "/",
]


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a blog with an owner."""
    blog(tmp_path, "user", "create", "ora", "ora@example.org", "--role", "owner", "--password-stdin", stdin=PASSWORD)
    port = free_port()
    address = f"http://localhost:{port}"  # by name: there are passkeys then
    with serving(tmp_path, port, RATE_LIMIT="off", PUBLIC_URL=address) as (process, log):
        wait_until_up(port, process)
        yield address
    assert "Traceback" not in log.read_text()


def opened(browser: Browser, base: str, **options: Any) -> tuple[Page, list[str]]:
    """Return a page on which the owner has signed in, and its errors, which are added when they occur."""
    context = browser.new_context(base_url=base, **options)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/login")
    page.get_by_label("Username").focus()
    page.keyboard.type("ora")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Menu").wait_for()
    return page, errors


def reach(
    page: Page, role: Literal["button", "checkbox", "combobox", "link", "textbox"], name: str, *, most: int = 60
) -> Locator:
    """Press Tab until the element has the focus, as a user without a mouse does."""
    wanted = page.get_by_role(role, name=name, exact=True)
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return wanted
    raise AssertionError(f"the {role} {name} is not reached by the keyboard")


def test_axe_finds_no_violation_and_nothing_scrolls_sideways(browser: Browser, base: str) -> None:
    first, _ = opened(browser, base)
    made = first.request.post
    headers = {"Origin": base}
    site: dict[str, str | float | bool] = {
        "title": "A rather long title of a blog",
        "description": "On weaving.",
        "blocked_words": "",
        "max_links": "3",
    }
    links: dict[str, str | float | bool] = {
        "navigation": "About | /about\nElsewhere | https://example.org",
        "comment_edit_minutes": "60",
    }
    assert made(f"{base}/admin/site", form=site | links, headers=headers).ok
    look: dict[str, str | float | bool] = {
        "accent": "#ffd000",
        "colour_scheme": "auto",
        "show_author": "true",
        "footer_text": "A *short* text with a [link](/about).",
        "social_links": "https://example.org/ada\nmailto:a.rather.long.name.of.somebody@example.org",
    }
    assert made(f"{base}/admin/appearance", form=look, headers=headers).ok
    about: dict[str, str | float | bool] = {"title": "About", "slug": "about", "content": "## Why\n\nBecause *looms*."}
    assert made(f"{base}/admin/pages/new", form=about | {"status": "published"}, headers=headers).ok
    draft: dict[str, str | float | bool] = {
        "title": "Imprint and a " + "long " * 12 + "title",
        "slug": "imprint",
        "content": "Us.",
    }
    assert made(f"{base}/admin/pages/new", form=draft, headers=headers).ok
    for email in ("", "a.rather.long.name.of.somebody@example.org"):
        sent: dict[str, str | float | bool] = {"role": "author", "email": email, "note": "Mary", "days": "7"}
        assert made(f"{base}/admin/invitations", form=sent, headers=headers).ok
    post: dict[str, str | float | bool] = {"title": "On engines", "content": "It weaves.", "slug": "", "status": "published"}
    assert made(f"{base}/write", form=post, headers=headers).ok
    first.context.close()
    for scheme, width in (("light", 360), ("dark", 1440)):
        page, errors = opened(browser, base, color_scheme=scheme, viewport={"width": width, "height": 800})
        for path in PAGES:
            assert unwrap(page.goto(path)).status == 200
            assert violations(page) == [], f"{path} {scheme} {width}"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} {width}"
        assert errors == []
        page.context.close()


def test_token_is_created_and_revoked_by_keyboard(browser: Browser, base: str) -> None:
    page, errors = opened(browser, base)
    reach(page, "button", "Menu").press("Enter")
    reach(page, "link", "Account of ora").press("Enter")
    reach(page, "link", "Tokens").press("Enter")
    page.wait_for_url("**/account/tokens")
    reach(page, "textbox", "Name")
    page.keyboard.type("backup")
    box = reach(page, "checkbox", "Write posts")
    page.keyboard.press("Space")
    assert not box.is_checked()
    reach(page, "button", "Create token").press("Enter")
    secret = page.get_by_role("textbox", name="backup")
    secret.wait_for()
    assert len(secret.input_value()) > 50
    reach(page, "link", "Done").press("Enter")
    reach(page, "button", "Revoke backup").press("Enter")
    page.get_by_role("heading", name="New token").wait_for()
    assert errors == []


def test_invalid_form_moves_the_focus_to_the_error(browser: Browser, base: str) -> None:
    page, _ = opened(browser, base)
    page.goto("/admin/site")
    reach(page, "textbox", "Navigation optional")
    page.keyboard.type("About")
    reach(page, "button", "Save").press("Enter")
    summary = page.get_by_role("alert")
    summary.wait_for()
    assert summary.evaluate("element => element === document.activeElement")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "field-navigation"


def test_members_role_is_set_by_keyboard(browser: Browser, base: str, tmp_path: Path) -> None:
    blog(tmp_path, "user", "create", "bob", "bob@example.org")
    page, _ = opened(browser, base)
    page.goto("/admin/members")
    reach(page, "combobox", "Role of bob")
    page.keyboard.type("Ed")
    reach(page, "button", "Save the role of bob").press("Enter")
    page.wait_for_url("**/admin/members#member-*")
    assert page.get_by_role("combobox", name="Role of bob").input_value() == "editor"


def test_accent_colour_is_applied(browser: Browser, base: str) -> None:
    page, _ = opened(browser, base, color_scheme="light")
    page.goto("/admin/appearance")
    page.get_by_label("Accent colour").fill("#0000cc")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Appearance saved.").wait_for()
    colour = "getComputedStyle(document.querySelector('form.stacked-form button')).backgroundColor"
    # Scripts may see the words before the style sheet with the colour is there.
    page.wait_for_function(f"{colour} === 'rgb(0, 0, 204)'")
    page.emulate_media(color_scheme="dark")
    # Lighter, and not the blog's own green.
    page.wait_for_function(f"!['rgb(0, 0, 204)', 'rgb(134, 207, 177)'].includes({colour})")
