"""Commands for bearer tokens: `blog token`."""

import click

from blog.cli.runtime import load_migrated_settings, run
from blog.domain.core.context import Context
from blog.schemas.accounts import Scope


@click.group()
def token() -> None:
    """Create bearer tokens."""


@token.command("create")
@click.argument("username")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="Scope of the token; can be repeated.",
)
@click.option("--name", default="command line", show_default=True, help="Name of the token in the account's list.")
def token_create(username: str, scopes: tuple[str, ...], name: str) -> None:
    """Create a token for an account, and print only the token."""
    from blog.domain.accounts import accounts, tokens

    requested = [Scope(scope) for scope in scopes] or None

    async def issue(ctx: Context) -> str:
        actor = accounts.as_actor(await accounts.active(ctx, username))
        return (await tokens.issue(ctx, actor, name=name, scopes=requested)).value

    click.echo(run(load_migrated_settings(), issue))
