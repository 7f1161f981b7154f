"""A mail server that stores messages, and settings that use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr

from blog.settings import Settings
from tests.support.serving import free_port


class Mailbox:
    """An SMTP handler that stores each message, or answers with `refusal`."""

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], EmailMessage]] = []
        self.refusal = ""

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        if self.refusal:
            return self.refusal
        assert isinstance(envelope.content, bytes)
        self.messages.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"


@contextmanager
def mail_server(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def mailing(settings: Settings, mailbox: Mailbox) -> Iterator[Settings]:
    """Return settings with a mail server."""
    with mail_server(mailbox) as port:
        yield settings.model_copy(update={"smtp_url": SecretStr(f"smtp://127.0.0.1:{port}"), "mail_from": "blog@example.org"})
