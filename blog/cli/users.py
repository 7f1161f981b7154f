"""Accounts, tokens and flags: `blog user`, `token`, `flag`."""

import click
from pydantic import SecretStr

from blog.cli.runtime import load_migrated_settings, read_password, run
from blog.domain.core.context import Context
from blog.schemas.accounts import NewUser, Role, Scope
from blog.schemas.feature_flags import Flag


@click.group()
def user() -> None:
    """Make and change accounts."""


@user.command("create")
@click.argument("username")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.READER.value, show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input; else the account has none yet.")
def user_create(username: str, email: str, role: str, password_stdin: bool) -> None:
    """Make an account."""
    from blog.domain.accounts import accounts
    from blog.framework.request.parsing import validate

    given = {"username": username, "email": email} | ({"password": read_password()} if password_stdin else {})
    new = validate(NewUser, given, "account")
    made = run(load_migrated_settings(), lambda ctx: accounts.create(ctx, new, Role(role)))
    click.echo(f"{made.username} is {made.role.value}.")


@user.command("role")
@click.argument("username")
@click.argument("role", type=click.Choice([role.value for role in Role]))
def user_role(username: str, role: str) -> None:
    """Give an account a role."""
    from blog.domain.accounts import accounts

    changed = run(load_migrated_settings(), lambda ctx: accounts.set_role(ctx, username, Role(role)))
    click.echo(f"{changed.username} is {changed.role.value}.")


@user.command("password")
@click.argument("username")
def user_password(username: str) -> None:
    """Set a password from standard input; ends all sessions and tokens of the account."""
    from blog.domain.accounts import accounts

    password = SecretStr(read_password())

    async def change(ctx: Context) -> None:
        await accounts.set_password(ctx, (await accounts.active(ctx, username)).id, password)

    run(load_migrated_settings(), change)
    click.echo(f"The password of {username} is changed; all sessions and tokens have ended.")


@user.command("invite")
@click.argument("username")
def user_invite(username: str) -> None:
    """Print a link by which the account's password is set, once, within a day."""
    from blog.app import routes as table
    from blog.domain.accounts import accounts
    from blog.framework.urls.urls import UrlBuilder

    settings = load_migrated_settings()
    secret = run(settings, lambda ctx: accounts.password_link(ctx, username))
    click.echo(UrlBuilder(table, settings.public_url).url("web:set_password", secret=secret))


@user.command("disable-2fa")
@click.argument("username")
def user_disable_2fa(username: str) -> None:
    """Take the second factor away from somebody who lost it: the password alone opens the account again."""
    from blog.domain.accounts import accounts, two_factor

    async def remove(ctx: Context) -> None:
        await two_factor.remove(ctx, (await accounts.active(ctx, username)).id)

    run(load_migrated_settings(), remove)
    click.echo(f"{username} signs in with the password alone.")


@user.command("revoke-sessions")
@click.argument("username", required=False)
@click.option("--all", "all_users", is_flag=True, help="Instead of one account: all of them.")
def user_revoke_sessions(username: str | None, all_users: bool) -> None:
    """End all sessions of an account at once; its tokens go on."""
    from blog.domain.accounts import accounts, sessions

    if (username is None) is not all_users:
        raise click.UsageError("name one account, or --all")

    async def end(ctx: Context) -> int:
        return await sessions.revoke_for(ctx, None if username is None else (await accounts.active(ctx, username)).id)

    ended = run(load_migrated_settings(), end)
    click.echo(f"{ended} {'session has' if ended == 1 else 'sessions have'} ended.")


@click.group()
def token() -> None:
    """Make bearer tokens."""


@token.command("create")
@click.argument("username")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="Several may be given.",
)
@click.option("--name", default="command line", show_default=True)
def token_create(username: str, scopes: tuple[str, ...], name: str) -> None:
    """Print a new token, and nothing else."""
    from blog.domain.accounts import accounts, tokens

    chosen = [Scope(scope) for scope in scopes] or None

    async def issue(ctx: Context) -> str:
        actor = accounts.as_actor(await accounts.active(ctx, username))
        return (await tokens.issue(ctx, actor, name=name, scopes=chosen)).value

    click.echo(run(load_migrated_settings(), issue))


@click.command()
@click.argument("name", required=False, type=click.Choice([flag.value for flag in Flag]))
@click.argument("state", required=False, type=click.Choice(["on", "off"]))
def flag(name: str | None, state: str | None) -> None:
    """Show the feature flags, or switch one; servers that run follow within a second."""
    from blog.domain.site import feature_flags

    settings = load_migrated_settings()
    if name and state:
        run(settings, lambda ctx: feature_flags.store(ctx, Flag(name), state == "on"))
    for found in run(settings, feature_flags.all_flags):
        if name in (None, found.name.value):
            click.echo(f"{found.name.value} is {'on' if found.enabled else 'off'}")
