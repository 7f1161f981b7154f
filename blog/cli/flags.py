"""Command for feature flags: `blog flag`."""

import click

from blog.cli.runtime import load_migrated_settings, run
from blog.schemas.feature_flags import Flag


@click.command()
@click.argument("name", required=False, type=click.Choice([flag.value for flag in Flag]))
@click.argument("state", required=False, type=click.Choice(["on", "off"]))
def flag(name: str | None, state: str | None) -> None:
    """Show the feature flags, or turn one on or off. Running servers follow within 1 second."""
    from blog.domain.site import feature_flags

    settings = load_migrated_settings()
    if name and state:
        run(settings, lambda ctx: feature_flags.store(ctx, Flag(name), state == "on"))
    for current in run(settings, feature_flags.all_flags):
        if name in (None, current.name.value):
            click.echo(f"{current.name.value} is {'on' if current.enabled else 'off'}")
