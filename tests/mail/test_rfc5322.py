"""Each kind of e-mail, as bytes on the wire, against RFC 5322 and the rules of spam checkers."""

import datetime as dt
import email
import email.header
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from blog.app import routes
from blog.domain.accounts import accounts, invitations
from blog.domain.core import email_queue
from blog.domain.core.context import Context
from blog.domain.core.email_queue import EmailKind
from blog.domain.core.site import open_site
from blog.framework.urls.urls import UrlBuilder
from blog.mail.delivery import send_due
from blog.schemas.accounts import AccountChanges, Role
from blog.schemas.invitations import NewInvitation
from blog.settings import Settings
from tests.conftest import ORIGIN, PASSWORD
from tests.support.serving import free_port

pytestmark = pytest.mark.sqlite  # it is about the format of messages

LINKS = UrlBuilder(routes, ORIGIN)
STRICT = policy.default.clone(raise_on_defect=True)
ONCE = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
)
MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>")  # msg-id in RFC 5322, 3.6.4, without quotes
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} \+0000")
TITLES = [
    "Field Notes",
    "Ada, Grace & Co. <b>",
    'The "Loom"',
    "Dr. Who (blog): a@b.example",
    "Über Gärten, und mehr: ein Blog über alles Mögliche im Garten und im Haus",
    "日本語のとても長いブログの名前、毎日書いています",
    "مدونة \N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
    "Loom " * 19 + "Loom",
    "L" * 100,
    # Each of these lost a space where it was folded.
    "(Blog) <b> a — é 'quote' Straße emoji\N{WOMAN} é naïve… é",
    "é 'quote' x@y a <b> emoji\N{WOMAN} Gärten, mehr: x@y Gärten, \"q\"",
    "— <b> — (Blog) x@y x@y Ünnötig Straße — & Ünnötig der",
]


class Mailbox:
    """An SMTP handler that stores the envelope and the bytes of each message, or answers with `refusal`."""

    def __init__(self) -> None:
        self.received: list[tuple[str, list[str], bytes]] = []
        self.refusal = ""

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        self.received.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return self.refusal or "250 OK"


@contextmanager
def mail_server(mailbox: Mailbox, **options: Any) -> Iterator[str]:
    """Run a mail server, and yield its URL."""
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{controller.port}"
    finally:
        controller.stop()


@asynccontextmanager
async def mailing(settings: Settings, ctx: Context, url: str, **changes: Any) -> AsyncIterator[Context]:
    """Open a site with a mail server, and yield the context of `ctx` on it."""
    changed = {"smtp_url": SecretStr(url), "mail_from": "blog@example.org"} | changes
    async with open_site(settings.model_copy(update=changed)) as site:
        yield replace(ctx, site=site)


async def enqueue_all(ctx: Context, address: str) -> None:
    """Queue an e-mail of each kind; the link to confirm an address goes to `address`."""
    owner = await accounts.set_role(ctx, "ada", Role.OWNER)
    invited = NewInvitation(role=Role.AUTHOR, email="mary@example.org")
    await invitations.create(ctx, invited, inviter=accounts.as_actor(owner))
    await email_queue.request_password_reset(ctx, "ada")
    await accounts.change(ctx, AccountChanges(email=address, current=SecretStr(PASSWORD)))
    for kind in EmailKind:
        if kind not in (EmailKind.INVITATION, EmailKind.PASSWORD_LINK, EmailKind.EMAIL_LINK):
            await email_queue.enqueue(ctx, kind, user_id=ctx.require_actor().id)


def parse(content: bytes) -> EmailMessage:
    """Parse a message, and raise for each defect in its structure and its headers."""
    message = email.message_from_bytes(content, policy=STRICT)
    assert isinstance(message, EmailMessage)
    for name, value in message.items():
        assert value.defects == (), name
    return message


def check_lines(content: bytes) -> None:
    assert content.isascii(), "no SMTPUTF8 and no 8BITMIME needed"
    lines = content.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines), "lines end with CRLF alone (RFC 5322, 2.3)"
    assert max(map(len, lines)) <= 998, "RFC 5322, 2.1.1"
    head, _, body = content.partition(b"\r\n\r\n")
    assert all(len(line) <= 78 or b" " not in line.lstrip() for line in head.split(b"\r\n")), "folded at 78 characters"
    assert body.strip(), "EMPTY_MESSAGE"
    assert all(len(line) <= 78 for line in body.split(b"\r\n"))


