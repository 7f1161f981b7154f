"""E-mails as a mail server receives them, retries, and development without a mail server."""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
import sqlalchemy as sa
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr
from structlog.testing import capture_logs

from blog.app import create_app, routes
from blog.db import tables
from blog.domain.accounts import accounts, email_changes, password_reset, passwords, sessions
from blog.domain.accounts.password_reset import MAX_EMAILS
from blog.domain.core import email_queue
from blog.domain.core.context import Context
from blog.domain.core.email_queue import MAX_ATTEMPTS, EmailKind, QueuedEmail
from blog.domain.core.signing import Purpose
from blog.domain.core.site import open_site
from blog.errors import Conflict, NotAuthenticated, NotFound, TooManyRequests
from blog.framework.urls.urls import UrlBuilder
from blog.mail import messages
from blog.mail.delivery import send_due
from blog.mail.messages import Email
from blog.schemas.accounts import AccountChanges, Credentials, NewUser, PasswordChange, Role
from blog.settings import Environment, Settings
from tests.conftest import ORIGIN, PASSWORD, MakeUser, running
from tests.mail.conftest import Mailbox, mail_server
from tests.support import matching
from tests.support.optional import unwrap

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
LINKS = UrlBuilder(routes, ORIGIN)


@pytest.fixture
async def posted(mailing: Settings, author: Context) -> AsyncIterator[Context]:
    """Return the context of ada on a site with a mail server."""
    async with open_site(mailing) as site:
        yield replace(author, site=site)


async def waiting(ctx: Context) -> list[str]:
    return [row["kind"] for row in await ctx.db.fetch_all(sa.select(tables.email_queue.c.kind).order_by(tables.email_queue.c.id))]


def link_in(email: EmailMessage) -> str:
    return matching.search(rf"{ORIGIN}/set-password/(\S+)", email.get_content())[1]


@pytest.mark.parametrize("name", ["ada", "ADA", " Ada@Example.org "])
async def test_link_is_sent_by_email_and_works_once(posted: Context, mailbox: Mailbox, name: str) -> None:
    await email_queue.request_password_reset(posted, name)
    assert await send_due(posted, LINKS) == 1
    ((to, email),) = mailbox.messages
    assert to == ["ada@example.org"]
    assert (email["From"], email["Subject"]) == ("Field Notes <blog@example.org>", "Set a new password · Field Notes")
    assert email["Auto-Submitted"] == "auto-generated"
    await password_reset.use_link(posted, link_in(email), SecretStr("quite another one"))
    assert (
        await sessions.authenticate(posted, Credentials(username="ada", password=SecretStr("quite another one")))
    ).username == "ada"
    with pytest.raises(NotFound):
        await password_reset.link_user(posted, link_in(email))
    assert await send_due(posted, LINKS) == 1, "a notice that the password was changed"
    assert "Your password was changed" in mailbox.messages[1][1]["Subject"]
    assert await send_due(posted, LINKS) == 0


async def test_link_expires_after_an_hour(posted: Context, mailbox: Mailbox) -> None:
    await email_queue.request_password_reset(posted, "ada")
    await send_due(posted, LINKS)
    secret = link_in(mailbox.messages[0][1])
    for minutes, holds in ((59, True), (61, False)):
        then = replace(posted, now=posted.now + dt.timedelta(minutes=minutes))
        if holds:
            assert (await password_reset.link_user(then, secret)).username == "ada"
        else:
            with pytest.raises(NotFound):
                await password_reset.link_user(then, secret)


async def test_number_of_reset_links_is_limited(posted: Context, mailbox: Mailbox) -> None:
    for name in ["ada", "ada@example.org"] * MAX_EMAILS + ["nobody"]:
        await email_queue.request_password_reset(posted, name)
    assert await send_due(posted, LINKS) == MAX_EMAILS
    assert len(mailbox.messages) == MAX_EMAILS
    assert await waiting(posted) == []


async def test_no_link_and_no_password_is_stored(posted: Context, settings: Settings) -> None:
    await email_queue.request_password_reset(posted, "ada")
    rows = await posted.db.fetch_all(sa.select(tables.email_queue.c.data))
    assert [set(row["data"]) for row in rows] == [{"name", "address", "user_agent"}]


