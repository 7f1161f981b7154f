"""The command `blog`: what an operator does from a terminal.

Answers go to standard output, progress and errors to standard error; the exit code is 0 only when all was done.
"""

import asyncio
import contextlib
import datetime as dt
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import SecretStr, TypeAdapter, ValidationError

from blog import __version__
from blog.domain.context import Actor, Context
from blog.errors import BlogError, FieldError, InvalidInput
from blog.schemas.accounts import NewUser, Password, Role, Scope
from blog.schemas.flags import Flag
from blog.settings import Settings, SettingsError, database_address, load_settings

R = TypeVar("R")
_LONGEST_STATEMENT = 86_400.0


class Failure(click.ClickException):
    """An error as one clear line, without a traceback."""

    def show(self, file: object = None) -> None:
        """On standard error."""
        click.echo(f"blog: {self.message}", err=True)


class Group(click.Group):
    """Turns the blog's own errors, and a database that cannot be used, into such lines."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            raise Failure("; ".join(_fault(fault) for fault in error.errors)) from None
        except (BlogError, SettingsError) as error:
            raise Failure(str(error)) from None


def _fault(fault: FieldError) -> str:
    return f"{'.'.join(str(part) for part in fault.loc)}: {fault.msg}"


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="blog")
def main() -> None:
    """A blog: JSON API, pages and live updates."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, envvar="WEB_CONCURRENCY", type=click.IntRange(1, 64), help="Processes.")
@click.option("--demo", is_flag=True, help="Serve a small example blog from a temporary folder.")
def serve(host: str, port: int, workers: int, demo: bool) -> None:
    """Migrate the database and serve the blog."""
    from blog import server

    with contextlib.ExitStack() as stack:
        if demo:
            _demo_environment(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="blog-demo-"))))
        settings = load_settings()
        if "public_url" not in settings.model_fields_set:
            os.environ["PUBLIC_URL"] = _local_url(host, port)  # for the workers, which load the settings themselves
            settings = load_settings()
        for caution in settings.cautions:
            click.echo(f"Caution: {caution}", err=True)
        _migrate(settings)
        if demo:
            _run(settings, _fill_demo)
        else:
            click.echo(f"Database: {settings.database_name}", err=True)
            _run(settings, _greet)
        server.run(settings, host=host, port=port, workers=workers)


