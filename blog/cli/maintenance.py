"""Maintenance commands: `blog check`, `backup`, `restore`, `copy-database`."""

from collections.abc import Mapping
from pathlib import Path

import click

from blog.cli.runtime import CommandError, progress_bars, run
from blog.domain.core.context import Context
from blog.settings import load_settings, normalise_database_url


@click.command()
@click.option("--repair", is_flag=True, help="Repair what can be repaired without data loss.")
def check(repair: bool) -> None:
    """Check settings, migrations, database, posts, search index, event log and images."""
    from blog.db import migration
    from blog.ops.integrity_check import check_site

    settings = load_settings()
    if pending := migration.pending(settings.database_url):
        raise CommandError(f"migrations missing from the database: {len(pending)}. Run `blog migrate`")

    async def work(ctx: Context) -> int:
        with progress_bars() as progress:
            faults = await check_site(ctx, progress)
        remaining = 0
        for fault in faults:
            if repair and fault.repair is not None:
                await fault.repair()
                click.echo(f"Repaired: {fault.message}", err=True)
            else:
                remaining += 1
                click.echo(fault, err=True)
        return remaining

    if remaining := run(settings, work):
        raise CommandError(f"{remaining} problems found")
    click.echo("No problems found.")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option("--with-secret", is_flag=True, help="Include SECRET_KEY: anyone with FILE can then sign in as any user.")
def backup(file: Path, force: bool, with_secret: bool) -> None:
    """Back up database and images to FILE. The blog can stay running."""
    from blog.ops.backup import create_backup

    with progress_bars() as progress:
        report = create_backup(load_settings(), file, force=force, with_secret=with_secret, progress=progress)
    for warning in report.warnings:
        click.echo(warning, err=True)
    click.echo(f"{file}: {_format_counts(report.counts)}, image files: {report.images}, bytes: {report.bytes}")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a blog that has accounts or posts. Its database is renamed, not deleted.")
@click.option("--keep-tokens", is_flag=True, help="Keep the API tokens of the backup, also those that were revoked since.")
def restore(file: Path, force: bool, keep_tokens: bool) -> None:
    """Restore a backup FILE. Stop the server first; everyone must sign in again.

    A blog that has accounts or posts is replaced only with --force.
    """
    from blog.ops.restore import restore_backup

    with progress_bars() as progress:
        report = restore_backup(load_settings(), file, force=force, keep_tokens=keep_tokens, progress=progress)
    click.echo(f"Restored the backup of {report.made_at:%Y-%m-%d %H:%M:%S} UTC: {_format_counts(report.counts)}")
    click.echo(f"Missing image files added: {report.images}")
    if report.migrations:
        click.echo(f"Migrations applied: {', '.join(report.migrations)}")
    if report.previous_database is not None:
        click.echo(f"The previous database is now {report.previous_database}.")
    if not report.has_secret:
        click.echo("The backup has no SECRET_KEY: tokens and signed links stay valid only if the key is the same as before.")
    click.echo(f"Revoked sessions: {report.revoked[0]}, revoked tokens: {report.revoked[1]}")
    if keep_tokens:
        click.echo("Tokens are as they were in the backup: revoke those again that were revoked since.")
    click.echo("Live clients must reload.")


def _parse_database_url(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return normalise_database_url(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option("--from", "source", required=True, callback=_parse_database_url, help="The database to copy, as in DATABASE_URL.")
@click.option("--to", "target", required=True, callback=_parse_database_url, help="An empty database of either kind.")
def copy_database(source: str, target: str) -> None:
    """Copy a blog to an empty database, such as from SQLite to PostgreSQL: all of it or nothing.

    The source can stay in use, but later changes are not copied. The target must not be in use. Images stay in MEDIA_DIR.
    """
    from blog.db.database_copy import copy_database

    with progress_bars() as progress:
        report = copy_database(source, target, progress)
    click.echo(
        f"Copied and verified {sum(report.counts.values())} rows of {len(report.counts)} tables: {_format_counts(report.counts)}"
    )
    if report.is_outdated:
        click.echo(
            f"The source has changed since {report.taken_at:%H:%M:%S} UTC, and the copy lacks the changes: "
            "stop the server of the source, then copy again to an empty database.",
            err=True,
        )
    click.echo("To use the copy, set DATABASE_URL to it, and leave SECRET_KEY and MEDIA_DIR unchanged.")


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {counts.get(name, 0)}" for name in ("users", "posts", "comments"))