NEW = AccountChanges(email="new@example.org", current=SecretStr(PASSWORD))


def secret_in(email: EmailMessage) -> str:
    return matching.search(rf"{ORIGIN}/account/email/(\S+)", email.get_content())[1]


async def confirm(posted: Context, mailbox: Mailbox, changes: AccountChanges = NEW) -> None:
    """Request an address change, and open the link in the e-mail to the new address."""
    await accounts.change(posted, changes)
    await send_due(posted, LINKS)
    await email_changes.confirm(posted, secret_in(mailbox.messages[-1][1]))


async def test_new_address_is_active_after_its_confirmation(posted: Context, mailbox: Mailbox) -> None:
    waiting_user = await accounts.change(posted, NEW)
    assert (waiting_user.email, waiting_user.pending_email) == ("ada@example.org", "new@example.org")
    await send_due(posted, LINKS)
    ((to, email),) = mailbox.messages
    assert (to, email["Subject"]) == (["new@example.org"], "Confirm your new address · Field Notes")
    assert await email_changes.email_of(posted, secret_in(email)) == "new@example.org"
    assert (await accounts.current(posted)).email == "ada@example.org", "to look at the page changes nothing"
    await email_changes.confirm(posted, secret_in(email))
    user = await accounts.current(posted)
    assert (user.email, user.pending_email) == ("new@example.org", None)
    await send_due(posted, LINKS)
    assert (mailbox.messages[-1][0], mailbox.messages[-1][1]["Subject"].partition(" ·")[0]) == (
        ["ada@example.org"], "Your e-mail address was changed",
    )  # fmt: skip
    with pytest.raises(NotFound, match="was used"):
        await email_changes.confirm(posted, secret_in(email))
    assert await sessions.verify_password(posted, Credentials(username="NEW@example.org", password=SecretStr(PASSWORD)))


async def test_used_link_is_invalid_after_the_address_changed_back(posted: Context, mailbox: Mailbox) -> None:
    await confirm(posted, mailbox)
    used = secret_in(mailbox.messages[0][1])
    await confirm(posted, mailbox, NEW.model_copy(update={"email": "ada@example.org"}))
    with pytest.raises(NotFound):
        await email_changes.confirm(posted, used)


async def test_confirmation_link_works_only_for_its_account(posted: Context, mailbox: Mailbox, make_user: MakeUser) -> None:
    await accounts.change(posted, NEW)
    await send_due(posted, LINKS)
    secret = secret_in(mailbox.messages[0][1])
    eve = posted.acting_as(accounts.as_actor(await make_user("eve")))
    for who, error in ((eve, NotFound), (posted.acting_as(None), NotAuthenticated)):
        with pytest.raises(error):
            await email_changes.confirm(who, secret)
    for false in (
        secret + "x",
        secret[:-1],
        "x",
        posted.site.signer.sign(Purpose.PASSWORD_LINK, [posted.require_actor().id, "x"]),
    ):
        with pytest.raises(NotFound):
            await email_changes.confirm(posted, false)


@pytest.mark.parametrize("what", ["a day", "another", "cancelled", "password"])
async def test_link_ends_after_a_day_with_a_new_link_and_a_new_password(posted: Context, mailbox: Mailbox, what: str) -> None:
    await accounts.change(posted, NEW)
    await send_due(posted, LINKS)
    secret, ctx = secret_in(mailbox.messages[0][1]), posted
    if what == "a day":
        ctx = replace(posted, now=posted.now + dt.timedelta(days=1))
    elif what == "another":
        await accounts.change(posted, NEW.model_copy(update={"email": "other@example.org"}))
    elif what == "cancelled":
        await email_changes.cancel(posted)
    else:
        changed = PasswordChange(current=SecretStr(PASSWORD), password=SecretStr("quite another one"))
        await passwords.change_password(posted, changed)
    with pytest.raises(NotFound):
        await email_changes.confirm(ctx, secret)
    assert (await accounts.current(ctx)).email == "ada@example.org"


