"""Registration, sign-in and sign-out, and the links of the operator."""

import html
import re

import httpx2
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts, password_reset, sessions, suspension
from blog.domain.core.context import Context
from blog.schemas.accounts import Credentials, Role
from blog.schemas.members import CommentsOnSuspension
from blog.settings import Settings
from tests.conftest import ORIGIN, PASSWORD, MakeUser, running
from tests.support import matching
from tests.support.optional import unwrap
from tests.web.conftest import SignIn, Write
from tests.web.test_forms import value

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
NEW = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
SIGN_IN = {"username": "ada", "password": PASSWORD}


async def count(ctx: Context, table: sa.Table) -> int:
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(table)))


def session_of(answer: httpx2.Response) -> str:
    return matching.search(r"^session=([^;]+);", answer.headers["set-cookie"])[1]


async def test_registration_creates_a_reader_and_a_session(client: httpx2.AsyncClient, ctx: Context) -> None:
    answer = await client.post("/register", data=NEW, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    user = await accounts.by_username(ctx, "ada")
    assert (user.role, user.email, user.name) == (Role.READER, "ada@example.org", "ada")
    account = await client.get("/account")
    assert account.status_code == 200
    assert "You are <strong>ada</strong>, a reader on this blog" in account.text


async def test_registration_reports_all_errors_at_once(client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser) -> None:
    await make_user("ada")
    typed = {"username": "ADA", "email": "nobody", "password": "password1"}
    answer = await client.post("/register", data=typed, headers=OWN)
    assert answer.status_code == 422
    assert 'id="error-username">This username is taken' in answer.text
    assert 'id="error-email">Enter an e-mail address' in answer.text
    assert 'id="error-password">This password is too common' in answer.text
    answer = await client.post("/register", data=typed | {"email": "ADA@example.org", "password": "short"}, headers=OWN)
    assert 'id="error-username">This username is taken' in answer.text
    assert 'id="error-email">Another account uses this e-mail address' in answer.text
    assert 'id="error-password">Use at least 8 characters' in answer.text
    assert "password1" not in answer.text
    assert await count(ctx, tables.users) == 1


async def test_invalid_registration_reveals_no_taken_names_while_closed(settings: Settings, make_user: MakeUser) -> None:
    await make_user("ada")
    async with running(create_app(settings.model_copy(update={"registration": False}))) as client:
        answer = await client.post("/register", data=NEW | {"password": "short"}, headers=OWN)
    assert "is taken" not in answer.text
    assert "Registration is closed" in answer.text


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("username", "a b", "Use only letters, digits, underscores and hyphens"),
        ("username", "ab", "Use at least 3 characters"),
        ("username", "", "Use at least 3 characters"),
        ("email", "nobody", "Enter an e-mail address, such as name@example.org"),
        ("password", "short", "Use at least 8 characters"),
        ("password", "x" * 257, "Enter at most 256"),
    ],
)
async def test_invalid_registration_keeps_its_values_without_the_password(
    client: httpx2.AsyncClient, ctx: Context, field: str, typed: str, message: str
) -> None:
    answer = await client.post("/register", data=NEW | {field: typed}, headers=OWN)
    assert answer.status_code == 422
    assert f'<p class="error" id="error-{field}">{message}</p>' in answer.text
    for name in {"username", "email"} - {field}:
        assert f'value="{NEW[name]}"' in answer.text
    assert PASSWORD not in answer.text
    assert re.search(r'name="password" type="password" value=""', answer.text)
    assert await count(ctx, tables.users) == 0