def _local_url(host: str, port: int) -> str:
    """Where this machine reaches a server that listens there."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _demo_environment(folder: Path) -> None:
    os.environ.update(
        DATABASE_URL=f"sqlite:///{folder / 'blog.db'}",
        MEDIA_DIR=str(folder / "media"),
        PROJECT_NAME="A blog to look at",
    )


async def _fill_demo(ctx: Context) -> None:
    from blog.demo import fill

    username, password = await fill(ctx)
    click.echo(f"A demo: sign in as {username} with the password {password}. All of it goes when the server stops.", err=True)


async def _greet(ctx: Context) -> None:
    from blog.app import routes
    from blog.domain import accounts
    from blog.http.links import Links

    if await accounts.first_owner(ctx) is None:
        link = Links(routes, ctx.site.settings.public_url).url("web:setup", secret=accounts.owner_link(ctx))
        click.echo(f"This blog has no owner yet. Open this link within a day, once, to make it yours:\n\n  {link}\n", err=True)


@main.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    done = _migrate(load_settings())
    click.echo(f"{len(done)} migrations applied: {', '.join(done)}" if done else "The database is up to date.")


def _migrate(settings: Settings) -> list[str]:
    from blog.db import migration

    todo = migration.pending(settings.database_url)
    migration.upgrade(settings.database_url)
    return todo


@main.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended without losing anything.")
def check(repair: bool) -> None:
    """Look for damage: settings, migrations, database, posts, search index, event log, images."""
    from blog.db import migration
    from blog.ops.checking import check_site

    settings = load_settings()
    if todo := migration.pending(settings.database_url):
        raise Failure(f"the database lacks {len(todo)} migrations: run `blog migrate`")

    async def work(ctx: Context) -> int:
        with _bars() as progress:
            faults = await check_site(ctx, progress)
        left = 0
        for fault in faults:
            if repair and fault.repair is not None:
                await fault.repair()
                click.echo(f"Repaired: {fault.text}", err=True)
            else:
                left += 1
                click.echo(fault, err=True)
        return left

    if left := _run(settings, work):
        raise Failure(f"{left} faults were found")
    click.echo("All is well.")


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--with-secret", is_flag=True, help="Keep the secret, too: who has the file can then sign in as anybody.")
def backup(file: Path, force: bool, with_secret: bool) -> None:
    """Keep database and images in one FILE, while the blog runs."""
    from blog.ops.backup import back_up

    with _bars() as progress:
        report = back_up(load_settings(), file, force=force, with_secret=with_secret, progress=progress)
    for warning in report.warnings:
        click.echo(warning, err=True)
    click.echo(f"{file}: {_counted(report.counts)}, image files: {report.images}, bytes: {report.bytes}")


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also in the place of a blog with accounts or posts; its database is kept.")
@click.option("--keep-tokens", is_flag=True, help="Leave tokens as they were in the backup, also those revoked since.")
def restore(file: Path, force: bool, keep_tokens: bool) -> None:
    """Bring back what a backup FILE holds; no server may be running. Everybody signs in again."""
    from blog.ops.restoration import restore as bring_back

    with _bars() as progress:
        report = bring_back(load_settings(), file, force=force, keep_tokens=keep_tokens, progress=progress)
    click.echo(f"Restored the backup of {report.made_at:%Y-%m-%d %H:%M:%S} UTC: {_counted(report.counts)}")
    click.echo(f"Image files that were missing here: {report.images}")
    if report.migrations:
        click.echo(f"Migrations applied: {', '.join(report.migrations)}.")
    if report.old is not None:
        click.echo(f"The database that was here is kept as {report.old}.")
    if not report.secret:
        click.echo("The secret is not in the backup: tokens and links hold only if SECRET_KEY is what it was.")
    click.echo(f"Ended, since some may have been ended after the backup: sessions {report.ended[0]}, tokens {report.ended[1]}.")
    if keep_tokens:
        click.echo("Tokens hold as they did in the backup: revoke again those that were revoked since.")
    click.echo("Live clients begin anew.")


def _address(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return database_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@main.command()
@click.option("--from", "source", required=True, callback=_address, help="The database that is there: as in DATABASE_URL.")
@click.option("--to", "target", required=True, callback=_address, help="An empty one, of the same kind or another.")
def copy(source: str, target: str) -> None:
    """Copy a whole blog from one database to another, such as from SQLite to PostgreSQL; all or nothing.

    Both may be in use elsewhere while a copy is read, none while it is written: what a server writes to the source in the
    meantime is not in the copy. Images stay where they are, in MEDIA_DIR.
    """
    from blog.db.copying import copy as copy_database

    with _bars() as progress:
        report = copy_database(source, target, progress)
    click.echo(
        f"Copied {sum(report.counts.values())} rows of {len(report.counts)} tables, and found them alike: "
        + _counted(report.counts)
    )
    if report.is_outdated:
        when = f"{report.taken_at:%H:%M:%S}"
        click.echo(
            f"The source was written to since {when} UTC, which is not in the copy: stop its server and copy anew.", err=True
        )
    click.echo("To go on with the copy, let DATABASE_URL name it, and keep SECRET_KEY and MEDIA_DIR as they are.")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {counts.get(name, 0)}" for name in ("users", "posts", "comments"))


@contextlib.contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error for each part of some work, one after the other."""
    with contextlib.ExitStack() as stack:
        bars: dict[str, Any] = {}

        def progress(part: str, done: int, total: int) -> None:
            if part not in bars:
                stack.close()
                bars[part] = stack.enter_context(click.progressbar(length=total, label=part, file=sys.stderr))
            _advance(bars[part], done, total)

        yield progress


@main.command()
def routes() -> None:
    """Print every route: methods, path, name."""
    from blog.app import routes as table
    from blog.http.route_table import rows

    found = rows(table)
    widths = [max(len(row[column]) for row in found) for column in (0, 1)]
    for methods, path, name in found:
        click.echo(f"{methods:<{widths[0]}}  {path:<{widths[1]}}  {name}")


@main.command()
def openapi() -> None:
    """Print the OpenAPI document of the JSON API."""
    from blog.api.documents import naming
    from blog.api.openapi import document
    from blog.app import routes as table
    from blog.http.links import Links

    settings = load_settings()
    click.echo(json.dumps(document(*naming(settings.project_name, settings, Links(table, settings.public_url))), indent=2))


@main.group()
def user() -> None:
    """Make and change accounts."""


@user.command("create")
@click.argument("username")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.READER.value, show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input; else the account has none yet.")
def user_create(username: str, email: str, role: str, password_stdin: bool) -> None:
    """Make an account."""
    from blog.domain import accounts
    from blog.http.parsing import validate

    given = {"username": username, "email": email} | ({"password": _password()} if password_stdin else {})
    new = validate(NewUser, given, "account")
    made = _run(_ready(), lambda ctx: accounts.create(ctx, new, Role(role)))
    click.echo(f"{made.username} is {made.role.value}.")


@user.command("role")
@click.argument("username")
@click.argument("role", type=click.Choice([role.value for role in Role]))
def user_role(username: str, role: str) -> None:
    """Give an account a role."""
    from blog.domain import accounts

    changed = _run(_ready(), lambda ctx: accounts.set_role(ctx, username, Role(role)))
    click.echo(f"{changed.username} is {changed.role.value}.")


