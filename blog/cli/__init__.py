"""The command `blog`, for operators and developers.

Results go to standard output, progress and errors to standard error. The exit code is 0 only if everything succeeded.
"""

import click

from blog import __version__
from blog.cli.flags import flag
from blog.cli.imports import import_
from blog.cli.maintenance import backup, check, copy_database, restore
from blog.cli.runtime import Group
from blog.cli.server import dev, migrate, openapi, routes, serve
from blog.cli.tokens import token
from blog.cli.users import user


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="blog")
def main() -> None:
    """Run and maintain a blog: web pages, JSON API and live updates."""


for command in (serve, dev, migrate, check, backup, restore, copy_database, routes, openapi, user, token, flag, import_):
    main.add_command(command)
