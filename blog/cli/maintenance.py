"""What keeps a blog whole: `blog check`, `backup`, `restore`, `copy`."""

from collections.abc import Mapping
from pathlib import Path

import click

from blog.cli.runtime import CommandError, progress_bars, run
from blog.domain.core.context import Context
from blog.settings import load_settings, normalise_database_url


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended without losing anything.")
def check(repair: bool) -> None:
    """Look for damage: settings, migrations, database, posts, search index, event log, images."""
    from blog.db import migration
    from blog.ops.integrity_check import check_site

    settings = load_settings()
    if todo := migration.pending(settings.database_url):
        raise CommandError(f"the database lacks {len(todo)} migrations: run `blog migrate`")

    async def work(ctx: Context) -> int:
        with progress_bars() as progress:
            faults = await check_site(ctx, progress)
        left = 0
        for fault in faults:
            if repair and fault.repair is not None:
                await fault.repair()
                click.echo(f"Repaired: {fault.message}", err=True)
            else:
                left += 1
                click.echo(fault, err=True)
        return left

    if left := run(settings, work):
        raise CommandError(f"{left} faults were found")
    click.echo("All is well.")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--with-secret", is_flag=True, help="Keep the secret, too: who has the file can then sign in as anybody.")
def backup(file: Path, force: bool, with_secret: bool) -> None:
    """Keep database and images in one FILE, while the blog runs."""
    from blog.ops.backup import create_backup

    with progress_bars() as progress:
        report = create_backup(load_settings(), file, force=force, with_secret=with_secret, progress=progress)
    for warning in report.warnings:
        click.echo(warning, err=True)
    click.echo(f"{file}: {_format_counts(report.counts)}, image files: {report.images}, bytes: {report.bytes}")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also in the place of a blog with accounts or posts; its database is kept.")
@click.option("--keep-tokens", is_flag=True, help="Leave tokens as they were in the backup, also those revoked since.")
def restore(file: Path, force: bool, keep_tokens: bool) -> None:
    """Bring back what a backup FILE holds; no server may be running. Everybody signs in again."""
    from blog.ops.restore import restore_backup as bring_back

    with progress_bars() as progress:
        report = bring_back(load_settings(), file, force=force, keep_tokens=keep_tokens, progress=progress)
    click.echo(f"Restored the backup of {report.made_at:%Y-%m-%d %H:%M:%S} UTC: {_format_counts(report.counts)}")
    click.echo(f"Image files that were missing here: {report.images}")
    if report.migrations:
        click.echo(f"Migrations applied: {', '.join(report.migrations)}.")
    if report.previous_database is not None:
        click.echo(f"The database that was here is kept as {report.previous_database}.")
    if not report.has_secret:
        click.echo("The secret is not in the backup: tokens and links hold only if SECRET_KEY is what it was.")
    click.echo(
        f"Ended, since some may have been ended after the backup: sessions {report.revoked[0]}, tokens {report.revoked[1]}."
    )
    if keep_tokens:
        click.echo("Tokens hold as they did in the backup: revoke again those that were revoked since.")
    click.echo("Live clients begin anew.")


def _parse_database_url(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return normalise_database_url(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option(
    "--from", "source", required=True, callback=_parse_database_url, help="The database that is there: as in DATABASE_URL."
)
@click.option("--to", "target", required=True, callback=_parse_database_url, help="An empty one, of the same kind or another.")
def copy_database(source: str, target: str) -> None:
    """Copy a whole blog from one database to another, such as from SQLite to PostgreSQL; all or nothing.

    Both may be in use elsewhere while a copy is read, none while it is written: what a server writes to the source in the
    meantime is not in the copy. Images stay where they are, in MEDIA_DIR.
    """
    from blog.db.database_copy import copy_database as copy_database

    with progress_bars() as progress:
        report = copy_database(source, target, progress)
    click.echo(
        f"Copied {sum(report.counts.values())} rows of {len(report.counts)} tables, and found them alike: "
        + _format_counts(report.counts)
    )
    if report.is_outdated:
        when = f"{report.taken_at:%H:%M:%S}"
        click.echo(
            f"The source was written to since {when} UTC, which is not in the copy: stop its server and copy anew.", err=True
        )
    click.echo("To go on with the copy, let DATABASE_URL name it, and keep SECRET_KEY and MEDIA_DIR as they are.")


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {counts.get(name, 0)}" for name in ("users", "posts", "comments"))
