"""The field for one new author in a real browser: suggestions by name, and the same change without JavaScript."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.axe import violations
from tests.support.serving import blog
from tests.web.posts.test_authors_browser import PASSWORD, signed_in
from tests.web.test_live_page import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path, owner="ora")
    options = ("--role", "owner", "--password-stdin")
    blog(tmp_path, "user", "create", "olga", "olga@example.net", *options, stdin=PASSWORD)
    for name in ("ada", "adam"):
        blog(tmp_path, "user", "create", name, f"{name}@example.net", "--role", "author")
    return made


@pytest.mark.parametrize("scripts", [True, False], ids=["JavaScript", "no JavaScript"])
def test_new_author_is_chosen_for_several_posts_and_for_a_member(site: Site, browser: Browser, scripts: bool) -> None:
    with site.up(), signed_in(site, browser, "olga", scripts=scripts) as page:
        site.post("One")
        page.goto(f"{site.base}/admin/posts")
        page.locator("tbody input[type=checkbox]").check()
        page.get_by_label("Action").select_option("set-author")
        field = page.locator("#field-author")
        if scripts:
            field.press_sequentially("ad")
            expect(page.locator("#author-names [role=option]")).to_have_text(["ada", "adam"])
            assert violations(page) == []
            field.press("ArrowDown")
            field.press("ArrowDown")
            field.press("Enter")
        else:
            field.fill("nobody")
            page.get_by_role("button", name="Continue").click()
            expect(page.locator(".error-summary")).to_contain_text("Not an author on this blog: nobody.")
            field.fill("adam")
        expect(field).to_have_value("adam")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Set “adam” as the author of 1 post").click()
        expect(page.locator("[role=status]")).to_contain_text("1 post changed")
        page.goto(f"{site.base}/admin/members?q=adam")
        page.get_by_role("link", name="adam", exact=False).first.click()
        field = page.locator("#field-transfer_to")
        if scripts:
            field.press_sequentially("or")
            page.locator("#author-names [role=option]").get_by_text("ora").click()
        else:
            field.fill("ora")
        expect(field).to_have_value("ora")
        page.get_by_role("button", name="Change author").click()
        expect(page.locator("[role=status]")).to_contain_text("Posts given to the new author.")
