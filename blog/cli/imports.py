"""`blog import`: posts from elsewhere."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from blog.cli.runtime import CommandError, advance, load_migrated_settings, run
from blog.domain.core.context import Actor, Context


@click.group("import")
def import_() -> None:
    """Bring posts from other blogs."""


@import_.command("markdown")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Read and count all of it, and write nothing.")
@click.option("--as", "username", help="Whose posts those without an author become; else the owner's.")
def import_markdown(folder: Path, dry_run: bool, username: str | None) -> None:
    """Import a Jekyll, Hugo or Zola folder; run again, it changes nothing.

    The last line on standard output is a JSON object of totals.
    """
    from blog.import_export.markdown import importer

    async def work(ctx: Context) -> int:
        actor = await _resolve_actor(ctx, username)
        with click.progressbar(length=0, label="Importing", file=sys.stderr) as bar:
            report = await importer.import_markdown(
                ctx.acting_as(actor), folder, dry_run=dry_run, progress=lambda done, total: advance(bar, done, total)
            )
        for line in (*report.warnings, *report.rejections):
            click.echo(str(line), err=True)
        click.echo(json.dumps(asdict(report.totals)))
        return report.totals.refused

    if refused := run(load_migrated_settings(), work):
        raise CommandError(f"{refused} files were refused: mend them and run the import again")


async def _resolve_actor(ctx: Context, username: str | None) -> Actor:
    from blog.domain.accounts import accounts

    if username is not None:
        return accounts.as_actor(await accounts.active(ctx, username))
    owner = await accounts.first_owner(ctx)
    if owner is None:
        raise CommandError(
            "nobody owns this blog yet: run `blog user create NAME EMAIL --role owner`, or name an account with --as"
        )
    return accounts.as_actor(owner)
