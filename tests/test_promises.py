"""What `.github/SECURITY.md` promises of every answer, whichever door it comes from."""

import io
import re

import pytest

from blog.app import create_app
from blog.domain import accounts, media, sessions
from blog.schemas.accounts import Role
from blog.schemas.media import NewMedia
from tests.conftest import ORIGIN, PASSWORD, running
from tests.pictures import png

PLACES = (
    "/", "/nowhere", "/archive", "/tags", "/search", "/search?q=engines", "/login", "/register", "/reset-password",
    "/feed.atom", "/feed.rss", "/feed.json", "/sitemap.xml", "/sitemap-posts-1.xml", "/opensearch.xml", "/robots.txt",
    "/api/openapi.json", "/api/asyncapi.json", "/api/docs", "/api/v1/posts", "/api/v1/nowhere", "/healthz", "/readyz",
    "/static/css/blog.css", "/static/js/live.js", "/static/img/favicon.svg",
)  # fmt: skip
KIND = re.compile(r"(text/.*|application/([a-z]+\+)?xml); charset=utf-8|application/([a-z]+\+)?json|image/svg\+xml")


@pytest.fixture
async def ora(ctx, make_user):
    """Header fields of the owner's browser."""
    user = await make_user("ora", Role.OWNER)
    session_id = await sessions.start(ctx, accounts.actor_of(user), "a browser")
    return {"Cookie": f"session={session_id}", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


async def test_every_answer_says_what_it_is_and_in_which_letters(client):
    for path in PLACES:
        kind = (await client.get(path)).headers["content-type"]
        assert KIND.fullmatch(kind), (path, kind)


async def test_no_answer_names_its_server_or_repeats_a_request(client):
    for path in PLACES:
        assert not {"server", "x-powered-by"} & set((await client.get(path)).headers), path
        traced = await client.request("TRACE", path, headers={"X-Secret": "not to be repeated"})
        assert traced.status_code in (404, 405), path
        assert "not to be repeated" not in traced.text


async def test_folders_are_not_listed(client, ctx, author):
    await media.upload(author, io.BytesIO(png(3, 2)), NewMedia(alt=""))
    for path in (
        "/static",
        "/static/",
        "/static/css",
        "/static/css/",
        "/media",
        "/media/",
        "/static/%2e%2e/pyproject.toml",
        "/.git/HEAD",
        "/.env",
    ):
        assert (await client.get(path)).status_code in (404, 307, 308), path


async def test_rooms_are_kept_by_no_cache(client, ora):
    for path in (
        "/account",
        "/account/email",
        "/account/security",
        "/account/sessions",
        "/account/tokens",
        "/admin",
        "/admin/members",
        "/admin/audit",
    ):
        answer = await client.get(path, headers=ora)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), path


@pytest.mark.parametrize(("path", "sent"), [
    ("/logout", {}), ("/account/sessions", {}), ("/account/delete", {"username": "bob", "current": PASSWORD, "posts": "stay"}),
])  # fmt: skip
async def test_who_signs_out_leaves_nothing_in_the_browser(client, ctx, make_user, path, sent):
    session_id = await sessions.start(ctx, accounts.actor_of(await make_user("bob")), "a browser")
    answer = await client.post(path, data=sent, headers={"Cookie": f"session={session_id}", "Origin": ORIGIN})
    assert (answer.status_code, answer.headers["clear-site-data"]) == (303, '"cache", "storage"')
    assert (await client.get("/account", headers={"Cookie": f"session={session_id}"})).status_code == 303


async def test_every_cookie_is_bound_to_this_host_and_kept_from_scripts(settings, ctx, make_user):
    await make_user("ada")
    async with running(create_app(settings.model_copy(update={"public_url": "https://blog.example.org"}))) as client:
        answers = [
            await client.post("/theme", data={"theme": "dark"}),
            await client.post("/login", data={"username": "ada", "password": PASSWORD}),
        ]
    cookies = [cookie for answer in answers for cookie in answer.headers.get_list("set-cookie")]
    assert {cookie.partition("=")[0] for cookie in cookies} == {"__Host-theme", "__Host-session", "__Host-device"}
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes, cookie
        assert not any(attribute.startswith("domain") for attribute in attributes), cookie


async def test_credentials_in_an_address_are_worth_nothing(client, bearer, ctx, make_user):
    token = (await bearer("ada"))["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token", "authorization"):
        answer = await client.get("/api/v1/users/me", params={name: token})
        assert answer.status_code in (401, 422), name
    session_id = await sessions.start(ctx, accounts.actor_of(await make_user("bob")), "a browser")
    assert (await client.get("/account", params={"session": session_id})).status_code == 303


async def test_no_field_of_a_form_can_be_sent_that_it_does_not_have(client, ora):
    answer = await client.post("/account", data={"name": "Ora", "bio": "", "age": "", "role": "owner"}, headers=ora)
    assert answer.status_code == 422
    assert "a field that is not known here" in answer.text