async def test_email_for_a_cancelled_address_is_not_sent(posted: Context, mailbox: Mailbox) -> None:
    await accounts.change(posted, NEW)
    await accounts.change(posted, NEW.model_copy(update={"email": "other@example.org"}))
    assert await send_due(posted, LINKS) == 1
    assert [to for to, _ in mailbox.messages] == [["other@example.org"]]
    assert await waiting(posted) == []


async def test_address_used_by_another_account_is_refused_at_confirmation(
    posted: Context, mailbox: Mailbox, make_user: MakeUser
) -> None:
    await make_user("bob")
    with pytest.raises(Conflict, match="Another account"):
        await accounts.change(posted, NEW.model_copy(update={"email": "BOB@example.org"}))
    await accounts.change(posted, NEW)
    await send_due(posted, LINKS)
    await accounts.create(posted, NewUser(username="eve", email="new@example.org"), Role.READER)
    with pytest.raises(Conflict, match="Another account"):
        await email_changes.confirm(posted, secret_in(mailbox.messages[0][1]))
    assert (await accounts.current(posted)).email == "ada@example.org"


async def test_confirmation_emails_are_rate_limited(posted: Context) -> None:
    for number in range(email_changes.MAX_EMAILS_PER_HOUR):
        await accounts.change(posted, NEW.model_copy(update={"email": f"victim{number}@example.org"}))
    with pytest.raises(TooManyRequests):
        await accounts.change(posted, NEW.model_copy(update={"name": "Other", "email": "victim9@example.org"}))
    assert (await accounts.current(posted)).name == "ada", "nothing of it is done"
    later = replace(posted, now=posted.now + dt.timedelta(hours=1))
    assert (await accounts.change(later, NEW)).pending_email == "new@example.org"


async def test_no_confirmation_link_is_stored(posted: Context) -> None:
    await accounts.change(posted, NEW)
    (email,) = await email_queue.claim_due(posted)
    made = unwrap(await email_changes.link_for_email(posted, email))
    rows = [
        *await posted.db.fetch_all(sa.select(tables.email_queue)),
        *await posted.db.fetch_all(sa.select(tables.email_changes)),
    ]
    assert made.secret not in str([dict(row) for row in rows])


async def test_address_is_confirmed_on_its_page(
    settings: Settings, posted: Context, mailbox: Mailbox, make_user: MakeUser
) -> None:
    def browser(session_id: str) -> dict[str, str]:
        return OWN | {"Cookie": f"session={session_id}"}

    ada = browser(await sessions.start(posted, posted.require_actor(), "a browser"))
    eve = browser(await sessions.start(posted, accounts.as_actor(await make_user("eve")), "a browser"))
    async with running(create_app(posted.site.settings)) as client:
        form = {"email": "new@example.org", "current": PASSWORD}
        asked = await client.post("/account/email", data=form, headers=ada)
        assert (asked.status_code, asked.headers["location"]) == (303, "/account/email")
        shown = (await client.get("/account/email", headers=ada)).text
        assert "sent an e-mail to <strong>new@example.org</strong>. Open the link" in shown
        assert "Until then, your address is ada@example.org" in shown
        assert (await client.get("/api/v1/users/me", headers=ada)).json()["pending_email"] == "new@example.org"
        row = unwrap(await posted.db.fetch_one(sa.select(tables.email_changes)))  # the application may have sent the email by now
        path = "/account/email/" + posted.site.signer.sign(Purpose.EMAIL_LINK, [row["user_id"], row["nonce"]])
        stranger = await client.get(path)
        assert (stranger.status_code, stranger.headers["location"].startswith("/login?next=%2Faccount%2Femail%2F")) == (303, True)
        assert (await client.get(path, headers=eve)).status_code == 404
        assert "<strong>new@example.org</strong>" in (await client.get(path, headers=ada)).text
        assert (await client.post(path, headers=ada)).headers["location"] == "/account?saved=email"
        again = await client.get(path, headers=ada)
        assert (again.status_code, "was used" in again.text) == (404, True)
        assert (await client.get("/api/v1/users/me", headers=ada)).json()["email"] == "new@example.org"
        await client.post("/account/email", data=form | {"email": "other@example.org"}, headers=ada)
        assert (await client.post("/account/email/cancel", headers=ada)).headers["location"] == "/account/email"
        assert "sent an e-mail to" not in (await client.get("/account/email", headers=ada)).text