async def test_hostile_username_is_escaped(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/register", data=NEW | {"username": '"><script>alert(1)</script>'}, headers=OWN)
    assert answer.status_code == 422
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


@pytest.mark.parametrize(
    ("taken", "field"), [({"email": "b@example.org", "username": "ADA"}, "username"), ({"username": "bob"}, "email")]
)
async def test_used_username_or_email_is_reported_at_its_field(
    client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser, taken: dict[str, str], field: str
) -> None:
    await make_user("ada")
    answer = await client.post("/register", data=NEW | taken, headers=OWN)
    assert answer.status_code == 409
    assert f'id="error-{field}"' in answer.text
    assert await count(ctx, tables.users) == 1


async def test_closed_registration_says_so_and_is_not_offered(settings: Settings, ctx: Context) -> None:
    async with running(create_app(settings.model_copy(update={"registration": False}))) as client:
        page = await client.get("/register")
        assert page.status_code == 403
        assert "Registration is closed" in page.text
        assert (await client.post("/register", data=NEW, headers=OWN)).status_code == 403
        assert 'href="/register' not in (await client.get("/login")).text
    assert await count(ctx, tables.users) == 0


async def test_registration_cannot_choose_a_role(client: httpx2.AsyncClient, ctx: Context) -> None:
    answer = await client.post("/register", data=NEW | {"role": "owner"}, headers=OWN)
    assert answer.status_code == 422
    assert await count(ctx, tables.users) == 0


@pytest.mark.parametrize("name", ["ada", "ADA", "ada@example.org"])
async def test_sign_in_by_username_or_email(client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser, name: str) -> None:
    await make_user("ada")
    answer = await client.post("/login", data=SIGN_IN | {"username": name, "next": "/write"}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/write")
    assert (await client.get("/write")).status_code == 200


async def test_sign_in_to_a_suspended_account_says_so(client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser) -> None:
    await make_user("ada")
    await suspension.suspend(ctx, "ada", CommentsOnSuspension.KEEP)
    refused = await client.post("/login", data=SIGN_IN, headers=OWN)
    assert refused.status_code == 403
    assert "This account is suspended. Ask an owner of the blog" in refused.text
    assert "set-cookie" not in refused.headers
    guessed = await client.post("/login", data=SIGN_IN | {"password": "not the one"}, headers=OWN)
    assert (guessed.status_code, "suspended" in guessed.text) == (401, False)
    by_api = await client.post("/api/v1/tokens", json=SIGN_IN)
    assert (by_api.status_code, by_api.json()["title"]) == (403, "Account suspended")


async def test_cookie_is_http_only_and_same_site(
    client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser, settings: Settings
) -> None:
    await make_user("ada")
    cookie = (await client.post("/login", data=SIGN_IN, headers=OWN)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert f"max-age={settings.session_idle_days * 86_400}" in cookie
    assert "secure" not in cookie, "this blog is served without TLS"
    assert "domain" not in cookie


async def test_cookie_is_secure_and_bound_to_the_host_under_tls(settings: Settings, ctx: Context, make_user: MakeUser) -> None:
    await make_user("ada")
    app = create_app(settings.model_copy(update={"public_url": "https://blog.example.org"}))
    async with running(app) as client:
        cookie = (await client.post("/login", data=SIGN_IN)).headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    assert "secure" in cookie.lower()


async def test_each_sign_in_has_a_new_id_and_ends_the_previous_session(
    client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser
) -> None:
    await make_user("ada")
    planted = {"Cookie": "session=planted-by-somebody"}
    first = session_of(await client.post("/login", data=SIGN_IN, headers=OWN | planted))
    second = session_of(await client.post("/login", data=SIGN_IN, headers=OWN | {"Cookie": f"session={first}"}))
    assert len({first, second, "planted-by-somebody"}) == 3
    assert await sessions.load(ctx, first) is None
    assert unwrap(await sessions.load(ctx, second)).actor.username == "ada"


async def test_wrong_password_and_unknown_name_look_the_same(
    client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser
) -> None:
    await make_user("ada")
    answers = [
        await client.post("/login", data={"username": name, "password": "not the one", "next": "/write"}, headers=OWN)
        for name in ("ada", "bob")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    one, other = [answer.text.replace('value="bob"', 'value="ada"') for answer in answers]
    assert one == other
    assert "Wrong username or password" in one
    assert 'name="next" value="/write"' in one
    assert "not the one" not in one
    assert "set-cookie" not in answers[0].headers
    assert await count(ctx, tables.sessions) == 0


async def test_empty_sign_in_form_says_what_is_missing(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/login", data={"username": "", "password": ""}, headers=OWN)
    assert answer.status_code == 422
    assert answer.text.count("Fill this in") == 4, "in the summary and at the field, twice"


EVIL = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)",
    "/\t/evil.example", "/\n/evil.example", "evil.example", " //evil.example", "/\x00/evil.example", "http:/evil.example",
]  # fmt: skip


@pytest.mark.parametrize("wanted", EVIL)
async def test_sign_in_never_redirects_to_another_site(
    client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser, wanted: str
) -> None:
    await make_user("ada")
    form = await client.get("/login", params={"next": wanted})
    assert 'name="next" value=""' in form.text
    answer = await client.post("/login", data=SIGN_IN | {"next": wanted}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    again = await client.get("/login", params={"next": wanted})
    assert (again.status_code, again.headers["location"]) == (303, "/")


async def test_private_page_redirects_through_sign_in_and_back(
    client: httpx2.AsyncClient, write: Write, make_user: MakeUser
) -> None:
    await write("Élan & more", slug="élan")
    asked = await client.get("/posts/%C3%A9lan/edit?a=b%26c")
    assert asked.status_code == 303
    form = await client.get(asked.headers["location"])
    wanted = matching.search(r'name="next" value="([^"]*)"', form.text)[1]
    assert wanted == "/posts/%C3%A9lan/edit?a=b%26c"
    answer = await client.post("/login", data=SIGN_IN | {"next": wanted}, headers=OWN)
    assert answer.headers["location"] == wanted
    assert (await client.get(wanted)).status_code == 200


async def test_sign_out_ends_the_session(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    assert (await client.get("/logout", headers=ada)).status_code == 405
    answer = await client.post("/logout", headers=ada)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert 'session=""' in answer.headers["set-cookie"]
    assert await count(ctx, tables.sessions) == 0
    assert (await client.get("/account", headers=ada)).status_code == 303


async def test_cross_site_sign_in_and_sign_out_are_refused(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn, make_user: MakeUser
) -> None:
    ada = await sign_in("ada")
    evil = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert (await client.post("/logout", headers=ada | evil)).status_code == 403
    assert (await client.post("/login", data=SIGN_IN, headers=evil)).status_code == 403
    assert await count(ctx, tables.sessions) == 1


async def test_owner_link_works_once(client: httpx2.AsyncClient, ctx: Context) -> None:
    path = f"/setup/{accounts.setup_link(ctx)}"
    assert "Welcome to your blog" in (await client.get(path)).text
    refused = await client.post(path, data=NEW | {"password": "short"}, headers=OWN)
    assert refused.status_code == 422
    answer = await client.post(path, data=NEW, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
    assert (await accounts.by_username(ctx, "ada")).role is Role.OWNER
    assert (await client.get("/dashboard")).status_code == 200, "signed in"
    again = await client.get(path)
    assert again.status_code == 409
    assert "This blog already has an owner" in again.text
    second = {"username": "eve", "email": "eve@example.org", "password": PASSWORD}
    assert (await client.post(path, data=second, headers=OWN)).status_code == 409
    assert await count(ctx, tables.users) == 1


async def test_invalid_owner_link_is_not_found(client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser) -> None:
    await make_user("ada")
    for secret in ("x", await password_reset.create_link(ctx, "ada")):
        assert (await client.get(f"/setup/{secret}")).status_code == 404
        assert (await client.post(f"/setup/{secret}", data=NEW, headers=OWN)).status_code == 404


async def test_password_link_works_once(client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser) -> None:
    await make_user("ada")
    path = f"/set-password/{await password_reset.create_link(ctx, 'ada')}"
    assert "For the account <strong>ada</strong>" in (await client.get(path)).text
    assert (await client.post(path, data={"password": "short"}, headers=OWN)).status_code == 422
    answer = await client.post(path, data={"password": "a new long one"}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await client.get("/account")).status_code == 200, "signed in"
    assert (await sessions.authenticate(ctx, Credentials(username="ada", password=SecretStr("a new long one")))).username == "ada"
    assert (await client.get(path)).status_code == 404
    assert (await client.post(path, data={"password": "yet another"}, headers=OWN)).status_code == 404


async def test_common_password_is_refused_at_its_field(client: httpx2.AsyncClient, ctx: Context, make_user: MakeUser) -> None:
    await make_user("ada")
    link = await password_reset.create_link(ctx, "ada")
    bob = NEW | {"username": "bob", "email": "bob@example.org"}
    for path, sent in (("/register", bob), (f"/set-password/{link}", {})):
        answer = await client.post(path, data=sent | {"password": "Password1"}, headers=OWN)
        assert answer.status_code == 422
        assert 'id="error-password">This password is too common' in answer.text
        assert "Password1" not in answer.text
    assert await count(ctx, tables.users) == 1


def link(page: str, label: str) -> str:
    """Return the target of the last link with this label."""
    return html.unescape(re.findall(rf'<a href="([^"]+)"[^>]*>{label}</a>', page)[-1])


@pytest.mark.parametrize("way", ["create an account", "Sign in, then Register", "Register in the header", "after a mistake"])
async def test_registration_leads_back_to_the_post(client: httpx2.AsyncClient, write: Write, way: str) -> None:
    await write("On engines")
    new = NEW | {"username": "bob", "email": "bob@example.org"}
    page = (await client.get("/posts/on-engines")).text
    match way:
        case "Sign in, then Register":
            page = (await client.get(link(page, "Sign in"))).text
            target = link(page, "Register")
        case "Register in the header":
            target = link(page, "Register")
        case _:
            target = link(page, "create an account")
    form = (await client.get(target)).text
    if way == "after a mistake":
        form = (await client.post("/register", data=new | {"username": "x", "next": value(form, "next")}, headers=OWN)).text
        assert link(form, "Sign in") == "/login?next=%2Fposts%2Fon-engines"
    answer = await client.post("/register", data=new | {"next": value(form, "next")}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/on-engines")


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil"])
async def test_registration_never_leads_elsewhere(client: httpx2.AsyncClient, target: str) -> None:
    assert "evil" not in value((await client.get("/register", params={"next": target})).text, "next")
    answer = await client.post("/register", data=NEW | {"next": target}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_links_between_the_two_pages_keep_the_way_back(client: httpx2.AsyncClient) -> None:
    for path, label, other in (("/login", "Register", "/register"), ("/register", "Sign in", "/login")):
        page = (await client.get(path, params={"next": "/posts/a?x=1&y=2"})).text
        found = [html.unescape(target) for target in re.findall(rf'<a href="([^"]+)"[^>]*>{label}</a>', page)]
        assert found == [f"{other}?next=%2Fposts%2Fa%3Fx%3D1%26y%3D2"] * 2, "in the header and below the form"
