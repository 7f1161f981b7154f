"""What the commands share: errors as one line, settings and the open site, progress."""

import asyncio
import contextlib
import datetime as dt
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import click
from pydantic import TypeAdapter, ValidationError

from blog.domain.core.context import Context
from blog.errors import BlogError, FieldError, InvalidInput
from blog.schemas.accounts import Password
from blog.settings import Settings, SettingsError, load_settings

R = TypeVar("R")
_MAX_STATEMENT_SECONDS = 86_400.0


class CommandError(click.ClickException):
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
            raise CommandError("; ".join(_format_error(fault) for fault in error.errors)) from None
        except (BlogError, SettingsError) as error:
            raise CommandError(str(error)) from None


def _format_error(fault: FieldError) -> str:
    return f"{'.'.join(str(part) for part in fault.loc)}: {fault.msg}"


def load_migrated_settings() -> Settings:
    """The settings, with the database migrated: a command on a fresh folder just works."""
    settings = load_settings()
    migrate_if_needed(settings)
    return settings


def migrate_if_needed(settings: Settings) -> list[str]:
    from blog.db import migration

    todo = migration.pending(settings.database_url)
    migration.upgrade(settings.database_url)
    return todo


def run(settings: Settings, work: Callable[[Context], Awaitable[R]]) -> R:
    """Do something with the site open; the actor is nobody."""
    from blog.app import open_site

    # Nobody waits for an answer in the meantime: reading all of a large database may take its time.
    patient = settings.model_copy(update={"database_statement_timeout": _MAX_STATEMENT_SECONDS})

    async def opened() -> R:
        async with open_site(patient) as site:
            return await work(Context(site, None, dt.datetime.now(dt.UTC), "command"))

    return asyncio.run(opened())


@contextlib.contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error for each part of some work, one after the other."""
    with contextlib.ExitStack() as stack:
        bars: dict[str, Any] = {}

        def progress(part: str, done: int, total: int) -> None:
            if part not in bars:
                stack.close()
                bars[part] = stack.enter_context(click.progressbar(length=total, label=part, file=sys.stderr))
            advance(bars[part], done, total)

        yield progress


def advance(bar: Any, done: int, total: int) -> None:
    bar.length = total
    bar.update(done - bar.pos)


def read_password() -> str:
    """The first line of standard input. Raises Failure unless it is a usable password."""
    text = sys.stdin.readline().rstrip("\r\n")
    try:
        TypeAdapter(Password).validate_python(text)
    except ValidationError:
        raise CommandError("the password on standard input must have 8 to 256 characters") from None
    return text
