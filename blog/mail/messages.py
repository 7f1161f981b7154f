"""What letters say: plain text, in the language of the blog."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage

from blog.domain.accounts import accounts, email_changes, password_reset
from blog.domain.core.context import Context
from blog.domain.core.email_queue import LetterKind
from blog.domain.core.models import Letter
from blog.framework.urls.urls import Links

_CHANGED = {
    LetterKind.PASSWORD_CHANGED: ("Your password was changed", "The password of your account was changed."),
    LetterKind.EMAIL_CHANGED: (
        "Your e-mail address was changed",
        "Your account has another e-mail address now; this one is not used any more.",
    ),
    LetterKind.SECOND_FACTOR_ON: (
        "Codes were turned on",
        "Signing in to your account now takes a code besides the password.",
    ),
    LetterKind.SECOND_FACTOR_OFF: (
        "Codes were turned off",
        "Signing in to your account takes no code any more, but the password alone.",
    ),
    LetterKind.PASSKEY_ADDED: ("A passkey was added", "There is another passkey that opens your account."),
    LetterKind.PASSKEY_REMOVED: ("A passkey was removed", "One of the passkeys of your account does not open it any more."),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter as it is to be sent; `link` is what it is good for, if it is for one."""

    to: str
    subject: str
    text: str
    link: str | None = None


async def write(ctx: Context, links: Links, letter: Letter) -> Draft | None:
    """The letter, or None when there is nobody to send it to."""
    kind = LetterKind(letter.kind)
    if kind is LetterKind.PASSWORD_LINK:
        return await _password_link(ctx, links, letter)
    if kind is LetterKind.EMAIL_LINK:
        return await _email_link(ctx, links, letter)
    return await _notice(ctx, links, letter, *_CHANGED[kind])


def message(ctx: Context, draft: Draft) -> EmailMessage:
    """The draft as RFC 5322 has it. The standard library refuses line ends in a name or an address (ValueError)."""
    made = EmailMessage()
    made["From"] = Address(ctx.site.title, addr_spec=str(ctx.site.settings.mail_from))
    made["To"] = Address(addr_spec=draft.to)
    made["Subject"] = f"{draft.subject} · {ctx.site.title}"
    made["Date"] = ctx.now
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers of holiday robots
    made.set_content(draft.text)
    return made


async def _password_link(ctx: Context, links: Links, letter: Letter) -> Draft | None:
    made = await password_reset.for_letter(ctx, letter)
    if made is None:
        return None
    link = links.url("web:set_password", secret=made.secret)
    text = (
        f"Somebody, probably you, asked for a new password for the account {made.user.username} on {ctx.site.title}.\n\n"
        f"Open this link within an hour to set one; it works once:\n\n{link}\n\n"
        "Was it not you? Then there is nothing to do: your password stays as it is.\n"
    )
    return Draft(made.email, "Set a new password", text, link)


async def _email_link(ctx: Context, links: Links, letter: Letter) -> Draft | None:
    made = await email_changes.for_letter(ctx, letter)
    if made is None:
        return None
    user = await accounts.get(ctx, letter.data["user_id"])
    link = links.url("web:account_email_confirm", secret=made.secret)
    text = (
        f"Somebody, probably you, wants to use this address for the account {user.username} on {ctx.site.title}.\n\n"
        f"Open this link within a day, signed in to that account, to do so; it works once:\n\n{link}\n\n"
        "Was it not you? Then there is nothing to do: without the link nothing changes.\n"
    )
    return Draft(made.email, "Confirm your new address", text, link)


async def _notice(ctx: Context, links: Links, letter: Letter, subject: str, words: str) -> Draft | None:
    user = await accounts.get(ctx, letter.data["user_id"])
    to = letter.data.get("to") or user.email
    if to is None or user.is_deleted:
        return None
    text = (
        f"{words}\n\nIt is the account {user.username} on {ctx.site.title}, {letter.created_at:%Y-%m-%d, %H:%M} UTC.\n\n"
        f"Was it not you? Set a new password at once: {links.url('web:reset_password')}\n"
    )
    return Draft(to, subject, text)
