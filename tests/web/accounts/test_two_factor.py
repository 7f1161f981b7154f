"""Pages of two-factor authentication and the security log, without JavaScript."""

import datetime as dt
import re

import httpx2
import pyotp
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts, password_reset, two_factor
from blog.domain.core.context import Context
from blog.schemas.accounts import Role
from tests.conftest import ORIGIN, PASSWORD, MakeUser
from tests.support import matching
from tests.web.conftest import SignIn

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
SIGN_IN = {"username": "ada", "password": PASSWORD}


def code(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(dt.datetime.now(dt.UTC), counter_offset=steps)


async def turn_on(client: httpx2.AsyncClient, headers: dict[str, str]) -> tuple[str, list[str]]:
    """Turn on two-factor authentication on the pages; return the secret and the recovery codes."""
    begun = await client.post("/account/two-factor", data={"current": PASSWORD}, headers=headers)
    assert (begun.status_code, begun.headers["location"]) == (303, "/account/two-factor/enable")
    shown = await client.get("/account/two-factor/enable", headers=headers)
    secret = matching.search(r'id="secret">([A-Z2-7 ]+)<', shown.text)[1].replace(" ", "")
    done = await client.post("/account/two-factor/enable", data={"code": code(secret)}, headers=headers)
    assert done.status_code == 201
    return secret, re.findall(r"<li><code>([A-Z2-7-]+)</code>", done.text)


async def make_password_entry_old(ctx: Context, minutes: int = 11) -> None:
    """Move the last entry of the password into the past."""
    sessions = tables.sessions
    await ctx.db.execute(sessions.update().values(confirmed_at=ctx.now - dt.timedelta(minutes=minutes)))


@pytest.fixture
async def ada(sign_in: SignIn) -> dict[str, str]:
    return await sign_in("ada")


async def test_two_factor_is_turned_on_and_then_required(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    assert "Off. Protect your account" in (await client.get("/account/security", headers=ada)).text
    secret, codes = await turn_on(client, ada)
    assert len(codes) == 10
    assert "10 recovery codes are left" in (await client.get("/account/security", headers=ada)).text
    half = await client.post("/login", data=SIGN_IN | {"next": "/account/tokens"}, headers=OWN)
    assert (half.status_code, half.headers["location"]) == (303, "/login/code?next=%2Faccount%2Ftokens")
    assert "session=" not in half.headers["set-cookie"], "not signed in yet"
    assert (await client.get("/account")).status_code == 303
    form = await client.get(half.headers["location"])
    assert 'name="next" value="/account/tokens"' in form.text
    wrong = await client.post("/login/code", data={"code": "12", "next": "/account/tokens"}, headers=OWN)
    assert wrong.status_code == 401
    assert "Wrong code" in wrong.text
    done = await client.post("/login/code", data={"code": code(secret, 1), "next": "/account/tokens"}, headers=OWN)
    assert (done.status_code, done.headers["location"]) == (303, "/account/tokens")
    assert (await client.get("/account/tokens")).status_code == 200


async def test_qr_code_has_no_inline_style_and_is_not_cached(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    await client.post("/account/two-factor", data={"current": PASSWORD}, headers=ada)
    shown = await client.get("/account/two-factor/enable", headers=ada)
    assert shown.headers["cache-control"] == "no-store"
    assert re.search(r'<svg [^>]*class="qr"', shown.text)
    assert "style=" not in shown.text
    assert "<script>" not in shown.text


async def test_enabling_needs_a_started_setup(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    assert (await client.get("/login/code")).headers["location"] == "/login"
    answer = await client.post("/login/code", data={"code": "123456"}, headers=OWN | {"Cookie": "ticket=x"})
    assert (answer.status_code, "Enter your username and password again" in answer.text) == (401, True)


async def test_setup_needs_a_recent_password(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    wrong = await client.post("/account/two-factor", data={"current": "guess"}, headers=ada)
    assert wrong.status_code == 422
    assert 'id="error-current">Wrong password' in wrong.text
    assert (await client.get("/account/two-factor/enable", headers=ada)).headers["location"] == "/account/two-factor"
    await client.post("/account/two-factor", data={"current": PASSWORD}, headers=ada)
    await make_password_entry_old(ctx)
    for answer in (
        await client.get("/account/two-factor/enable", headers=ada),
        await client.post("/account/two-factor/enable", data={"code": "123456"}, headers=ada),
    ):
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/two-factor")


async def test_wrong_first_code_shows_the_same_secret_again(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]
) -> None:
    await client.post("/account/two-factor", data={"current": PASSWORD}, headers=ada)
    first = await client.get("/account/two-factor/enable", headers=ada)
    again = await client.post("/account/two-factor/enable", data={"code": "1"}, headers=ada)
    assert again.status_code == 422
    assert 'id="error-code">Wrong code' in again.text
    codes = [matching.search(r"<svg.*</svg>", answer.text, re.DOTALL)[0] for answer in (first, again)]
    assert codes[0] == codes[1]


async def test_turning_off_needs_password_and_code(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    secret, codes = await turn_on(client, ada)
    path = "/account/two-factor/disable"
    for sent, field in (
        ({"current": "guess", "code": codes[0]}, "current"),
        ({"current": PASSWORD, "code": code(secret)}, "code"),  # used already
        ({"current": PASSWORD, "code": ""}, "code"),
    ):
        refused = await client.post(path, data=sent, headers=ada)
        assert (refused.status_code, f'id="error-{field}"' in refused.text) == (422, True)
        assert PASSWORD not in refused.text
    renewed = await client.post("/account/two-factor/recovery-codes", data={"current": PASSWORD, "code": codes[0]}, headers=ada)
    assert renewed.status_code == 201
    fresh = re.findall(r"<li><code>([A-Z2-7-]+)</code>", renewed.text)
    assert len(fresh) == 10
    off = await client.post(path, data={"current": PASSWORD, "code": fresh[0]}, headers=ada)
    assert (off.status_code, off.headers["location"]) == (303, "/account/security?saved=off")
    assert (await client.post("/login", data=SIGN_IN, headers=OWN)).headers["location"] == "/"


async def test_two_factor_changes_link_to_the_sessions(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    await client.post("/account/two-factor", data={"current": PASSWORD}, headers=ada)
    shown = await client.get("/account/two-factor/enable", headers=ada)
    secret = matching.search(r'id="secret">([A-Z2-7 ]+)<', shown.text)[1].replace(" ", "")
    on = await client.post("/account/two-factor/enable", data={"code": code(secret)}, headers=ada)
    off = await client.get("/account/security?saved=off", headers=ada)
    for answer in (on, off):
        notice = answer.text.partition('role="status"')[2].partition("</div>")[0]
        assert 'href="/account/sessions"' in notice


async def test_password_reset_needs_the_code_too(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    secret, _ = await turn_on(client, ada)
    path = f"/set-password/{await password_reset.create_link(ctx, 'ada')}"
    answer = await client.post(path, data={"password": "a new long one"}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login/code")
    assert (await client.get("/account")).status_code == 303, "not signed in"
    done = await client.post("/login/code", data={"code": code(secret, 1)}, headers=OWN)
    assert done.status_code == 303
    assert (await client.get("/account")).status_code == 200


async def test_token_form_needs_a_recent_password(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]) -> None:
    new = {"name": "backup", "scope-account": "on", "days": "30"}
    assert 'name="current"' not in (await client.get("/account/tokens", headers=ada)).text
    await make_password_entry_old(ctx)
    assert 'name="current"' in (await client.get("/account/tokens", headers=ada)).text
    for sent, status, field in ((new, 403, "field-current"), (new | {"current": "guess"}, 422, "error-current")):
        refused = await client.post("/account/tokens", data=sent, headers=ada)
        assert refused.status_code == status
        assert f'id="{field}"' in refused.text
        assert 'value="backup"' in refused.text, "nothing typed is lost"
    assert (await client.post("/account/tokens", data=new | {"current": PASSWORD}, headers=ada)).status_code == 201
    assert (await client.post("/account/tokens", data=new, headers=ada)).status_code == 201, "not asked twice"


async def test_role_changes_need_a_recent_password(
    client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn, make_user: MakeUser
) -> None:
    ora, bob = await sign_in("ora", Role.OWNER), await make_user("bob", Role.READER)
    await make_password_entry_old(ctx)
    listed = (await client.get("/admin/members?q=bob", headers=ora)).text
    assert 'href="/account/confirm?next=/admin/members%3Fq%3Dbob"' in listed
    change = {"user": str(bob.id), "role": "editor"}
    refused = await client.post("/admin/members", data=change, headers=ora)
    assert (refused.status_code, "confirm your password" in refused.text) == (403, True)
    form = await client.get("/account/confirm?next=/admin/members%3Fq%3Dbob", headers=ora)
    assert 'name="next" value="/admin/members?q=bob"' in form.text
    wrong = await client.post("/account/confirm", data={"current": "guess", "next": "/admin/members"}, headers=ora)
    assert (wrong.status_code, 'name="next" value="/admin/members"' in wrong.text) == (422, True)
    done = await client.post("/account/confirm", data={"current": PASSWORD, "next": "/admin/members?q=bob"}, headers=ora)
    assert (done.status_code, done.headers["location"]) == (303, "/admin/members?q=bob")
    assert (await client.post("/admin/members", data=change, headers=ora)).status_code == 303
    assert (await accounts.by_username(ctx, "bob")).role is Role.EDITOR
    evil = await client.post("/account/confirm", data={"current": PASSWORD, "next": "//evil.example"}, headers=ora)
    assert evil.headers["location"] == "/account/security"


async def test_inviting_an_owner_needs_a_recent_password(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    ora = await sign_in("ora", Role.OWNER)
    await make_password_entry_old(ctx)
    owner = {"role": "owner", "note": "Mary", "days": "7", "current": ""}
    refused = await client.post("/admin/invitations", data=owner, headers=ora)
    assert (refused.status_code, 'value="Mary"' in refused.text) == (403, True)
    assert (await client.post("/admin/invitations", data=owner | {"role": "author"}, headers=ora)).status_code == 303
    assert (await client.post("/admin/invitations", data=owner | {"current": PASSWORD}, headers=ora)).status_code == 303


async def test_owner_reads_the_whole_log_and_others_their_own_entries(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], sign_in: SignIn
) -> None:
    ora = await sign_in("ora", Role.OWNER)
    firefox = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
    await client.post("/login", data=SIGN_IN | {"password": "guess"}, headers=OWN | firefox)
    log = (await client.get("/admin/audit", headers=ora)).text
    assert 'Sign-in failed: wrong username or password</strong> <span class="muted">ada</span>' in log
    assert "127.0.0.1" in log
    assert "Firefox on Linux" in log
    narrow = (await client.get("/admin/audit?action=sign_in_failed&user=ADA", headers=ora)).text
    assert narrow.count('id="entry-') == 1
    assert "No matching entries." in (await client.get("/admin/audit?action=role_changed", headers=ora)).text
    assert "No matching entries." in (await client.get("/admin/audit?user=nobody", headers=ora)).text
    own = (await client.get("/account/security", headers=ada)).text
    assert "Sign-in failed" in own
    assert "ora" not in re.sub(r"<footer.*", "", own.split("Account activity")[1], flags=re.DOTALL).split("</ul>")[0]
    assert (await client.get("/admin/audit", headers=ada)).status_code == 403
    assert (await client.get("/admin/audit")).status_code == 303
    assert (await client.get("/account/security")).status_code == 303


async def test_log_is_paged(client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str], sign_in: SignIn) -> None:
    ora = await sign_in("ora", Role.OWNER)
    for _ in range(55):
        await client.post("/login", data=SIGN_IN | {"password": "guess"}, headers=OWN)
    seen: list[str] = []
    path: str | None = "/admin/audit?action=sign_in_failed"
    while path:
        text = (await client.get(path, headers=ora)).text
        seen += re.findall(r'id="entry-(\d+)"', text)
        more = re.search(r'rel="next" href="([^"]+)"', text)
        path = more[1].replace("&amp;", "&") if more else None
    assert len(seen) == len(set(seen)) == 55
    assert seen == sorted(seen, key=int, reverse=True)


async def test_hostile_text_is_escaped(client: httpx2.AsyncClient, ctx: Context, sign_in: SignIn) -> None:
    ora = await sign_in("ora", Role.OWNER)
    evil = "<script>alert(1)</script>"
    await client.post("/login", data=SIGN_IN, headers=OWN | {"User-Agent": evil, "X-Correlation-ID": "<b>x</b>"})
    log = (await client.get("/admin/audit", headers=ora)).text
    assert evil not in log
    assert "<b>x</b>" not in log
    assert "&lt;b&gt;x&lt;/b&gt;" in log


async def test_sign_in_needs_no_code_after_an_operator_disabled_two_factor(
    client: httpx2.AsyncClient, ctx: Context, ada: dict[str, str]
) -> None:
    await turn_on(client, ada)
    await two_factor.remove(ctx, (await accounts.by_username(ctx, "ada")).id)
    assert (await client.post("/login", data=SIGN_IN, headers=OWN)).headers["location"] == "/"
    assert await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.recovery_codes)) == 0
