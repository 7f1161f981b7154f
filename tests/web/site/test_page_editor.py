"""The editor of static pages in browsers without JavaScript, and its endpoints for scripts."""

import html
import re
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.site import site_preferences, static_pages
from blog.schemas.accounts import Role
from blog.schemas.site_preferences import NavigationLink, PreferencesChanges
from blog.schemas.static_pages import PageStatus, StaticPageChanges, StaticPageInput
from tests.web.conftest import SignIn

IMPRINT = {"title": "Imprint", "slug": "imprint", "content": "We *weave*."}


@pytest.fixture
async def ora(sign_in: SignIn) -> dict[str, str]:
    """Return the headers of an owner's browser."""
    return await sign_in("ora", Role.OWNER)


@pytest.fixture
async def owner(ctx: Context, ora: dict[str, str]) -> Context:
    """Return the context of the same owner."""
    return ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "ora")))


async def draft(owner: Context, **members: Any) -> static_pages.StaticPage:
    new = StaticPageInput(**{"title": "Imprint", "content": "We *weave*.", "status": PageStatus.DRAFT} | members)
    return await static_pages.create(owner, new, reserved=())


def value(page: str, name: str) -> str:
    """Return the value of a control in a page."""
    found = re.search(
        rf'<textarea [^>]*name="{name}"[^>]*>\n(.*?)</textarea>|name="{name}"[^>]* value="([^"]*)"', page, re.DOTALL
    )
    assert found, name
    return html.unescape(found[1] if found[1] is not None else found[2])


async def stored_forms(ctx: Context) -> list[dict[str, str]]:
    return [row["form"] for row in await ctx.db.fetch_all(sa.select(tables.autosaves.c.form))]


async def test_page_is_a_draft_until_it_is_published(client: httpx2.AsyncClient, ora: dict[str, str], sign_in: SignIn) -> None:
    saved = await client.post("/admin/pages/new", data=IMPRINT, headers=ora)
    assert (saved.status_code, saved.headers["location"]) == (303, "/admin/pages/1?saved=1")
    editor = (await client.get(saved.headers["location"], headers=ora)).text
    assert "Draft saved." in editor
    assert '<a href="/imprint">View draft</a>' in editor
    for other in ({}, await sign_in("edo", Role.EDITOR)):
        for method in ("GET", "HEAD", "POST"):
            assert (await client.request(method, "/imprint", headers=other)).status_code == 404
    shown = (await client.get("/imprint", headers=ora)).text
    assert "Only owners can see this." in shown
    assert '<meta name="robots" content="noindex">' in shown
    assert "<strong>Draft</strong>" in (await client.get("/admin/pages", headers=ora)).text
    summary = (await client.get("/admin/pages/1/publish", headers=ora)).text
    assert "http://127.0.0.1:8000/imprint" in summary
    assert "No link in the navigation leads to it" in summary
    published = await client.post("/admin/pages/1/publish", data={"version": "1"}, headers=ora)
    assert published.headers["location"] == "/imprint?published=2"
    after = (await client.get(published.headers["location"], headers=ora)).text
    assert "<strong>Published.</strong>" in after
    assert ">http://127.0.0.1:8000/imprint</a>" in after
    assert "<strong>Published.</strong>" not in (await client.get("/imprint?published=2")).text, "readers see no note"
    assert "<strong>Published.</strong>" not in (await client.get("/imprint", headers=ora)).text
    assert (await client.get("/imprint")).status_code == 200
    assert (await client.get("/admin/pages/1/publish", headers=ora)).headers["location"] == "/imprint"
    unpublished = await client.post("/admin/pages/1/unpublish", headers=ora)
    assert unpublished.headers["location"] == "/imprint"
    assert (await client.get("/imprint")).status_code == 404


async def test_saving_a_published_page_keeps_it_public(client: httpx2.AsyncClient, owner: Context, ora: dict[str, str]) -> None:
    page = await draft(owner, status=PageStatus.PUBLISHED)
    form = (await client.get(f"/admin/pages/{page.id}", headers=ora)).text
    assert "Save changes" in form
    sent = {name: value(form, name) for name in ("title", "slug", "content", "status", "version")}
    saved = await client.post(f"/admin/pages/{page.id}", data=sent | {"content": "New.", "slug": ""}, headers=ora)
    assert saved.headers["location"] == "/imprint", "an empty slug keeps the address"
    assert "New." in (await client.get("/imprint")).text


