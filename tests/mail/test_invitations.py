"""Invitations by e-mail: the link arrives, proves the address, works once, and is replaced, revoked or given up."""

import datetime as dt
import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage

import httpx2
import pytest

from blog.app import create_app, routes
from blog.db import tables
from blog.domain.accounts import accounts, invitation_emails, invitations, tokens
from blog.domain.accounts.invitation_emails import ADDRESS_RETENTION, MAX_EMAILS_PER_HOUR
from blog.domain.core.context import Context
from blog.domain.core.email_queue import MAX_ATTEMPTS
from blog.domain.core.site import open_site
from blog.errors import Conflict, Forbidden, TooManyRequests
from blog.framework.urls.urls import UrlBuilder
from blog.mail.delivery import send_due
from blog.schemas.accounts import Role, Scope
from blog.schemas.invitations import EmailStatus, InvitationStatus, NewInvitation
from blog.settings import Settings
from tests.conftest import ORIGIN, PASSWORD, MakeUser, running
from tests.mail.conftest import Mailbox
from tests.support import matching

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
LINKS = UrlBuilder(routes, ORIGIN)
MARY = NewInvitation(role=Role.AUTHOR, email="Mary@example.org", note="from the club")
ACCOUNT = {"username": "mary", "password": PASSWORD}


@pytest.fixture
async def owner(mailing: Settings, ctx: Context, make_user: MakeUser) -> AsyncIterator[Context]:
    """Return the context of an owner on a site with a mail server."""
    ora = accounts.as_actor(await make_user("ora", Role.OWNER))
    async with open_site(mailing) as site:
        yield replace(ctx.acting_as(ora), site=site)


