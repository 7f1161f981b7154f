"""Delivery of queued e-mails by SMTP. In development without SMTP_URL, their links are written to the log instead."""

import ipaddress
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from blog.domain.accounts import invitation_emails
from blog.domain.core import email_queue
from blog.domain.core.context import Context
from blog.domain.core.email_queue import EmailKind, QueuedEmail
from blog.framework.urls.urls import UrlBuilder
from blog.mail import messages
from blog.observability import metrics, tracing
from blog.schemas.invitations import EmailStatus

log = structlog.stdlib.get_logger("blog.mail")
_TIMEOUT = 30
"""Seconds for each step of the SMTP dialogue."""


async def send_due(ctx: Context, urls: UrlBuilder) -> int:
    """Send the e-mails that are due, and return how many were sent. Failed ones are rescheduled."""
    return sum([await _send(ctx, urls, queued) for queued in await email_queue.claim_due(ctx)])


async def _send(ctx: Context, urls: UrlBuilder, queued: QueuedEmail) -> bool:
    """Send one e-mail and remove it from the queue. Return False if it failed or has no recipient any more."""
    email, smtp_url = await messages.render_email(ctx, urls, queued), ctx.site.settings.smtp_url
    if email is not None and smtp_url is None:
        log.info("email not sent, because SMTP_URL is not set", to=email.to, link=email.link)
    elif email is not None and smtp_url is not None:
        try:
            with tracing.email_span(queued.kind, urlsplit(smtp_url.get_secret_value()).hostname or ""):
                await deliver(smtp_url.get_secret_value(), messages.mime_message(ctx, email, queued))
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            await _reschedule(ctx, queued, error)
            return False
        await _record_status(ctx, queued, EmailStatus.SENT)
    await email_queue.remove(ctx, queued)
    return email is not None


async def _reschedule(ctx: Context, queued: QueuedEmail, error: Exception) -> None:
    is_rescheduled = await email_queue.reschedule(ctx, queued)
    outcome = "rescheduled" if is_rescheduled else "abandoned"
    await _record_status(ctx, queued, EmailStatus.DELAYED if is_rescheduled else EmailStatus.FAILED)
    metrics.emails_failed.inc(outcome)
    log.error(
        "email could not be sent",
        kind=queued.kind,
        reason=f"{type(error).__name__}: {error}",
        attempt=queued.attempts,
        outcome=outcome,
        advice="check SMTP_URL, and whether its server accepts mail from MAIL_FROM; `blog user invite NAME` prints a link",
    )


async def _record_status(ctx: Context, queued: QueuedEmail, status: EmailStatus) -> None:
    """Store the outcome if a page shows it, as for invitations."""
    if queued.kind == EmailKind.INVITATION.value:
        await invitation_emails.record_status(ctx, queued, status)


async def deliver(smtp_url: str, message: EmailMessage) -> None:
    """Send a message to the mail server. Raises aiosmtplib.SMTPException, OSError.

    `smtps://` uses TLS from the first byte. `smtp://` uses STARTTLS if the server offers it, and requires it before a password
    is sent to another machine.
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