@user.command("password")
@click.argument("username")
def user_password(username: str) -> None:
    """Set a password from standard input; ends all sessions and tokens of the account."""
    from blog.domain import accounts

    password = SecretStr(_password())

    async def change(ctx: Context) -> None:
        await accounts.set_password(ctx, (await accounts.living(ctx, username)).id, password)

    _run(_ready(), change)
    click.echo(f"The password of {username} is changed; all sessions and tokens have ended.")


@user.command("invite")
@click.argument("username")
def user_invite(username: str) -> None:
    """Print a link by which the account's password is set, once, within a day."""
    from blog.app import routes as table
    from blog.domain import accounts
    from blog.http.links import Links

    settings = _ready()
    secret = _run(settings, lambda ctx: accounts.password_link(ctx, username))
    click.echo(Links(table, settings.public_url).url("web:set_password", secret=secret))


@user.command("codes-off")
@click.argument("username")
def user_codes_off(username: str) -> None:
    """Take the second factor away from somebody who lost it: the password alone opens the account again."""
    from blog.domain import accounts, second_factors

    async def remove(ctx: Context) -> None:
        await second_factors.remove(ctx, (await accounts.living(ctx, username)).id)

    _run(_ready(), remove)
    click.echo(f"{username} signs in with the password alone.")


@user.command("sign-out")
@click.argument("username", required=False)
@click.option("--everybody", is_flag=True, help="Instead of one account: all of them.")
def user_sign_out(username: str | None, everybody: bool) -> None:
    """End all sessions of an account at once; its tokens go on."""
    from blog.domain import accounts, sessions

    if (username is None) is not everybody:
        raise click.UsageError("name one account, or --everybody")

    async def end(ctx: Context) -> int:
        return await sessions.end_of(ctx, None if username is None else (await accounts.living(ctx, username)).id)

    ended = _run(_ready(), end)
    click.echo(f"{ended} {'session has' if ended == 1 else 'sessions have'} ended.")


@main.group()
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
    from blog.domain import accounts, tokens

    chosen = [Scope(scope) for scope in scopes] or None

    async def issue(ctx: Context) -> str:
        actor = accounts.actor_of(await accounts.living(ctx, username))
        return (await tokens.issue(ctx, actor, name=name, scopes=chosen)).text

    click.echo(_run(_ready(), issue))


@main.command()
@click.argument("name", required=False, type=click.Choice([flag.value for flag in Flag]))
@click.argument("state", required=False, type=click.Choice(["on", "off"]))
def flag(name: str | None, state: str | None) -> None:
    """Show the feature flags, or switch one; servers that run follow within a second."""
    from blog.domain import flags

    settings = _ready()
    if name and state:
        _run(settings, lambda ctx: flags.put(ctx, Flag(name), state == "on"))
    for found in _run(settings, flags.all_flags):
        if name in (None, found.name.value):
            click.echo(f"{found.name.value} is {'on' if found.enabled else 'off'}")


@main.group("import")
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
    from blog.transfer.markdown_import import import_markdown as run

    async def work(ctx: Context) -> int:
        actor = await _importer(ctx, username)
        with click.progressbar(length=0, label="Importing", file=sys.stderr) as bar:
            report = await run(
                ctx.acting_as(actor), folder, dry_run=dry_run, progress=lambda done, total: _advance(bar, done, total)
            )
        for line in (*report.warnings, *report.refusals):
            click.echo(str(line), err=True)
        click.echo(json.dumps(asdict(report.totals)))
        return report.totals.refused

    if refused := _run(_ready(), work):
        raise Failure(f"{refused} files were refused: mend them and run the import again")


def _advance(bar: Any, done: int, total: int) -> None:
    bar.length = total
    bar.update(done - bar.pos)


async def _importer(ctx: Context, username: str | None) -> Actor:
    from blog.domain import accounts

    if username is not None:
        return accounts.actor_of(await accounts.living(ctx, username))
    owner = await accounts.first_owner(ctx)
    if owner is None:
        raise Failure("nobody owns this blog yet: run `blog user create NAME EMAIL --role owner`, or name an account with --as")
    return accounts.actor_of(owner)


def _ready() -> Settings:
    """The settings, with the database migrated: a command on a fresh folder just works."""
    settings = load_settings()
    _migrate(settings)
    return settings


def _run(settings: Settings, work: Callable[[Context], Awaitable[R]]) -> R:
    """Do something with the site open; the actor is nobody."""
    from blog.app import open_site

    # Nobody waits for an answer in the meantime: reading all of a large database may take its time.
    patient = settings.model_copy(update={"database_statement_timeout": _LONGEST_STATEMENT})

    async def opened() -> R:
        async with open_site(patient) as site:
            return await work(Context(site, None, dt.datetime.now(dt.UTC), "command"))

    return asyncio.run(opened())


def _password() -> str:
    """The first line of standard input. Raises Failure unless it is a usable password."""
    text = sys.stdin.readline().rstrip("\r\n")
    try:
        TypeAdapter(Password).validate_python(text)
    except ValidationError:
        raise Failure("the password on standard input must have 8 to 256 characters") from None
    return text
