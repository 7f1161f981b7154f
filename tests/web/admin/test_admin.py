"""Pages for owners."""

import datetime as dt
import html
import re
from dataclasses import replace

import httpx2
import pytest
import sqlalchemy as sa

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts, invitations, password_reset
from blog.domain.accounts.user_directory import PAGE_SIZE
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.site import site_preferences
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.invitations import NewInvitation
from blog.schemas.posts import NewPost
from blog.schemas.site_preferences import PreferencesChanges
from blog.settings import Settings
from tests.conftest import ORIGIN, PASSWORD, MakeUser, running
from tests.web.conftest import SignIn, Write

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
ROOMS = [
    "/admin",
    "/admin/members",
    "/admin/invitations",
    "/admin/site",
    "/admin/appearance",
    "/admin/pages",
    "/admin/pages/new",
    "/admin/pages/1",
]
SITE = {
    "title": "Looms & Engines", "description": "On weaving.",
    "navigation": "About | /about\n\n Elsewhere|https://example.org/ ", "blocked_words": "casino\nfree money",
    "hold_first_comment": "true", "max_links": "1", "comment_edit_minutes": "5",
    "close_comments_days": "0", "language": "en-GB", "language_tag": "", "time_zone": "Europe/London",
}  # fmt: skip


@pytest.fixture
async def ora(sign_in: SignIn) -> dict[str, str]:
    """Return the headers of an owner's browser."""
    return await sign_in("ora", Role.OWNER)


@pytest.fixture
async def owner(ctx: Context, ora: dict[str, str]) -> Context:
    """Return the context of the same owner."""
    return ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "ora")))


@pytest.mark.parametrize("path", ROOMS)
async def test_every_admin_page_is_for_owners(client: httpx2.AsyncClient, sign_in: SignIn, path: str) -> None:
    edo = await sign_in("edo", Role.EDITOR)
    assert (await client.get(path, headers=edo)).status_code == 403
    assert (await client.get(path)).headers["location"].startswith("/login?next=%2Fadmin")
    for headers, status in ((edo, 403), (OWN, 401)):
        sent = SITE | {"user": "1", "role": "owner", "days": "7", "note": "", "content": "", "version": "1"}
        assert (await client.post(path, data=sent, headers=headers)).status_code in (status, 405)


