"""Sends what is due, by SMTP; while developing without a mail server, the link goes to the log instead."""

import ipaddress
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from blog.domain.core import email_queue
from blog.domain.core.context import Context
from blog.domain.core.email_queue import QueuedEmail
from blog.framework.urls.urls import UrlBuilder
from blog.mail import messages
from blog.observability import metrics, tracing

log = structlog.stdlib.get_logger("blog.mail")
_TIMEOUT = 30
"""Seconds for each step of the conversation with the mail server."""


async def send_due(ctx: Context, urls: UrlBuilder) -> int:
    """Send the letters that are due; how many went out. A mail server that is away is asked again later."""
    sent = 0
    for letter in await email_queue.claim_due(ctx):
        sent += await _send(ctx, urls, letter)
    return sent


async def _send(ctx: Context, links: UrlBuilder, letter: QueuedEmail) -> bool:
    draft, smtp_url = await messages.render_email(ctx, links, letter), ctx.site.settings.smtp_url
    if draft is not None and smtp_url is None:
        log.info("no SMTP_URL: this letter was not sent", to=draft.to, link=draft.link)
    elif draft is not None and smtp_url is not None:
        try:
            with tracing.email_span(letter.kind, urlsplit(smtp_url.get_secret_value()).hostname or ""):
                await deliver(smtp_url.get_secret_value(), messages.mime_message(ctx, draft))
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            await _reschedule(ctx, letter, error)
            return False
    await email_queue.remove(ctx, letter)
    return draft is not None


async def _reschedule(ctx: Context, letter: QueuedEmail, error: Exception) -> None:
    goes_on = await email_queue.reschedule(ctx, letter)
    metrics.emails_failed.inc("put off" if goes_on else "given up")
    log.error(
        "a letter could not be sent",
        kind=letter.kind,
        reason=f"{type(error).__name__}: {error}",
        attempt=letter.attempts,
        next="it is tried again" if goes_on else "it is given up",
        advice="see whether SMTP_URL is right and its server takes mail from MAIL_FROM; `blog user invite NAME` prints a link",
    )


async def deliver(smtp_url: str, message: EmailMessage) -> None:
    """Hand a message to the server. Raises aiosmtplib.SMTPException, OSError.

    `smtps://` speaks TLS from the first byte. `smtp://` turns to TLS (STARTTLS) when the server offers it, and insists
    on it before a password goes to another machine.
    """
    parts = urlsplit(smtp_url)
    host = parts.hostname or ""
    is_tls = parts.scheme == "smtps"
    await aiosmtplib.send(
        message,
        hostname=host,
        port=parts.port or (465 if is_tls else 587),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=is_tls,
        start_tls=True if parts.password and not is_tls and not _is_loopback(host) else None,
        timeout=_TIMEOUT,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
