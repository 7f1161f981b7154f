"""The command `blog`: what an operator does from a terminal.

Answers go to standard output, progress and errors to standard error; the exit code is 0 only when all was done.
"""

import click

from blog import __version__
from blog.cli.imports import import_
from blog.cli.maintenance import backup, check, copy_database, restore
from blog.cli.runtime import Group
from blog.cli.server import migrate, openapi, routes, serve
from blog.cli.users import flag, token, user


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="blog")
def main() -> None:
    """A blog: JSON API, pages and live updates."""


for command in (serve, migrate, check, backup, restore, copy_database, routes, openapi, user, token, flag, import_):
    main.add_command(command)