async def test_owner_changes_a_flag_and_sees_it(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ora = await sign_in("ora", Role.OWNER)
    page = (await client.get("/admin", headers=ora)).text
    assert re.findall(r'class="feature-state (\w+)"', page) == ["on"] * 4
    answer = await client.post("/admin/flags/comments", data={"enabled": "false"}, headers=ora)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin#flag-comments")
    page = (await client.get("/admin", headers=ora)).text
    assert re.findall(r'class="feature-state (\w+)"', page) == ["on", "off", "on", "on"]
    assert "Last changed on" in page
    assert 'value="true">Turn on' in page


async def test_admin_page_and_its_link_are_for_owners(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    edo = await sign_in("edo", Role.EDITOR)
    assert (await client.get("/admin", headers=edo)).status_code == 403
    assert (await client.post("/admin/flags/comments", data={"enabled": "false"}, headers=edo)).status_code == 403
    assert 'href="/admin"' not in (await client.get("/", headers=edo)).text
    assert 'href="/admin"' in (await client.get("/", headers=await sign_in("ora", Role.OWNER))).text


async def test_anonymous_users_are_redirected_to_sign_in(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/admin")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fadmin")


@pytest.mark.parametrize(
    ("name", "form", "status"), [("gravity", {"enabled": "false"}, 404), ("live", {"enabled": "maybe"}, 422)]
)
async def test_unknown_flag_changes_nothing(
    client: httpx2.AsyncClient, sign_in: SignIn, name: str, form: dict[str, str], status: int
) -> None:
    ora = await sign_in("ora", Role.OWNER)
    assert (await client.post(f"/admin/flags/{name}", data=form, headers=ora)).status_code == status
    assert (await client.get("/admin", headers=ora)).text.count("Turn off") == 4


# Numbers


def day_label(ctx: Context, days: int) -> str:
    return ctx.site.formats.short_day(ctx.today - dt.timedelta(days=days))


async def test_statistics_have_charts_and_tables(client: httpx2.AsyncClient, ora: dict[str, str], owner: Context) -> None:
    for days in (0, 3, 45):
        post = await posts.create(replace(owner, now=owner.now - dt.timedelta(days=days)), NewPost(title="A", content="x"))
    await comments.create(owner, post.id, NewComment(content="Well."))
    page = (await client.get("/admin", headers=ora)).text
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert [drawing.count("<rect") for drawing in drawings] == [0, 2, 1]
    labels = [re.findall(r"<li>([^<]+)</li>", ticks) for ticks in re.findall(r'<ol class="chart-ticks".*?</ol>', page, re.DOTALL)]
    assert labels == [["4", "2", "0"]] * 3
    assert (
        re.findall(r'<p class="chart-dates".*?</p>', page)
        == [
            '<p class="chart-dates" aria-hidden="true">'
            + "".join(f"<span>{label}</span> " for label in (day_label(owner, 29), day_label(owner, 14), "today"))
            + "</p>"
        ]
        * 3
    )
    assert page.count("The vertical axis shows posts from 0 to 4, the horizontal axis days.") == 1
    for drawing in drawings:
        title, description = re.findall(r'role="img" aria-labelledby="(\S+) (\S+)"', drawing)[0]
        assert f'<title id="{title}">' in drawing
        assert f'<desc id="{description}">' in drawing
    assert len(re.findall(r'<th scope="row">', page)) == 30
    assert re.search(rf'<time datetime="{owner.today}">[^<]*</time></th><td>0</td><td>1</td><td>1</td>', page)
    longer = (await client.get("/admin?days=90", headers=ora)).text
    assert len(re.findall(r'<th scope="row">', longer)) == 90
    assert "Last 30 days" in (await client.get("/admin?days=31", headers=ora)).text
    assert "style=" not in page


# Members


async def test_members_are_listed_with_post_counts_and_searchable(
    client: httpx2.AsyncClient, ora: dict[str, str], write: Write, make_user: MakeUser
) -> None:
    await write("On engines")
    await make_user("per_cent", Role.READER)
    page = (await client.get("/admin/members", headers=ora)).text
    assert re.findall(r"<strong>(\w+)</strong>", page) == ["per_cent", "ada", "ora"]
    assert re.search(r"ada@example\.org · joined .*? · 1 post · 0 comments<", page)

    async def search_members(text: str) -> list[str]:
        answer = await client.get("/admin/members", params={"q": text}, headers=ora)
        return re.findall(r"<strong>(\w+)</strong>", answer.text)

    assert await search_members("ADA") == ["ada"]
    assert await search_members("ora@example") == ["ora"]
    assert await search_members("%") == []
    assert await search_members("_") == ["per_cent"]
    assert "No matching members" in (await client.get("/admin/members?q=nobody", headers=ora)).text


async def test_long_list_of_members_is_paged(client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str]) -> None:
    values = [
        {"username": f"user{number}", "username_folded": f"user{number}", "name": f"user{number}", "role": "reader",
         "created_at": ctx.now, "updated_at": ctx.now} for number in range(PAGE_SIZE)
    ]  # fmt: skip
    for row in values:
        await ctx.db.execute(tables.users.insert().values(row))
    first = (await client.get("/admin/members", headers=ora)).text
    second = (await client.get(html.unescape(re.findall(r'rel="next" href="([^"]+)"', first)[0]), headers=ora)).text
    names = re.findall(r"<strong>(\w+)</strong>", first) + re.findall(r"<strong>(\w+)</strong>", second)
    assert names == [f"user{number}" for number in reversed(range(PAGE_SIZE))] + ["ora"]
    assert 'rel="next"' not in second


async def test_role_change_returns_to_the_same_page(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], make_user: MakeUser
) -> None:
    bob = await make_user("bob", Role.READER)
    answer = await client.post("/admin/members?q=bo", data={"user": bob.id, "role": "editor"}, headers=ora)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/members?q=bo#member-{bob.id}")
    assert (await accounts.by_username(ctx, "bob")).role is Role.EDITOR


async def test_last_owner_cannot_lose_the_role(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], owner: Context
) -> None:
    answer = await client.post("/admin/members", data={"user": owner.require_actor().id, "role": "reader"}, headers=ora)
    assert answer.status_code == 409
    assert "This is the only owner" in answer.text
    assert f'id="member-{owner.require_actor().id}"' in answer.text
    assert (await accounts.by_username(ctx, "ora")).role is Role.OWNER


