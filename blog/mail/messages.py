"""What letters say: plain text, in the language of the blog."""

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
        "Your account has another e-mail address now; this one is not used any more.",
    ),
    EmailKind.TWO_FACTOR_ENABLED: (
        "Codes were turned on",
        "Signing in to your account now takes a code besides the password.",
    ),
    EmailKind.TWO_FACTOR_DISABLED: (
        "Codes were turned off",
        "Signing in to your account takes no code any more, but the password alone.",
    ),
    EmailKind.PASSKEY_ADDED: ("A passkey was added", "There is another passkey that opens your account."),
    EmailKind.PASSKEY_REMOVED: ("A passkey was removed", "One of the passkeys of your account does not open it any more."),
}


@dataclass(frozen=True, slots=True)
class Email:
    """A letter as it is to be sent; `link` is what it is good for, if it is for one."""

    to: str
    subject: str
    text: str
    link: str | None = None


async def render_email(ctx: Context, urls: UrlBuilder, queued: QueuedEmail) -> Email | None:
    """The letter, or None when there is nobody to send it to."""
    kind = EmailKind(queued.kind)
    if kind is EmailKind.PASSWORD_LINK:
        return await _password_reset_email(ctx, urls, queued)
    if kind is EmailKind.EMAIL_LINK:
        return await _address_confirmation_email(ctx, urls, queued)
    return await _security_notice_email(ctx, urls, queued, *_SECURITY_NOTICES[kind])


def mime_message(ctx: Context, email: Email) -> EmailMessage:
    """The draft as RFC 5322 has it. The standard library refuses line ends in a name or an address (ValueError)."""
    made = EmailMessage()
    made["From"] = Address(ctx.site.title, addr_spec=str(ctx.site.settings.mail_from))
    made["To"] = Address(addr_spec=email.to)
    made["Subject"] = f"{email.subject} · {ctx.site.title}"
    made["Date"] = ctx.now
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers of holiday robots
    made.set_content(email.text)
    return made


async def _password_reset_email(ctx: Context, links: UrlBuilder, letter: QueuedEmail) -> Email | None:
    made = await password_reset.link_for_email(ctx, letter)
    if made is None:
        return None
    link = links.url("web:set_password", secret=made.secret)
    text = (
        f"Somebody, probably you, asked for a new password for the account {made.user.username} on {ctx.site.title}.\n\n"
        f"Open this link within an hour to set one; it works once:\n\n{link}\n\n"
        "Was it not you? Then there is nothing to do: your password stays as it is.\n"
    )
    return Email(made.email, "Set a new password", text, link)


async def _address_confirmation_email(ctx: Context, links: UrlBuilder, letter: QueuedEmail) -> Email | None:
    made = await email_changes.link_for_email(ctx, letter)
    if made is None:
        return None
    user = await accounts.get(ctx, letter.data["user_id"])
    link = links.url("web:account_email_confirm", secret=made.secret)
    text = (
        f"Somebody, probably you, wants to use this address for the account {user.username} on {ctx.site.title}.\n\n"
        f"Open this link within a day, signed in to that account, to do so; it works once:\n\n{link}\n\n"
        "Was it not you? Then there is nothing to do: without the link nothing changes.\n"
    )
    return Email(made.email, "Confirm your new address", text, link)


async def _security_notice_email(ctx: Context, links: UrlBuilder, letter: QueuedEmail, subject: str, words: str) -> Email | None:
    user = await accounts.get(ctx, letter.data["user_id"])
    to = letter.data.get("to") or user.email
    if to is None or user.is_deleted:
        return None
    text = (
        f"{words}\n\nIt is the account {user.username} on {ctx.site.title}, {letter.created_at:%Y-%m-%d, %H:%M} UTC.\n\n"
        f"Was it not you? Set a new password at once: {links.url('web:reset_password')}\n"
    )
    return Email(to, subject, text)
