"""Import posts from other blogs: `blog import`."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from blog.cli.runtime import CommandError, load_migrated_settings, progress_bars, run
from blog.domain.core.context import Actor, Context


@click.group("import")
def import_() -> None:
    """Import posts."""


@import_.command("markdown")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Read and check every file, but write nothing.")
@click.option("--as", "username", help="Author of the posts that name no author.  [default: the owner of the blog]")
@click.option("--ignore-key", "ignored_keys", multiple=True, metavar="KEY", help="Metadata key that hides no post. Repeatable.")
def import_markdown(folder: Path, dry_run: bool, username: str | None, ignored_keys: tuple[str, ...]) -> None:
    """Import a Jekyll, Hugo or Zola FOLDER. A second run imports only what changed.

    A post becomes a draft if it has no date, or a metadata key that may hide it and that the import does not know. Name such
    keys with --ignore-key if they hide nothing, in each run. The last line on standard output is a JSON object of totals. The
    exit code is 1 if a file was not imported or not read.
    """
    from blog.import_export.markdown import importer
    from blog.import_export.markdown.totals import ImportTotals

    async def work(ctx: Context) -> ImportTotals:
        actor = await _resolve_actor(ctx, username)
        with progress_bars() as progress:
            report = await importer.import_markdown(
                ctx.acting_as(actor),
                folder,
                dry_run=dry_run,
                ignored_keys=ignored_keys,
                progress=partial(progress, "Importing"),
            )
        for line in (*report.warnings, *report.rejections):
            click.echo(str(line), err=True)
        if report.totals.draft_causes:
            causes = ", ".join(f"{cause} ({count})" for cause, count in report.totals.draft_causes.items())
            click.echo(f"posts imported as drafts: {report.totals.unclear_drafts}, because of {causes}", err=True)
        click.echo(json.dumps(asdict(report.totals)))
        return report.totals

    totals = run(load_migrated_settings(), work)
    if totals.refused:
        raise CommandError(f"files not imported: {totals.refused}. Correct them, then run the import again")
    if totals.not_read:
        counts = ", ".join(f"{count} {suffix}" for suffix, count in totals.not_read.items())
        raise CommandError(f"files not read: {counts}. Convert them to Markdown, then run the import again")
    if not totals.posts and any(folder.iterdir()):
        raise CommandError(f"no posts found in {folder}. Name the folder that contains the Markdown files")


async def _resolve_actor(ctx: Context, username: str | None) -> Actor:
    from blog.domain.accounts import accounts

    if username is not None:
        return accounts.as_actor(await accounts.active(ctx, username))
    owner = await accounts.first_owner(ctx)
    if owner is None:
        raise CommandError(
            "the blog has no owner yet: run `blog user create NAME EMAIL --role owner`, or name an account with --as"
        )
    return accounts.as_actor(owner)