@pytest.fixture
async def reader(mailing: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """Return an anonymous client of the blog with a mail server; its own tasks send no e-mail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blog.ops.background.send_due", _send_nothing)
        async with running(create_app(mailing)) as client:
            yield client


async def _send_nothing(_ctx: Context, urls: UrlBuilder) -> int:
    return 0


@pytest.fixture
async def headers(owner: Context) -> dict[str, str]:
    issued = await tokens.issue(owner, owner.require_actor(), name="test", scopes=list(Scope))
    return {"Authorization": f"Bearer {issued.value}"}


def link_in(email: EmailMessage) -> str:
    return matching.search(rf"{ORIGIN}(/invitation/\S+)", email.get_content())[1]


def sentence(page: httpx2.Response) -> str:
    return html.unescape(matching.search(r'<p class="page-lead">(.*?)</p>', page.text)[1])


async def sent_link(owner: Context, mailbox: Mailbox) -> str:
    assert await send_due(replace(owner, now=owner.now + dt.timedelta(minutes=10)), LINKS) == 1
    to, email = mailbox.messages[-1]
    assert to == ["Mary@example.org"]
    return link_in(email)


async def test_link_in_the_email_creates_an_account_with_the_invited_address(
    owner: Context, reader: httpx2.AsyncClient, mailbox: Mailbox
) -> None:
    created = await invitations.create(owner, MARY)
    assert (created.email_status, invitations.shown_secret(owner, created)) == (EmailStatus.QUEUED, None)
    link = await sent_link(owner, mailbox)
    email = mailbox.messages[0][1]
    assert email["Subject"] == "Your invitation · Field Notes"
    assert "ora has invited you to Field Notes as an author: you can write posts." in email.get_content()
    assert "club" not in email.get_content(), "the label is for owners"
    assert (await invitations.get(owner, created.id)).email_status is EmailStatus.SENT
    page = await reader.get(link)
    assert matching.search(r'<input id="field-email"[^>]*>', page.text)[0].count("Mary@example.org") == 1
    other = await reader.post(link, data=ACCOUNT | {"email": "eve@example.org"}, headers=OWN)
    assert other.status_code == 303
    mary = await accounts.by_username(owner, "mary")
    assert (mary.email, mary.role) == ("Mary@example.org", Role.AUTHOR), "the address that was proved, not the typed one"
    used = await invitations.get(owner, created.id)
    assert (used.status(owner.now), used.email, used.accepted_by) == (InvitationStatus.USED, None, "mary")
    reader.cookies.clear()
    again = await reader.get(link)
    assert (again.status_code, sentence(again)) == (
        404, "This invitation was already used. Sign in with the account that it created.",
    )  # fmt: skip


async def test_new_link_ends_the_old_one(owner: Context, reader: httpx2.AsyncClient, mailbox: Mailbox) -> None:
    created = await invitations.create(owner, MARY)
    old = await sent_link(owner, mailbox)
    with pytest.raises(TooManyRequests, match="less than 5 minutes ago"):
        await invitations.resend(owner, created.id)
    later = replace(owner, now=owner.now + dt.timedelta(minutes=6))
    again = await invitations.resend(later, created.id)
    assert again.expires_at - later.now == created.expires_at - created.created_at
    new = await sent_link(later, mailbox)
    assert sentence(await reader.get(old)) == "This link was replaced by a newer one. Use the link in the latest e-mail."
    assert (await reader.get(new)).status_code == 200


async def test_replaced_and_revoked_links_are_not_sent(owner: Context, mailbox: Mailbox) -> None:
    await invitations.create(owner, MARY)
    await invitations.revoke(owner, 1)
    assert await send_due(owner, LINKS) == 0
    assert mailbox.messages == []


async def test_ended_links_say_why(owner: Context, reader: httpx2.AsyncClient, mailbox: Mailbox, make_user: MakeUser) -> None:
    created = await invitations.create(owner, MARY)
    link = await sent_link(owner, mailbox)
    ended = {
        "expires_at": (owner.now, "This invitation has expired. Ask an owner of the blog for a new one."),
        "revoked_at": (owner.now, "This invitation was revoked. Ask an owner of the blog for a new one."),
    }
    for column, (value, words) in ended.items():
        await owner.db.execute(tables.invitations.update().values({column: value}))
        assert sentence(await reader.get(link)) == words
        assert (await reader.post(link, data=ACCOUNT, headers=OWN)).status_code == 404
    values = {"expires_at": created.expires_at, "revoked_at": None}
    await owner.db.execute(tables.invitations.update().values(values))
    assert (await reader.get(link)).status_code == 200
    await make_user("mary", Role.READER)
    assert sentence(await reader.get(link)) == (
        "There is already an account with the invited e-mail address. Sign in instead, or reset its password."
    )
    assert sentence(await reader.get(f"{link}x")).startswith("This is not a valid invitation.")


async def test_address_is_invited_once_and_members_never(owner: Context, make_user: MakeUser) -> None:
    await make_user("bob", Role.READER)
    with pytest.raises(Conflict, match="bob has an account with this address"):
        await invitations.create(owner, NewInvitation(role=Role.EDITOR, email="BOB@example.org"))
    created = await invitations.create(owner, MARY)
    with pytest.raises(Conflict, match="There is an open invitation for this address"):
        await invitations.create(owner, NewInvitation(role=Role.READER, email="mary@example.org"))
    await invitations.revoke(owner, created.id)
    assert (await invitations.get(owner, created.id)).email is None, "the address of a revoked invitation is erased"
    await invitations.create(owner, MARY)


async def test_refused_email_is_shown_as_delayed_and_then_as_failed(owner: Context, mailbox: Mailbox) -> None:
    created = await invitations.create(owner, MARY)
    mailbox.refusal = "451 Try later"
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await send_due(replace(owner, now=owner.now + dt.timedelta(days=attempt)), LINKS)
        status = (await invitations.get(owner, created.id)).email_status
        assert status is (EmailStatus.DELAYED if attempt < MAX_ATTEMPTS else EmailStatus.FAILED)
    assert invitations.shown_secret(owner, await invitations.get(owner, created.id)), "the owner can pass the link on"
    mailbox.refusal = ""
    assert (await invitations.resend(owner, created.id)).email_status is EmailStatus.QUEUED


async def test_number_of_emails_is_limited(owner: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitation_emails, "MAX_EMAILS_PER_HOUR", 2)
    assert MAX_EMAILS_PER_HOUR == 50
    for number in range(2):
        await invitations.create(owner, NewInvitation(role=Role.READER, email=f"r{number}@example.org"))
    with pytest.raises(TooManyRequests, match="2 invitations within an hour"):
        await invitations.create(owner, NewInvitation(role=Role.READER, email="r3@example.org"))
    await invitations.create(owner, NewInvitation(role=Role.READER))


async def test_address_of_an_expired_invitation_is_erased(owner: Context) -> None:
    created = await invitations.create(owner, MARY)
    for wait, erased in ((dt.timedelta(), 0), (ADDRESS_RETENTION, 0), (ADDRESS_RETENTION + dt.timedelta(days=1), 1)):
        assert await invitation_emails.erase_expired_addresses(replace(owner, now=created.expires_at + wait)) == erased
    assert (await invitations.get(owner, created.id)).email is None


async def test_owner_invites_by_api_and_sees_no_link(owner: Context, reader: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    answer = await reader.post("/api/v1/invitations", json={"role": "author", "email": "mary@example.org"}, headers=headers)
    assert answer.status_code == 201
    found = answer.json()
    assert (found["email"], found["email_status"], found["status"], found["url"]) == (
        "mary@example.org", "queued", "open", None,
    )  # fmt: skip
    assert (await reader.post(f"/api/v1/invitations/{found['id']}/resend", headers=headers)).status_code == 429
    plain = (await reader.post("/api/v1/invitations", json={"role": "reader"}, headers=headers)).json()
    assert plain["url"].startswith(f"{ORIGIN}/invitation/")
    first = await reader.get("/api/v1/invitations?limit=1", headers=headers)
    assert [item["id"] for item in first.json()["items"]] == [plain["id"]]
    rest = await reader.get(first.links["next"]["url"], headers=headers)
    assert rest.json()["items"] == [found]
    assert (await reader.delete(f"/api/v1/invitations/{found['id']}", headers=headers)).status_code == 204
    assert (await reader.delete(f"/api/v1/invitations/{found['id']}", headers=headers)).status_code == 404
    assert (await reader.post(f"/api/v1/invitations/{plain['id']}/resend", headers=headers)).status_code == 404
    assert (await reader.get("/api/v1/invitations")).status_code == 401


async def test_only_owners_see_invitations(owner: Context, make_user: MakeUser) -> None:
    await invitations.create(owner, MARY)
    editor = owner.acting_as(accounts.as_actor(await make_user("edo", Role.EDITOR)))
    for attempt in (invitations.list_page(editor), invitations.resend(editor, 1), invitations.create(editor, MARY)):
        with pytest.raises(Forbidden):
            await attempt


async def test_page_sends_again_and_shows_the_state(owner: Context, reader: httpx2.AsyncClient, mailbox: Mailbox) -> None:
    await reader.post("/login", data={"username": "ora", "password": PASSWORD}, headers=OWN)
    sent = {"role": "author", "email": "Mary@example.org", "note": "from the club", "days": "7"}
    assert (await reader.post("/admin/invitations", data=sent, headers=OWN)).status_code == 303
    page = (await reader.get("/admin/invitations")).text
    assert "<strong>Mary@example.org</strong> as author" in page
    assert "The e-mail is waiting to be sent." in page
    assert "/invitation/" not in page, "only the e-mail has the link"
    await sent_link(owner, mailbox)
    assert "E-mail sent. Only the e-mail has the link." in (await reader.get("/admin/invitations")).text
    refused = await reader.post("/admin/invitations/1/resend", headers=OWN)
    assert (refused.status_code, "less than 5 minutes ago" in refused.text) == (429, True)
    await owner.db.execute(tables.invitations.update().values(link_created_at=owner.now - dt.timedelta(hours=1)))
    again = await reader.post("/admin/invitations/1/resend", headers=OWN)
    assert (again.status_code, again.headers["location"]) == (303, "/admin/invitations#invitation-1")
    taken = await reader.post("/admin/invitations", data=sent, headers=OWN)
    assert (taken.status_code, 'id="error-email"' in taken.text) == (409, True)


async def test_without_a_mail_server_the_page_shows_the_link(settings: Settings, make_user: MakeUser) -> None:
    await make_user("ora", Role.OWNER)
    async with running(create_app(settings)) as client:
        await client.post("/login", data={"username": "ora", "password": PASSWORD}, headers=OWN)
        sent = {"role": "author", "email": "mary@example.org", "note": "", "days": "7"}
        assert (await client.post("/admin/invitations", data=sent, headers=OWN)).status_code == 303
        page = (await client.get("/admin/invitations")).text
        assert "E-mail isn&#39;t set up on this blog: copy the link and pass it on." in page
        assert "No e-mail was sent: copy the link and pass it on." in page
        (first,) = re.findall(rf'value="{ORIGIN}(/invitation/[^"]+)"', page)
        assert (await client.post("/admin/invitations/1/resend", headers=OWN)).status_code == 303
        (second,) = re.findall(rf'value="{ORIGIN}(/invitation/[^"]+)"', (await client.get("/admin/invitations")).text)
        client.cookies.clear()
        assert (await client.get(first)).status_code == 404
        assert "mary@example.org" in (await client.get(second)).text


async def test_repeated_request_invites_once(owner: Context, reader: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    sent = {"role": "author", "email": "mary@example.org"}
    answers = [
        await reader.post("/api/v1/invitations", json=sent, headers=headers | {"Idempotency-Key": "one"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