async def test_publish_button_saves_and_leads_to_the_summary(
    client: httpx2.AsyncClient, owner: Context, ora: dict[str, str]
) -> None:
    links = [NavigationLink(label="Legal <b>", target="/imprint")]
    await site_preferences.change(owner, PreferencesChanges(navigation=links))
    saved = await client.post("/admin/pages/new", data=IMPRINT | {"content": "![](/x.png)", "then": "publish"}, headers=ora)
    assert saved.headers["location"] == "/admin/pages/1/publish"
    summary = (await client.get(saved.headers["location"], headers=ora)).text
    assert "In the navigation as “<bdi>Legal &lt;b&gt;</bdi>”, and in the sitemap." in summary
    assert "One image has no alternative text." in summary
    assert 'href="/imprint"' not in (await client.get("/archive")).text
    await client.post("/admin/pages/1/publish", data={"version": "1"}, headers=ora)
    assert 'href="/imprint"' in (await client.get("/archive")).text


async def test_empty_page_is_not_published(client: httpx2.AsyncClient, owner: Context, ora: dict[str, str]) -> None:
    page = await draft(owner, content="")
    summary = (await client.get(f"/admin/pages/{page.id}/publish", headers=ora)).text
    assert "This page is empty." in summary
    assert "Publish now" not in summary
    answer = await client.post(f"/admin/pages/{page.id}/publish", data={"version": "1"}, headers=ora)
    assert answer.status_code == 422
    refused = await client.post("/admin/pages/new", data=IMPRINT | {"content": " ", "status": "published"}, headers=ora)
    assert refused.status_code == 422
    assert 'id="error-content">This page is empty.' in refused.text


async def test_only_the_shown_version_is_published(client: httpx2.AsyncClient, owner: Context, ora: dict[str, str]) -> None:
    page = await draft(owner)
    await static_pages.edit(owner, page.id, StaticPageChanges(content="Wrong."), reserved=())
    answer = await client.post(f"/admin/pages/{page.id}/publish", data={"version": "1"}, headers=ora)
    assert answer.status_code == 412
    assert "The page was changed after you opened this summary." in answer.text
    assert value(answer.text, "version") == "2"
    assert (await static_pages.get(owner, page.id)).status is PageStatus.DRAFT


async def test_conflict_keeps_their_status(client: httpx2.AsyncClient, owner: Context, ora: dict[str, str]) -> None:
    page = await draft(owner)
    await static_pages.edit(owner, page.id, StaticPageChanges(status=PageStatus.PUBLISHED), reserved=())
    sent = IMPRINT | {"content": "Mine.", "version": "1", "status": "draft"}
    answer = await client.post(f"/admin/pages/{page.id}", data=sent, headers=ora)
    assert answer.status_code == 412
    assert (value(answer.text, "status"), value(answer.text, "content")) == ("published", "Mine.")


async def test_preview_keeps_the_text_and_names_removed_markup(
    client: httpx2.AsyncClient, owner: Context, ora: dict[str, str]
) -> None:
    page = await draft(owner)
    for path in ("/admin/pages/new", f"/admin/pages/{page.id}"):
        sent = {"title": "A <b>", "slug": "my slug", "content": "It *weaves*. <script>alert(1)</script>", "version": "1"}
        form = (await client.get(path, headers=ora)).text
        assert f'formaction="{path}/preview"' in form
        answer = await client.post(f"{path}/preview", data=sent, headers=ora)
        assert answer.status_code == 200
        assert "It <em>weaves</em>." in answer.text
        assert "Not allowed, and removed: <code>&lt;script&gt;</code>" in answer.text
        assert [value(answer.text, name) for name in ("title", "slug", "content")] == list(sent.values())[:3]
        assert f'action="{path}"' in answer.text
    assert (await static_pages.get(owner, page.id)).version == 1