@pytest.mark.parametrize(("form", "status"), [({"user": "99", "role": "editor"}, 404), ({"user": "1", "role": "king"}, 422)])
async def test_invalid_role_change_is_refused(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], form: dict[str, str], status: int
) -> None:
    assert (await client.post("/admin/members", data=form, headers=ora)).status_code == status
    assert (await accounts.by_username(ctx, "ora")).role is Role.OWNER


# Invitations


async def link_of(client: httpx2.AsyncClient, ora: dict[str, str], **form: str) -> str:
    answer = await client.post("/admin/invitations", data={"role": "author", "note": "Mary", "days": "7"} | form, headers=ora)
    assert answer.status_code == 303
    page = (await client.get("/admin/invitations", headers=ora)).text
    return str(re.findall(rf'value="{ORIGIN}(/invitation/[^"]+)"', page)[0])


async def test_invitation_creates_one_account_despite_closed_registration(
    settings: Settings, ctx: Context, ora: dict[str, str]
) -> None:
    new = {"username": "mary", "email": "mary@example.org", "password": PASSWORD}
    async with running(create_app(settings.model_copy(update={"registration": False}))) as client:
        path = await link_of(client, ora)
        page = (await client.get(path)).text
        assert "ora has invited you as an author" in page
        refused = await client.post(path, data=new | {"username": "ora"}, headers=OWN)
        assert refused.status_code == 409
        assert 'id="error-username"' in refused.text
        answer = await client.post(path, data=new, headers=OWN)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert (await client.get("/write")).status_code == 200, "signed in, and an author"
        client.cookies.clear()
        for again in (await client.get(path), await client.post(path, data=new | {"username": "eve"}, headers=OWN)):
            assert again.status_code == 404
            assert "This invitation was already used. Sign in" in again.text
        listed = (await client.get("/admin/invitations", headers=ora)).text
        assert 'used by <a href="/authors/mary">mary</a>' in listed
    assert (await accounts.by_username(ctx, "mary")).role is Role.AUTHOR


async def test_invitation_changes_no_existing_account(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], sign_in: SignIn
) -> None:
    bob = await sign_in("bob", Role.READER)
    path = await link_of(client, ora, role="editor")
    page = await client.get(path, headers=bob)
    assert "This invitation creates a new account" in page.text
    assert 'name="password"' not in page.text
    sent = {"username": "bob2", "email": "bob2@example.org", "password": PASSWORD}
    assert (await client.post(path, data=sent, headers=bob)).status_code == 409
    assert (await accounts.by_username(ctx, "bob")).role is Role.READER
    assert (await client.get(path)).status_code == 200, "the link still works"


async def test_revoked_or_expired_invitation_is_invalid(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], owner: Context
) -> None:
    revoked, old = await link_of(client, ora), await link_of(client, ora)
    assert (await client.post("/admin/invitations/1/revoke", headers=ora)).status_code == 303
    assert (await client.post("/admin/invitations/1/revoke", headers=ora)).status_code == 404
    await ctx.db.execute(tables.invitations.update().where(tables.invitations.c.id == 2).values(expires_at=ctx.now))
    for path in (revoked, old, "/invitation/x"):
        assert (await client.get(path)).status_code == 404
    page = (await client.get("/admin/invitations", headers=ora)).text
    assert re.findall(r'<span class="mark">([^<]+)<', page) == ["Expired", "Revoked"]
    assert "/invitation/" not in page


async def test_invitation_by_a_former_owner_is_invalid(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], make_user: MakeUser
) -> None:
    path = await link_of(client, ora, role="owner")
    await make_user("second", Role.OWNER)
    await accounts.set_role(ctx, "ora", Role.EDITOR)
    assert (await client.get(path)).status_code == 404


async def test_other_signed_texts_are_no_invitations(client: httpx2.AsyncClient, ctx: Context, owner: Context) -> None:
    await invitations.create(owner, NewInvitation(role=Role.OWNER))
    for secret in (accounts.setup_link(ctx), await password_reset.create_link(ctx, "ora")):
        assert (await client.get(f"/invitation/{secret}")).status_code == 404


@pytest.mark.parametrize(("field", "typed"), [("days", "91"), ("days", ""), ("role", "king"), ("note", "x" * 201)])
async def test_invalid_invitation_form_keeps_its_values(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], field: str, typed: str
) -> None:
    sent = {"role": "editor", "note": "Mary", "days": "3"} | {field: typed}
    answer = await client.post("/admin/invitations", data=sent, headers=ora)
    assert answer.status_code == 422
    assert f'id="error-{field}"' in answer.text
    assert await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.invitations)) == 0


