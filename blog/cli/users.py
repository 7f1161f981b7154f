"""Commands for accounts: `blog user`."""

from typing import TYPE_CHECKING

import click
from pydantic import SecretStr

from blog.cli.runtime import load_migrated_settings, read_password, run
from blog.domain.core.context import Context
from blog.errors import Conflict
from blog.schemas.accounts import NewUser, Role
from blog.schemas.invitations import NewInvitation
from blog.schemas.members import CommentsOfMember, CommentsOnSuspension, MemberDeletion, MemberOut, MemberStatus, PostsOfMember

if TYPE_CHECKING:
    from blog.framework.urls.urls import UrlBuilder
    from blog.settings import Settings


@click.group()
def user() -> None:
    """Create and change accounts."""


@user.command("create")
@click.argument("username")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.READER.value, show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.  [default: no password]")
def user_create(username: str, email: str, role: str, password_stdin: bool) -> None:
    """Create an account."""
    from blog.domain.accounts import accounts
    from blog.framework.request.parsing import validate

    values = {"username": username, "email": email} | ({"password": read_password()} if password_stdin else {})
    new = validate(NewUser, values, "account")
    created = run(load_migrated_settings(), lambda ctx: accounts.create(ctx, new, Role(role)))
    click.echo(f"Created {created.username} with the role {created.role.value}.")


@user.command("list")
@click.option("--search", default="", help="Part of the username, the name or the e-mail address.")
@click.option("--role", type=click.Choice([role.value for role in Role]))
@click.option("--status", type=click.Choice([status.value for status in MemberStatus]))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with all members of each account.")
def user_list(search: str, role: str | None, status: str | None, as_json: bool) -> None:
    """List the accounts, newest first: username, role, state, posts, comments and last use."""
    from pydantic_core import to_json

    from blog.domain.accounts import user_directory
    from blog.domain.accounts.user_directory import MemberFilter

    wanted = MemberFilter(search, Role(role) if role else None, MemberStatus(status) if status else None)
    found = run(load_migrated_settings(), lambda ctx: user_directory.find_all(ctx, wanted))
    if as_json:
        click.echo(to_json([MemberOut.model_validate(entry) for entry in found], indent=2).decode())
        return
    for entry in found:
        state = "suspended" if entry.suspended_at else "active" if entry.email else "imported"
        seen = f"{entry.last_seen_at:%Y-%m-%d}" if entry.last_seen_at else "never"
        click.echo(f"{entry.username}\t{entry.role.value}\t{state}\t{entry.post_count}\t{entry.comment_count}\t{seen}")


@user.command("role")
@click.argument("username")
@click.argument("role", type=click.Choice([role.value for role in Role]))
def user_role(username: str, role: str) -> None:
    """Change the role of an account."""
    from blog.domain.accounts import accounts

    changed = run(load_migrated_settings(), lambda ctx: accounts.set_role(ctx, username, Role(role)))
    click.echo(f"{changed.username} now has the role {changed.role.value}.")


@user.command("suspend")
@click.argument("username")
@click.option("--hold-comments", is_flag=True, help="Hold the comments of the account for moderation.")
def user_suspend(username: str, hold_comments: bool) -> None:
    """Suspend an account. Ends its sessions and tokens at once; its published posts stay."""
    from blog.domain.accounts import suspension

    comments = CommentsOnSuspension.HOLD if hold_comments else CommentsOnSuspension.KEEP
    suspended = run(load_migrated_settings(), lambda ctx: suspension.suspend(ctx, username, comments))
    click.echo(f"Suspended {suspended.username} and ended all sessions and tokens.")


@user.command("unsuspend")
@click.argument("username")
def user_unsuspend(username: str) -> None:
    """Lift the suspension of an account, and publish the comments that it held."""
    from blog.domain.accounts import suspension

    active = run(load_migrated_settings(), lambda ctx: suspension.lift(ctx, username))
    click.echo(f"{active.username} is not suspended.")


@user.command("delete")
@click.argument("username")
@click.option(
    "--posts",
    type=click.Choice([choice.value for choice in PostsOfMember]),
    default=PostsOfMember.KEEP.value,
    show_default=True,
    help="Keep published posts under the name Deleted account, hand all posts to another author, or delete them.",
)
@click.option("--to", "transfer_to", help="Username of the new author, with --posts transfer.")
@click.option(
    "--comments",
    type=click.Choice([choice.value for choice in CommentsOfMember]),
    default=CommentsOfMember.KEEP.value,
    show_default=True,
    help="Keep comments under the name Deleted account, or remove them.",
)
@click.confirmation_option(prompt="This cannot be undone. Delete the account?")
def user_delete(username: str, posts: str, transfer_to: str | None, comments: str) -> None:
    """Delete an account. Drafts and personal data are deleted; choose what happens to posts and comments."""
    from blog.domain.accounts import account_deletion
    from blog.framework.request.parsing import validate

    if (transfer_to is not None) is not (posts == PostsOfMember.TRANSFER.value):
        raise click.UsageError("use --to and --posts transfer together")
    deletion = validate(MemberDeletion, {"posts": posts, "transfer_to": transfer_to, "comments": comments}, "account")
    run(load_migrated_settings(), lambda ctx: account_deletion.delete(ctx, username, deletion))
    click.echo(f"Deleted the account {username}.")