async def test_autosave_is_offered_restored_and_removed_when_saved(
    client: httpx2.AsyncClient, ctx: Context, owner: Context, ora: dict[str, str]
) -> None:
    page = await draft(owner)
    for path, words in (("/admin/pages/new", "Unsaved draft"), (f"/admin/pages/{page.id}", "You have unsaved changes")):
        typed = IMPRINT | {"slug": "not valid", "content": "a \n\nthou", "version": "1"}
        answer = await client.post(f"{path}/autosave", json=typed, headers=ora)
        number = answer.json()["id"]
        assert f'data-autosave="{path}/autosave"' in (offered := (await client.get(path, headers=ora)).text)
        assert words in offered
        assert f'href="{path}?autosave={number}"' in offered
        assert f'href="{path}?autosave={number}"' in (await client.get("/dashboard", headers=ora)).text
        restored = (await client.get(f"{path}?autosave={number}", headers=ora)).text
        assert [value(restored, name) for name in ("slug", "content")] == ["not valid", "a \n\nthou"]
        sent = IMPRINT | {"slug": path.rpartition("/")[2], "version": "1", "autosave": str(number)}
        assert (await client.post(path, data=sent, headers=ora)).status_code == 303
        assert await stored_forms(ctx) == []


async def test_restored_text_of_an_older_version_is_a_conflict(
    client: httpx2.AsyncClient, ctx: Context, owner: Context, ora: dict[str, str]
) -> None:
    page = await draft(owner)
    typed = IMPRINT | {"content": "Mine.", "version": "1"}
    number = (await client.post(f"/admin/pages/{page.id}/autosave", json=typed, headers=ora)).json()["id"]
    await static_pages.edit(owner, page.id, StaticPageChanges(content="Theirs."), reserved=())
    restored = (await client.get(f"/admin/pages/{page.id}?autosave={number}", headers=ora)).text
    assert "A newer version of the page has been saved since then." in restored
    sent = IMPRINT | {"content": "Mine.", "version": value(restored, "version"), "autosave": str(number)}
    answer = await client.post(f"/admin/pages/{page.id}", data=sent, headers=ora)
    assert answer.status_code == 412
    assert "<ins>Mine</ins>" in answer.text
    assert value(answer.text, "autosave") == str(number)
    assert len(await stored_forms(ctx)) == 1


async def test_discarded_autosave_leads_back_to_its_form(client: httpx2.AsyncClient, owner: Context, ora: dict[str, str]) -> None:
    page = await draft(owner)
    for path in ("/admin/pages/new", f"/admin/pages/{page.id}"):
        number = (await client.post(f"{path}/autosave", json=IMPRINT | {"content": "Half"}, headers=ora)).json()["id"]
        assert (await client.post(f"/autosaves/{number}/discard", headers=ora)).headers["location"] == path


async def test_expired_session_loses_no_text(client: httpx2.AsyncClient, owner: Context) -> None:
    page = await draft(owner, title="Secret plans")
    for path in ("/admin/pages/new", f"/admin/pages/{page.id}"):
        for address in (path, f"{path}/preview"):
            answer = await client.post(address, data=IMPRINT | {"content": "Hours of work", "version": "1"})
            assert answer.status_code == 401
            assert value(answer.text, "content") == "Hours of work"
            assert f'action="{path}"' in answer.text
            assert "Secret plans" not in answer.text
        assert (await client.post(f"{path}/autosave", json=IMPRINT)).status_code == 401


async def test_text_of_a_deleted_page_can_be_saved_as_a_new_one(
    client: httpx2.AsyncClient, owner: Context, ora: dict[str, str]
) -> None:
    page = await draft(owner)
    await static_pages.delete(owner, page.id)
    answer = await client.post(f"/admin/pages/{page.id}", data=IMPRINT | {"version": "1"}, headers=ora)
    assert answer.status_code == 404
    assert "This page was deleted while you were writing." in answer.text
    assert value(answer.text, "content") == IMPRINT["content"]
    assert 'action="/admin/pages/new"' in answer.text


async def test_editors_have_no_access(client: httpx2.AsyncClient, owner: Context, sign_in: SignIn) -> None:
    page = await draft(owner)
    edo = await sign_in("edo", Role.EDITOR)
    for path in ("new", str(page.id)):
        assert (await client.get(f"/admin/pages/{path}", headers=edo)).status_code == 403
        for place in ("", "/preview", "/autosave"):
            assert (await client.post(f"/admin/pages/{path}{place}", data=IMPRINT, headers=edo)).status_code == 403
    for place in ("publish", "unpublish"):
        assert (await client.post(f"/admin/pages/{page.id}/{place}", data={"version": "1"}, headers=edo)).status_code == 403
