"""The texts of e-mails, as plain text."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage

from blog.domain.accounts import accounts, email_changes, password_reset
from blog.domain.core.context import Context
from blog.domain.core.email_queue import EmailKind, QueuedEmail
from blog.framework.urls.urls import UrlBuilder

_SECURITY_NOTICES = {
    EmailKind.PASSWORD_CHANGED: ("Your password was changed", "The password of your account was changed."),
    EmailKind.EMAIL_CHANGED: (
        "Your e-mail address was changed",
        "Your account now has a different e-mail address. This address is no longer used.",
    ),
    EmailKind.TWO_FACTOR_ENABLED: (
        "Two-factor authentication was turned on",
        "You now need a code as well as your password to sign in.",
    ),
    EmailKind.TWO_FACTOR_DISABLED: (
        "Two-factor authentication was turned off",
        "You no longer need a code to sign in, only your password.",
    ),
    EmailKind.PASSKEY_ADDED: ("A passkey was added", "A new passkey can be used to sign in to your account."),
    EmailKind.PASSKEY_REMOVED: ("A passkey was removed", "One of your passkeys can no longer be used to sign in."),
}


@dataclass(frozen=True, slots=True)
class Email:
    """A rendered e-mail. `link` is the link that its text contains, if it has one."""

    to: str
    subject: str
    text: str
    link: str | None = None


async def render_email(ctx: Context, urls: UrlBuilder, queued: QueuedEmail) -> Email | None:
    """Return the rendered e-mail, or None if it has no recipient any more."""
    kind = EmailKind(queued.kind)
    if kind is EmailKind.PASSWORD_LINK:
        return await _password_reset_email(ctx, urls, queued)
    if kind is EmailKind.EMAIL_LINK:
        return await _address_confirmation_email(ctx, urls, queued)
    return await _security_notice_email(ctx, urls, queued, *_SECURITY_NOTICES[kind])


def mime_message(ctx: Context, email: Email) -> EmailMessage:
    """Return the e-mail as a MIME message. Raises ValueError for a line break in a name or an address."""
    message = EmailMessage()
    message["From"] = Address(ctx.site.title, addr_spec=str(ctx.site.settings.mail_from))
    message["To"] = Address(addr_spec=email.to)
    message["Subject"] = f"{email.subject} · {ctx.site.title}"
    message["Date"] = ctx.now
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents automatic replies
    message.set_content(email.text)
    return message


async def _password_reset_email(ctx: Context, urls: UrlBuilder, queued: QueuedEmail) -> Email | None:
    reset = await password_reset.link_for_email(ctx, queued)
    if reset is None:
        return None
    link = urls.url("web:set_password", secret=reset.secret)
    text = (
        f"A new password was requested for the account {reset.user.username} on {ctx.site.title}.\n\n"
        f"To set it, open this link within 1 hour. It works once:\n\n{link}\n\n"
        "If you did not request this, ignore this e-mail: your password stays the same.\n"
    )
    return Email(reset.email, "Set a new password", text, link)


async def _address_confirmation_email(ctx: Context, urls: UrlBuilder, queued: QueuedEmail) -> Email | None:
    change = await email_changes.link_for_email(ctx, queued)
    if change is None:
        return None
    user = await accounts.get(ctx, queued.data["user_id"])
    link = urls.url("web:account_email_confirm", secret=change.secret)
    text = (
        f"This address was entered as the new e-mail address of the account {user.username} on {ctx.site.title}.\n\n"
        f"To confirm it, sign in to that account and open this link within 24 hours. It works once:\n\n{link}\n\n"
        "If this was not you, ignore this e-mail: nothing changes without the link.\n"
    )
    return Email(change.email, "Confirm your new address", text, link)


async def _security_notice_email(
    ctx: Context, urls: UrlBuilder, queued: QueuedEmail, subject: str, sentence: str
) -> Email | None:
    user = await accounts.get(ctx, queued.data["user_id"])
    to = queued.data.get("to") or user.email
    if to is None or user.is_deleted:
        return None
    text = (
        f"{sentence}\n\nAccount: {user.username} on {ctx.site.title}\nTime: {queued.created_at:%Y-%m-%d, %H:%M} UTC\n\n"
        f"If this was not you, set a new password now: {urls.url('web:reset_password')}\n"
    )
    return Email(to, subject, text)