@user.command("password")
@click.argument("username")
def user_password(username: str) -> None:
    """Set a password from standard input. Revokes all sessions and tokens of the account."""
    from blog.domain.accounts import accounts, passwords

    password = SecretStr(read_password())

    async def change(ctx: Context) -> None:
        await passwords.set_password(ctx, (await accounts.active(ctx, username)).id, password)

    run(load_migrated_settings(), change)
    click.echo(f"Changed the password of {username} and revoked all sessions and tokens.")


@user.command("invite")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), help="Role of the account.  [default: author]")
@click.option("--days", type=click.IntRange(1, 90), help="Days for which the invitation works.  [default: 7]")
def user_invite(name: str, role: str | None, days: int | None) -> None:
    """Invite an e-mail address to create an account, or print a link that sets the password of the account NAME.

    The invitation is sent by e-mail in the name of the oldest owner; without SMTP_URL its link is printed. The link for a
    password works once, for 24 hours.
    """
    from blog.app import routes as table
    from blog.domain.accounts import password_reset
    from blog.framework.urls.urls import UrlBuilder

    settings = load_migrated_settings()
    urls = UrlBuilder(table, settings.public_url)
    if "@" in name:  # no username has it
        click.echo(_invite_address(settings, urls, {"email": name, "role": role or Role.AUTHOR.value, "days": days or 7}))
        return
    if role or days:
        raise click.UsageError("--role and --days belong to an invitation: give an e-mail address instead of a username")
    secret = run(settings, lambda ctx: password_reset.create_link(ctx, name))
    click.echo(urls.url("web:set_password", secret=secret))


def _invite_address(settings: "Settings", urls: "UrlBuilder", values: dict[str, str | int]) -> str:
    """Create the invitation, and return the text to print: its link, or where it is sent."""
    from blog.domain.accounts import accounts, invitations
    from blog.framework.request.parsing import validate

    new = validate(NewInvitation, values, "invitation")

    async def invite(ctx: Context) -> str:
        owner = await accounts.first_owner(ctx)
        if owner is None:
            raise Conflict("This blog has no owner yet. Create the owner's account first.")
        invitation = await invitations.create(ctx, new, inviter=accounts.as_actor(owner))
        secret = invitations.shown_secret(ctx, invitation)
        if secret is None:
            return f"The running blog sends the invitation to {invitation.email}."
        return urls.url("web:invitation", secret=secret)

    return run(settings, invite)


@user.command("erase-guest")
@click.argument("address")
@click.confirmation_option(prompt="This cannot be undone. Erase the comments?")
def user_erase_guest(address: str) -> None:
    """Erase all comments that guests wrote with an e-mail address: names, texts and the address. Replies stay."""
    from blog.domain.comments import author_comments

    erased = run(load_migrated_settings(), lambda ctx: author_comments.erase_guest(ctx, address))
    click.echo(f"Erased {erased} {'comment' if erased == 1 else 'comments'}.")


@user.command("disable-2fa")
@click.argument("username")
def user_disable_2fa(username: str) -> None:
    """Turn off two-factor authentication for a user without access to codes."""
    from blog.domain.accounts import accounts, two_factor

    async def remove(ctx: Context) -> None:
        await two_factor.remove(ctx, (await accounts.active(ctx, username)).id)

    run(load_migrated_settings(), remove)
    click.echo(f"{username} can sign in with the password alone.")


@user.command("revoke-sessions")
@click.argument("username", required=False)
@click.option("--all", "all_users", is_flag=True, help="Revoke the sessions of all accounts.")
def user_revoke_sessions(username: str | None, all_users: bool) -> None:
    """Revoke all sessions of an account. Its tokens stay valid."""
    from blog.domain.accounts import accounts, sessions

    if (username is None) is not all_users:
        raise click.UsageError("name one account, or --all")

    async def revoke(ctx: Context) -> int:
        return await sessions.revoke_for(ctx, None if username is None else (await accounts.active(ctx, username)).id)

    revoked = run(load_migrated_settings(), revoke)
    click.echo(f"Sessions revoked: {revoked}")
