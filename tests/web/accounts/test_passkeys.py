"""Passkeys on the pages: with a device in software, and in a browser with a virtual authenticator."""

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts, sessions, webauthn
from blog.domain.core.context import Context
from blog.schemas.accounts import Role
from blog.settings import Settings
from tests.conftest import PASSWORD, MakeUser, running
from tests.support import matching
from tests.support.authenticator import Device
from tests.support.serving import blog, free_port, run_sql, serving, wait_until_up
from tests.web.accounts.test_two_factor import make_password_entry_old

HOST = "blog.example.org"
SITE = f"https://{HOST}"
OWN = {"Origin": SITE, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": SITE})


@pytest.fixture
async def ada(ctx: Context, make_user: MakeUser) -> dict[str, str]:
    session_id = await sessions.start(ctx, accounts.as_actor(await make_user("ada", Role.AUTHOR)), "a browser")
    return OWN | {"Cookie": f"__Host-session={session_id}"}


def ticket(answer: httpx2.Response) -> str:
    """Return the challenge cookie of the response, as the browser sends it."""
    found = next(cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith("__Host-passkey="))
    assert "Secure" in found
    assert "HttpOnly" in found
    return found.partition(";")[0]


def options(answer: httpx2.Response) -> Any:
    return json.loads(html.unescape(matching.search(r'data-options="([^"]*)"', answer.text)[1]))


async def add(client: httpx2.AsyncClient, ada: dict[str, str], name: str = "Laptop") -> tuple[Device, httpx2.Response]:
    shown = await client.get("/account/passkeys/new", headers=ada)
    device = Device(SITE, HOST)
    headers = ada | {"Cookie": f"{ada['Cookie']}; {ticket(shown)}"}
    sent = {"name": name, "credential": device.create(options(shown))}
    return device, await client.post("/account/passkeys/new", data=sent, headers=headers)


async def sign_in(client: httpx2.AsyncClient, device: Device, path: str = "", **changed: Any) -> httpx2.Response:
    asked = await client.get("/login/passkey")
    assert asked.headers["cache-control"] == "no-store"
    sent = {"credential": device.get(asked.json()), "next": path} | changed
    return await client.post("/login/passkey", data=sent, headers=OWN | {"Cookie": ticket(asked)})


async def test_passkey_is_added_used_and_removed(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    device, added = await add(client, ada)
    assert (added.status_code, added.headers["location"]) == (303, "/account/security?saved=passkey")
    client.cookies.clear()
    listed = (await client.get("/account/security", headers=ada)).text
    assert re.search(r"<strong>Laptop</strong>.*?not used yet", listed, re.DOTALL)
    entered = await sign_in(client, device, "/account/tokens")
    assert (entered.status_code, entered.headers["location"]) == (303, "/account/tokens")
    session = next(cookie for cookie in entered.headers.get_list("set-cookie") if cookie.startswith("__Host-session="))
    assert (await client.get("/account/tokens", headers={"Cookie": session.partition(";")[0]})).status_code == 200
    listed = (await client.get("/account/security", headers=ada)).text
    assert re.search(r"<strong>Laptop</strong>.*?last used <time", listed, re.DOTALL)
    assert "Signed in</strong>: passkey" in listed
    remove = matching.search(r'href="(/account/passkeys/\d+/remove)"', listed)[1]
    assert "Remove “Laptop”?" in (await client.get(remove, headers=ada)).text
    removed = await client.post(remove, headers=ada, data={"current": ""})
    assert (removed.status_code, removed.headers["location"]) == (303, "/account/security?saved=no-passkey")
    assert (await client.get(remove, headers=ada)).status_code == 404
    client.cookies.clear()
    assert (await sign_in(client, device)).status_code == 401


async def test_adding_needs_a_recent_password(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    await make_password_entry_old(ctx)
    for answer in (
        await client.get("/account/passkeys/new", headers=ada),
        await client.post("/account/passkeys/new", data={"name": "x", "credential": "{}"}, headers=ada),
    ):
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/confirm?next=%2Faccount%2Fpasskeys%2Fnew")
    confirmed = await client.post("/account/confirm", data={"current": PASSWORD, "next": "/account/passkeys/new"}, headers=ada)
    assert (confirmed.status_code, confirmed.headers["location"]) == (303, "/account/passkeys/new")
    assert (await add(client, ada))[1].status_code == 303


async def test_removing_needs_a_recent_password(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    await add(client, ada)
    await make_password_entry_old(ctx)
    path = matching.search(r'href="(/account/passkeys/\d+/remove)"', (await client.get("/account/security", headers=ada)).text)[1]
    assert 'name="current"' in (await client.get(path, headers=ada)).text
    for sent, status, field in (({"current": ""}, 403, "field-current"), ({"current": "guess"}, 422, "error-current")):
        refused = await client.post(path, data=sent, headers=ada)
        assert (refused.status_code, f'id="{field}"' in refused.text) == (status, True)
    assert (await client.post(path, data={"current": PASSWORD}, headers=ada)).status_code == 303


async def test_invalid_passkey_form_keeps_its_name(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    shown = await client.get("/account/passkeys/new", headers=ada)
    assert 'value="An unknown browser"' in shown.text
    headers = ada | {"Cookie": f"{ada['Cookie']}; {ticket(shown)}"}
    for credential, name, message in (
        ("", "Desk", "Fill this in"),
        ("{}", "Desk", "could not be verified"),
        ("{}", "", "Fill this in"),
    ):
        refused = await client.post("/account/passkeys/new", data={"name": name, "credential": credential}, headers=headers)
        assert (refused.status_code, message in refused.text, f'value="{name}"' in refused.text) == (422, True, True)
        assert options(refused)["challenge"] != options(shown)["challenge"], "a new challenge"


async def test_refused_passkey_offers_the_password(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    device, _ = await add(client, ada)
    for changed, status in (({"credential": "{}"}, 401), ({"credential": ""}, 422), ({"extra": "x"}, 422)):
        client.cookies.clear()
        refused = await sign_in(client, device, "/account/tokens", **changed)
        assert refused.status_code == status
        assert 'name="password"' in refused.text
        assert refused.text.count('value="/account/tokens"') == 2, "both forms lead on"
        assert "__Host-session" not in str(refused.headers.get_list("set-cookie"))
    client.cookies.clear()
    late = await client.post("/login/passkey", data={"credential": "{}", "next": ""}, headers=OWN)
    assert (late.status_code, "took too long" in late.text) == (409, True)


async def test_passkey_sign_in_never_redirects_to_another_site(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    device, _ = await add(client, ada)
    client.cookies.clear()
    assert (await sign_in(client, device, "https://evil.example/")).headers["location"] == "/"


async def test_passkey_needs_no_code(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    device, _ = await add(client, ada)
    row = {"user_id": 1, "secret": "JBSWY3DP", "last_totp_step": 0, "failures": 0, "created_at": ctx.now, "confirmed_at": ctx.now}
    await ctx.db.execute(tables.two_factor.insert().values(row))
    client.cookies.clear()
    assert (await sign_in(client, device)).headers["location"] == "/"
    client.cookies.clear()
    by_password = await client.post("/login", data={"username": "ada", "password": PASSWORD}, headers=OWN)
    assert by_password.headers["location"] == "/login/code"


async def test_cross_site_sign_in_is_refused(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    device, _ = await add(client, ada)
    client.cookies.clear()
    asked = await client.get("/login/passkey")
    headers = {"Origin": "https://evil.example", "Cookie": ticket(asked)}
    answer = await client.post("/login/passkey", data={"credential": device.get(asked.json())}, headers=headers)
    assert answer.status_code == 403


async def test_attempts_are_counted(settings: Settings, ctx: Context) -> None:
    limited = settings.model_copy(update={"rate_limit": "300/minute"})
    async with running(create_app(limited)) as client:
        found = [(await client.post("/login/passkey", data={"credential": "{}"}, headers=OWN)).status_code for _ in range(11)]
    assert found == [409] * 10 + [429]


@pytest.mark.parametrize("why", ["no extra", "no name", "no TLS"])
async def test_pages_do_not_mention_unavailable_passkeys(
    settings: Settings, ctx: Context, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "no extra":
        monkeypatch.setattr(webauthn, "is_installed", lambda: False)
    address = {"no extra": SITE, "no name": "http://127.0.0.1:8000", "no TLS": f"http://{HOST}"}[why]
    app = create_app(settings.model_copy(update={"public_url": address}))
    session_id = await sessions.start(ctx, accounts.as_actor(await make_user("bob")), "a browser")
    name = "__Host-session" if why == "no extra" else "session"
    bob = {"Cookie": f"{name}={session_id}"}
    async with running(app) as client:
        for path, headers in (("/login", {}), ("/account/security", bob), ("/account", bob)):
            page = await client.get(path, headers=headers)
            assert (page.status_code, "asskey" in page.text) == (200, False)
        assert (await client.get("/login/passkey")).status_code == 404
        assert (await client.get("/account/passkeys/new", headers=bob)).status_code == 404
        assert (await client.post("/login/passkey", data={"credential": "{}"})).status_code == 404


async def test_pages_work_without_a_script(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    login = (await client.get("/login")).text
    assert re.search(r'<form [^>]*data-passkey="get" hidden>', login), "offered by the script alone"
    assert 'name="password"' in login
    assert "<noscript>" in (await client.get("/account/passkeys/new", headers=ada)).text
    refused = await client.post("/account/passkeys/new", data={"name": "Laptop", "credential": ""}, headers=ada)
    assert refused.status_code == 422


async def test_no_challenge_is_stored_in_plain_text(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    device, _ = await add(client, ada)
    client.cookies.clear()
    asked = (await client.get("/login/passkey")).json()
    await sign_in(client, device)
    rows = await ctx.db.fetch_all(sa.select(tables.webauthn_challenges))
    assert asked["challenge"] not in str([dict(row) for row in rows]), "their digests are"


# -- in a browser


@pytest.fixture
def authenticator(browser: Browser) -> Iterator[tuple[Page, Callable[..., Any]]]:
    """Return a page in a browser with a virtual authenticator, and a function that calls the authenticator."""
    context = browser.new_context()
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    client = context.new_cdp_session(page)
    client.send("WebAuthn.enable")
    wanted = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    wanted |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    name = client.send("WebAuthn.addVirtualAuthenticator", {"options": wanted})["authenticatorId"]
    yield page, lambda method, **values: client.send(f"WebAuthn.{method}", {"authenticatorId": name, **values})
    assert faults == []


def test_passkey_in_a_browser(tmp_path: Path, authenticator: tuple[Page, Callable[..., Any]]) -> None:
    page, device = authenticator
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner", "--password-stdin", stdin=PASSWORD)
    port = free_port()
    base = f"http://localhost:{port}"
    with serving(tmp_path, port, PUBLIC_URL=base) as (process, log):
        wait_until_up(port, process)
        page.goto(f"{base}/login?next=/account/security")
        page.get_by_label("Username or e-mail address").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("link", name="Add a passkey").click()
        assert page.get_by_label("Name").input_value() == "Chrome on Linux"
        page.get_by_label("Name").fill("Desk")
        page.get_by_role("button", name="Add a passkey").click()
        page.wait_for_url(f"{base}/account/security?saved=passkey")
        assert "Passkey added" in page.get_by_role("status").inner_text()
        (held,) = device("getCredentials")["credentials"]
        assert (held["rpId"], held["isResidentCredential"]) == ("localhost", True)

        page.get_by_role("link", name="Add a passkey").click()  # once more with the same device
        page.get_by_role("button", name="Add a passkey").click()
        page.get_by_text("This device already has a passkey for your account").wait_for()

        page.get_by_role("button", name="Menu").click()
        page.get_by_role("button", name="Sign out").click()
        device("setUserVerified", isUserVerified=False)  # a finger that it does not know
        page.goto(f"{base}/login?next=/account/security")
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.get_by_text("No passkey was used. Try again or use your password.").wait_for()
        device("setUserVerified", isUserVerified=True)
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.wait_for_url(f"{base}/account/security")
        assert re.search(r"Desk\s+Added .*, last used ", page.locator("main").inner_text())
        assert "Signed in: passkey" in page.locator("main").inner_text()
        assert device("getCredentials")["credentials"][0]["signCount"] == 2
        assert run_sql(tmp_path, "SELECT sign_count FROM passkeys") == [(2,)]
    assert "Traceback" not in log.read_text()
