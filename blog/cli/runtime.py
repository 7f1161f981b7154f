"""Shared code of the commands: errors as one line, settings, the open site, progress bars."""

import asyncio
import contextlib
import datetime as dt
import gc
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import click
from pydantic import TypeAdapter, ValidationError

from blog.domain.core.context import Context
from blog.errors import BlogError, FieldError, InvalidInput
from blog.progress import PartProgress, no_progress
from blog.schemas.accounts import Password
from blog.settings import Settings, SettingsError, load_settings

R = TypeVar("R")
_STATEMENT_TIMEOUT = 86_400.0
"""Seconds, instead of DATABASE_STATEMENT_TIMEOUT: no request waits for a command, and a large database takes time to read."""


class CommandError(click.ClickException):
    """An error that is printed as one line, without a traceback."""

    def show(self, file: object = None) -> None:
        """Print the error to standard error."""
        click.echo(f"blog: {self.message}", err=True)


class Group(click.Group):
    """A command group that prints domain errors, settings errors and an unavailable database as a `CommandError`."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        gc.freeze()
        gc.enable()  # see `blog.__main__`
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            raise CommandError("; ".join(_format_error(fault) for fault in error.errors)) from None
        except (BlogError, SettingsError) as error:
            raise CommandError(str(error)) from None


def _format_error(error: FieldError) -> str:
    return f"{'.'.join(str(part) for part in error.loc)}: {error.msg}"


def load_migrated_settings() -> Settings:
    """Load the settings and migrate the database, so that a command works in an empty folder."""
    settings = load_settings()
    migrate_if_needed(settings)
    return settings


def migrate_if_needed(settings: Settings) -> list[str]:
    """Migrate the database, and return the revisions that were applied. Raises Unavailable."""
    from blog.db import migration

    revisions = migration.pending(settings.database_url)
    migration.upgrade(settings.database_url)
    return revisions


def run(settings: Settings, work: Callable[[Context], Awaitable[R]]) -> R:
    """Open the site, call `work` with a context without an actor, and return its result."""
    from blog.domain.core.site import open_site

    async def main() -> R:
        async with open_site(settings.model_copy(update={"database_statement_timeout": _STATEMENT_TIMEOUT})) as site:
            return await work(Context(site, None, dt.datetime.now(dt.UTC), "command"))

    return asyncio.run(main())


@contextlib.contextmanager
def progress_bars() -> Iterator[PartProgress]:
    """Show one progress bar for each part of a task. Prints nothing unless standard error is a terminal."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    with contextlib.ExitStack() as stack:
        bars: dict[str, Any] = {}

        def progress(part: str, done: int, total: int) -> None:
            if part not in bars:
                stack.close()
                bars[part] = stack.enter_context(click.progressbar(length=total, label=part, file=sys.stderr))
            bars[part].length = total
            bars[part].update(done - bars[part].pos)

        yield progress


def read_password() -> str:
    """Return the first line of standard input. Raises CommandError unless its length is allowed for a password."""
    text = sys.stdin.readline().rstrip("\r\n")
    try:
        TypeAdapter(Password).validate_python(text)
    except ValidationError:
        raise CommandError("the password on standard input must have 8 to 256 characters") from None
    return text