async def test_old_address_is_notified_of_the_change(posted: Context, mailbox: Mailbox) -> None:
    await confirm(posted, mailbox)
    mailbox.messages.clear()
    await passwords.change_password(posted, PasswordChange(current=SecretStr(PASSWORD), password=SecretStr("quite another one")))
    await send_due(posted, LINKS)
    assert [(to, email["Subject"].partition(" ·")[0]) for to, email in mailbox.messages] == [
        (["ada@example.org"], "Your e-mail address was changed"),
        (["new@example.org"], "Your password was changed"),
    ]


async def test_two_workers_send_each_email_once(posted: Context, mailbox: Mailbox) -> None:
    for _ in range(MAX_EMAILS):
        await email_queue.request_password_reset(posted, "ada")
    first = await email_queue.claim_due(posted)
    assert len(first) == MAX_EMAILS
    assert await email_queue.claim_due(posted) == ()
    assert len(await email_queue.claim_due(replace(posted, now=posted.now + dt.timedelta(minutes=6)))) == MAX_EMAILS, (
        "its worker died"
    )


async def test_failed_email_is_retried_and_the_log_says_what_to_do(posted: Context, mailbox: Mailbox) -> None:
    mailbox.refusal = "451 Come back later"
    await email_queue.request_password_reset(posted, "ada")
    with capture_logs() as lines:
        assert await send_due(posted, LINKS) == 0
    (line,) = [line for line in lines if line["event"] == "email could not be sent"]
    assert (line["log_level"], line["outcome"], line["attempt"]) == ("error", "rescheduled", 1)
    assert "SMTP_URL" in line["advice"]
    assert "set-password" not in str(lines), "no link in the log"
    assert await send_due(posted, LINKS) == 0
    mailbox.refusal = ""
    assert await send_due(replace(posted, now=posted.now + dt.timedelta(minutes=1)), LINKS) == 1
    assert await waiting(posted) == []


async def test_email_is_abandoned_after_the_last_attempt(posted: Context, mailbox: Mailbox) -> None:
    mailbox.refusal = "550 Never"
    await email_queue.enqueue(posted, EmailKind.PASSWORD_CHANGED, user_id=posted.require_actor().id)
    when = posted.now
    for attempt in range(MAX_ATTEMPTS):
        assert await waiting(posted) == ["password_changed"]
        with capture_logs() as lines:
            await send_due(replace(posted, now=when), LINKS)
        assert lines[-1]["attempt"] == attempt + 1
        when += dt.timedelta(minutes=2**attempt)
    assert lines[-1]["outcome"] == "abandoned"
    assert await waiting(posted) == []


async def test_smtp_password_is_sent_over_tls_only(
    settings: Settings, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, author: Context
) -> None:
    asked: list[dict[str, Any]] = []

    async def send(*_message: object, **options: Any) -> None:
        asked.append(options)

    monkeypatch.setattr("aiosmtplib.send", send)
    for url, tls, start_tls in (
        ("smtp://me:p%40ss@mail.example.org", False, True),
        ("smtps://me:p%40ss@mail.example.org", True, None),
        ("smtp://me:p%40ss@127.0.0.1:2525", False, None),
        ("smtp://mail.example.org", False, None),
    ):
        changed = settings.model_copy(update={"smtp_url": SecretStr(url), "mail_from": "blog@example.org"})
        async with open_site(changed) as site:
            ctx = replace(author, site=site)
            await email_queue.enqueue(ctx, EmailKind.PASSWORD_CHANGED, user_id=author.require_actor().id)
            await send_due(ctx, LINKS)
        assert (asked[-1]["use_tls"], asked[-1]["start_tls"]) == (tls, start_tls)
    assert [options["port"] for options in asked] == [587, 465, 2525, 587]
    assert [options["password"] for options in asked] == ["p@ss", "p@ss", "p@ss", None]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # on this very machine