# Site


async def test_site_settings_apply_to_every_page(
    client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str], write: Write
) -> None:
    await write("On engines")
    answer = await client.post("/admin/site", data=SITE, headers=ora)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/site?saved=yes")
    assert "Settings saved." in (await client.get("/admin/site?saved=yes", headers=ora)).text
    for path in ("/", "/archive", "/posts/on-engines", "/nowhere"):
        page = (await client.get(path)).text
        assert "Looms &amp; Engines</title>" in page
        assert '<a href="/about" dir="auto">About</a>' in page
        assert '<a href="https://example.org/" dir="auto">Elsewhere</a>' in page
        assert "Field Notes" not in page
    home = (await client.get("/")).text
    assert '<meta name="description" content="On weaving.">' in home
    assert '<meta property="og:site_name" content="Looms &amp; Engines">' in home
    assert (await client.get("/api/openapi.json")).json()["info"]["title"] == "Looms & Engines: API"
    form = (await client.get("/admin/site", headers=ora)).text
    assert "About | /about\nElsewhere | https://example.org/</textarea>" in form
    assert "casino\nfree money</textarea>" in form
    assert 'name="hold_first_comment" value="true" checked' in form
    assert '<option value="en-GB" lang="en-GB" selected>' in form
    assert '<option value="Europe/London" selected>London</option>' in form
    assert '<html lang="en-GB">' in home


async def test_emptied_fields_return_to_the_defaults(client: httpx2.AsyncClient, ctx: Context, ora: dict[str, str]) -> None:
    await client.post("/admin/site", data=SITE, headers=ora)
    sent = SITE | {"title": "", "description": "", "navigation": "", "blocked_words": ""}
    del sent["hold_first_comment"]
    await client.post("/admin/site", data=sent, headers=ora)
    page = (await client.get("/")).text
    assert "<title>Field Notes</title>" in page
    assert "About</a>" not in page
    assert "checked" not in (await client.get("/admin/site", headers=ora)).text


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("navigation", "About", "Not a link."),
        ("navigation", "Evil | javascript:alert(1)", "Not a link."),
        ("navigation", "Evil | //evil.example", "Not a link."),
        ("navigation", r"Evil | /\evil.example", "Not a link."),
        ("navigation", " | /about", "Fill this in"),
        ("navigation", "a | /a\n" * 11, "Enter at most 10"),
        ("title", "x" * 101, "Use at most 100 characters"),
        ("max_links", "many", "Enter a whole number"),
        ("close_comments_days", "3651", "Enter 3650 or a smaller number"),
        ("comment_edit_minutes", "-1", "Enter 0 or a larger number"),
        ("language_tag", "gsw", "To use this tag, choose “Another language”"),
        ("time_zone", "Nowhere", "Not a time zone."),
    ],
)
async def test_invalid_site_form_keeps_its_values(
    client: httpx2.AsyncClient, ora: dict[str, str], field: str, typed: str, message: str
) -> None:
    answer = await client.post("/admin/site", data=SITE | {field: typed}, headers=ora)
    assert answer.status_code == 422
    assert re.search(rf'id="error-{field}">{message}', answer.text)
    assert html.escape(typed.strip()) in answer.text or field == "time_zone", "a list shows what is in it"
    assert "On weaving." in answer.text
    assert "<title>Field Notes</title>" in (await client.get("/")).text


@pytest.mark.parametrize(("typed", "kind"), [("many", "text"), ("-1", "number")])
async def test_invalid_number_stays_visible_in_its_field(
    client: httpx2.AsyncClient, ora: dict[str, str], typed: str, kind: str
) -> None:
    answer = await client.post("/admin/site", data=SITE | {"max_links": typed}, headers=ora)
    assert f'name="max_links" type="{kind}" value="{typed}"' in answer.text


async def test_title_change_reaches_live_pages_and_other_processes(
    client: httpx2.AsyncClient, ctx: Context, owner: Context
) -> None:
    await site_preferences.change(owner, PreferencesChanges(title="From elsewhere"))
    await ctx.site.runtime_settings.refresh(ctx.db)
    assert ctx.site.title == "From elsewhere"
