"""The first steps on the dashboard of an owner."""

import re

import httpx2

from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.site import site_preferences, static_pages
from blog.schemas.accounts import Role
from blog.schemas.site_preferences import PreferencesChanges
from blog.schemas.static_pages import StaticPageInput
from tests.web.conftest import SignIn, Write


async def test_steps_are_ticked_and_go_when_they_are_done(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    ora = await sign_in("ora", Role.OWNER)
    owner = ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "ora")))

    async def page() -> str:
        """Return the section of the steps; empty if the page has none."""
        found = re.search(r'<section class="dashboard-section first-steps".*?</section>', await dashboard(), re.DOTALL)
        return found[0] if found else ""

    async def dashboard() -> str:
        return (await client.get("/dashboard", headers=ora)).text

    shown = await page()
    for label in ("Write your first post", "Choose a title", "Add a page about the blog", "Invite other authors"):
        assert label in shown
    await write("Draft", status="draft")
    assert ">Write your first post</a>" in await page()
    await write("On engines", "They weave.")
    shown = await page()
    assert "Write your first post</a>" not in shown
    assert "Write your first post<span" in shown
    await site_preferences.change(owner, PreferencesChanges(accent="#336699"))
    assert "First steps" in await page()
    await static_pages.create(owner, StaticPageInput(title="About", content="Us."), reserved=())
    assert "First steps" not in await dashboard()


async def test_only_owners_see_the_steps(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    assert "First steps" in (await client.get("/dashboard", headers=await sign_in("ora", Role.OWNER))).text
    assert "First steps" not in (await client.get("/dashboard", headers=await sign_in("eve", Role.EDITOR))).text