async def test_smtp_authentication(settings: Settings, mailbox: Mailbox, author: Context) -> None:
    def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=(given.login, given.password) == (b"me", b"p@ss"))

    with mail_server(mailbox, authenticator=authenticate, auth_required=True, auth_require_tls=False) as port:
        url = SecretStr(f"smtp://me:p%40ss@127.0.0.1:{port}")
        async with open_site(settings.model_copy(update={"smtp_url": url, "mail_from": "blog@example.org"})) as site:
            ctx = replace(author, site=site)
            await email_queue.request_password_reset(ctx, "ada")
            assert await send_due(ctx, LINKS) == 1
    assert len(mailbox.messages) == 1


async def test_reset_page_does_not_reveal_accounts(mailing: Settings, ctx: Context, author: Context) -> None:
    async with running(create_app(mailing)) as client:
        assert "Forgot your password?" in (await client.get("/login")).text
        answers = [await client.post("/reset-password", data={"name": name}, headers=OWN) for name in ("ada", "nobody")]
        assert [(answer.status_code, answer.headers["location"]) for answer in answers] == [(303, "/reset-password?sent=yes")] * 2
        assert "sent an e-mail with a reset link" in (await client.get("/reset-password?sent=yes")).text
        empty = await client.post("/reset-password", data={"name": ""}, headers=OWN)
        assert (empty.status_code, "Fill this in" in empty.text) == (422, True)


async def test_known_and_unknown_names_cost_the_same_work(posted: Context) -> None:
    asked: list[str] = []
    posted.db.on_query.append(asked.append)
    works = []
    for name in ("ada", "nobody"):
        asked.clear()
        await email_queue.request_password_reset(posted, name)
        works.append(list(asked))
    assert works[0] == works[1]
    assert len(works[0]) == 1, "one row is written, and no account is read"


async def test_link_is_logged_in_development_without_a_mail_server(author: Context) -> None:
    await email_queue.request_password_reset(author, "ada")
    with capture_logs() as lines:
        assert await send_due(author, LINKS) == 1
    link = next(line["link"] for line in lines if "link" in line)
    assert (await password_reset.link_user(author, link.rpartition("/")[2])).username == "ada"
    await passwords.set_password(author, author.require_actor().id, SecretStr("quite another one"))
    assert await waiting(author) == [], "notices need a mail server"


async def test_blog_without_emails_refers_to_the_owner(settings: Settings, ctx: Context, author: Context) -> None:
    changed = settings.model_copy(update={"environment": Environment.PRODUCTION})
    async with running(create_app(changed)) as client:
        page = await client.get("/reset-password")
        assert "Ask the owner" in page.text
        assert "<form" not in page.text.split("<main")[1].split("</main>")[0]
        assert (await client.post("/reset-password", data={"name": "ada"}, headers=OWN)).status_code == 403
    assert await waiting(ctx) == []


async def test_reset_requests_are_rate_limited(mailing: Settings, author: Context) -> None:
    limited = mailing.model_copy(update={"rate_limit": "1000/minute", "login_rate_limit_per_address": "2/minute"})
    async with running(create_app(limited)) as client:
        found = [(await client.post("/reset-password", data={"name": f"name{n}"}, headers=OWN)).status_code for n in range(3)]
    assert found == [303, 303, 429]


@pytest.mark.parametrize("draft", [
    Email("ada@example.org\r\nBcc: eve@example.org", "Hello", "x"),
    Email("ada@example.org", "Hello\r\nBcc: eve@example.org", "x"),
])  # fmt: skip
async def test_email_headers_contain_no_line_ends(ctx: Context, settings: Settings, draft: Email) -> None:
    writing_settings = settings.model_copy(update={"mail_from": "blog@example.org"})
    queued = QueuedEmail(1, EmailKind.PASSWORD_CHANGED, {}, 1, ctx.now)
    with pytest.raises(ValueError, match=r"linefeed|newline|line|invalid"):
        messages.mime_message(replace(ctx, site=replace(ctx.site, settings=writing_settings)), draft, queued)
