"""Rendering of queued e-mails: the plain text of each kind, and the MIME message with its headers."""

import hashlib
from dataclasses import dataclass
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UniqueAddressHeader, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy

from blog.domain.accounts import accounts, email_changes, invitations, password_reset
from blog.domain.core.context import Context
from blog.domain.core.email_queue import EmailKind, QueuedEmail
from blog.domain.core.signing import Purpose
from blog.errors import InvalidLink
from blog.framework.urls.urls import UrlBuilder


class _Subject(UniqueUnstructuredHeader, BaseHeader):  # type: ignore[misc]  # typeshed declares `max_count` twice
    """A subject, folded by the older class `Header`: until Python 3.13 the newer ones lose spaces between encoded words."""

    def fold(self, *, policy: Policy) -> str:
        """Return the header as it is sent."""
        return f"{self.name}: {_encode(self.name, str(self), policy)}{policy.linesep}"


class _Sender(UniqueAddressHeader, BaseHeader):  # type: ignore[misc]
    """One address with a name, which is folded as in `_Subject`."""

    def fold(self, *, policy: Policy) -> str:
        """Return the header as it is sent."""
        (address,) = self.addresses
        if address.display_name.isascii():
            return super().fold(policy=policy)
        name = _encode(self.name, address.display_name, policy)
        return f"{self.name}: {name}{policy.linesep} <{address.addr_spec}>{policy.linesep}"


def _encode(header: str, text: str, policy: Policy) -> str:
    charset = "us-ascii" if text.isascii() else "utf-8"
    return Header(text, charset, maxlinelen=76, header_name=header).encode(linesep=policy.linesep)


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("subject", _Subject)
_HEADERS.map_to_type("from", _Sender)
# ASCII on the wire: every mail server accepts it, and none changes it, which would break a DKIM signature.
_POLICY = SMTP.clone(cte_type="7bit", header_factory=_HEADERS)
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
    if kind is EmailKind.INVITATION:
        return await _invitation_email(ctx, urls, queued)
    return await _security_notice_email(ctx, urls, queued, *_SECURITY_NOTICES[kind])


def mime_message(ctx: Context, email: Email, queued: QueuedEmail) -> EmailMessage:
    """Return the e-mail as a MIME message (RFC 5322). Raises ValueError for an invalid address or a line break in a header.

    Every attempt to send `queued` has the same Message-ID, so that mail programs show a repeated message once.
    """
    sender = _address(str(ctx.site.settings.mail_from), ctx.site.title)
    digest = hashlib.sha256(f"{queued.id} {queued.created_at.isoformat()} {email.to}".encode()).hexdigest()
    message = EmailMessage(_POLICY)
    message["From"] = sender
    message["To"] = _address(email.to)
    message["Subject"] = f"{email.subject} · {ctx.site.title}"
    message["Date"] = ctx.now
    message["Message-ID"] = f"<{digest[:32]}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents automatic replies
    message.set_content(email.text)
    return message


def _address(addr_spec: str, name: str = "") -> Address:
    """Return an address with an ASCII domain. A local part beyond ASCII needs a mail server with SMTPUTF8 (RFC 6531)."""
    from email_validator import validate_email  # here because it takes 80 ms of a start

    checked = validate_email(addr_spec, check_deliverability=False)
    return Address(name, checked.local_part, checked.ascii_domain)


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


async def _invitation_email(ctx: Context, urls: UrlBuilder, queued: QueuedEmail) -> Email | None:
    secret = ctx.site.signer.sign(Purpose.INVITATION, [queued.data["invitation_id"], queued.data["link_number"]])
    try:
        invitation = await invitations.open_link(ctx, secret)
    except InvalidLink:  # used, revoked, replaced or expired meanwhile
        return None
    link, until = urls.url("web:invitation", secret=secret), ctx.site.formats.moment(invitation.expires_at)
    text = (
        f"{invitation.inviter} has invited you to {ctx.site.title} as {invitations.ROLE_DESCRIPTIONS[invitation.role]}.\n\n"
        f"To create your account, open this link. It works once, until {until}:\n\n{link}\n\n"
        f"If you do not know {invitation.inviter}, ignore this e-mail: nothing is created without the link.\n"
    )
    return Email(invitation.email or "", "Your invitation", text, link)


async def _security_notice_email(
    ctx: Context, urls: UrlBuilder, queued: QueuedEmail, subject: str, sentence: str
) -> Email | None:
    user = await accounts.get(ctx, queued.data["user_id"])
    to = queued.data.get("to") or user.email
    if to is None or user.is_deleted:
        return None
    text = (
        f"{sentence}\n\nAccount: {user.username} on {ctx.site.title}\nTime: {ctx.site.formats.moment(queued.created_at)}\n\n"
        f"If this was not you, set a new password now: {urls.url('web:reset_password')}\n"
    )
    return Email(to, subject, text)