@pytest.mark.parametrize("title", TITLES)
async def test_every_kind_of_email_is_valid(settings: Settings, author: Context, title: str) -> None:
    mailbox, title = Mailbox(), title.strip()
    with mail_server(mailbox) as url:
        async with mailing(settings, author, url, project_name=title) as ctx:
            await enqueue_all(ctx, "new@example.org")
            assert await send_due(ctx, LINKS) == len(EmailKind)
            now = ctx.now
    ids = set()
    for sender, recipients, content in mailbox.received:
        check_lines(content)
        message = parse(content)
        assert {name: len(message.get_all(name, [])) for name in ONCE} == dict.fromkeys(ONCE, 1), "RFC 5322, 3.6"
        assert set(message) == set(ONCE)
        (origin,), (to,) = message["From"].addresses, message["To"].addresses
        assert (origin.addr_spec, [to.addr_spec]) == (sender, recipients) == ("blog@example.org", recipients)
        decoded = str(email.header.make_header(email.header.decode_header(_raw(content, "From"))))
        # Specials are quoted, unless the name is encoded.
        assert decoded in (f"{title} <{sender}>", str(Address(title, addr_spec=sender)))
        assert message["Subject"].endswith(f" · {title}")
        assert MESSAGE_ID.fullmatch(message["Message-ID"])
        assert message["Message-ID"].endswith("@example.org>"), "the domain of the sender"
        assert DATE.fullmatch(message["Date"])
        assert abs(message["Date"].datetime - now) < dt.timedelta(seconds=1), "DATE_IN_PAST, DATE_IN_FUTURE"
        assert (message["MIME-Version"], message.get_content_type(), message.get_content_charset()) == (
            "1.0",
            "text/plain",
            "utf-8",
        )
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Subject"] != message["Subject"].upper(), "SUBJ_ALL_CAPS"
        assert title in message.get_content()
        ids.add(message["Message-ID"])
    assert len(ids) == len(EmailKind)


def _raw(content: bytes, name: str) -> str:
    """Return a header as it was sent, unfolded."""
    return str(email.message_from_bytes(content)[name]).replace("\r\n", "").replace("\n", "").strip()


async def test_a_repeated_attempt_has_the_same_message_id(settings: Settings, author: Context) -> None:
    mailbox = Mailbox()
    mailbox.refusal = "451 Come back later"
    with mail_server(mailbox) as url:
        async with mailing(settings, author, url) as ctx:
            for kind in (EmailKind.PASSWORD_CHANGED, EmailKind.PASSKEY_ADDED):
                await email_queue.enqueue(ctx, kind, user_id=ctx.require_actor().id)
            await send_due(ctx, LINKS)
            mailbox.refusal = ""
            assert await send_due(replace(ctx, now=ctx.now + dt.timedelta(minutes=1)), LINKS) == 2
    ids = [parse(content)["Message-ID"] for _, _, content in mailbox.received]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


async def test_domains_beyond_ascii_are_encoded(settings: Settings, author: Context) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, enable_SMTPUTF8=False) as url:
        async with mailing(settings, author, url, mail_from="blog@straße.example.org") as ctx:
            await accounts.change(ctx, AccountChanges(email="new@exämple.org", current=SecretStr(PASSWORD)))
            assert await send_due(ctx, LINKS) == 1
    ((sender, recipients, content),) = mailbox.received
    check_lines(content)
    message = parse(content)
    assert (sender, recipients) == ("blog@xn--strae-oqa.example.org", ["new@xn--exmple-cua.org"])
    assert message["To"].addresses[0].addr_spec == recipients[0]
    assert message["Message-ID"].endswith("@xn--strae-oqa.example.org>")


async def test_names_beyond_ascii_need_a_server_that_accepts_them(settings: Settings, author: Context) -> None:
    mailbox = Mailbox()
    for accepts in (False, True):
        with mail_server(mailbox, enable_SMTPUTF8=accepts) as url:
            async with mailing(settings, author, url) as ctx:
                later = replace(ctx, now=ctx.now + dt.timedelta(minutes=5))
                if not accepts:
                    await accounts.change(ctx, AccountChanges(email="ädä@example.org", current=SecretStr(PASSWORD)))
                assert await send_due(later if accepts else ctx, LINKS) == accepts
    ((_, recipients, content),) = mailbox.received
    assert recipients == ["ädä@example.org"]
    assert "To: ädä@example.org\r\n" in content.decode()
