"""Serving, and what a server is made of: `blog serve`, `migrate`, `routes`, `openapi`."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

import click

from blog.cli.runtime import migrate_if_needed, run
from blog.domain.core.context import Context
from blog.settings import load_settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, envvar="WEB_CONCURRENCY", type=click.IntRange(1, 64), help="Processes.")
@click.option("--demo", is_flag=True, help="Serve a small example blog from a temporary folder.")
def serve(host: str, port: int, workers: int, demo: bool) -> None:
    """Migrate the database and serve the blog."""
    from blog import server

    with contextlib.ExitStack() as stack:
        if demo:
            _set_demo_environment(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="blog-demo-"))))
        settings = load_settings()
        if "public_url" not in settings.model_fields_set:
            os.environ["PUBLIC_URL"] = _local_url(host, port)  # for the workers, which load the settings themselves
            settings = load_settings()
        for caution in settings.warnings:
            click.echo(f"Caution: {caution}", err=True)
        migrate_if_needed(settings)
        if demo:
            run(settings, _seed_demo)
        else:
            click.echo(f"Database: {settings.database_name}", err=True)
            run(settings, _print_setup_link)
        server.run(settings, host=host, port=port, workers=workers)


def _local_url(host: str, port: int) -> str:
    """Where this machine reaches a server that listens there."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _set_demo_environment(folder: Path) -> None:
    os.environ.update(
        DATABASE_URL=f"sqlite:///{folder / 'blog.db'}",
        MEDIA_DIR=str(folder / "media"),
        PROJECT_NAME="A blog to look at",
    )


async def _seed_demo(ctx: Context) -> None:
    from blog.demo.seed import seed

    username, password = await seed(ctx)
    click.echo(f"A demo: sign in as {username} with the password {password}. All of it goes when the server stops.", err=True)


async def _print_setup_link(ctx: Context) -> None:
    from blog.app import routes
    from blog.domain.accounts import accounts
    from blog.framework.urls.urls import UrlBuilder

    if await accounts.first_owner(ctx) is None:
        link = UrlBuilder(routes, ctx.site.settings.public_url).url("web:setup", secret=accounts.setup_link(ctx))
        click.echo(f"This blog has no owner yet. Open this link within a day, once, to make it yours:\n\n  {link}\n", err=True)


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    done = migrate_if_needed(load_settings())
    click.echo(f"{len(done)} migrations applied: {', '.join(done)}" if done else "The database is up to date.")


@click.command()
def routes() -> None:
    """Print every route: methods, path, name."""
    from blog.app import routes as table
    from blog.framework.urls.route_table import rows

    found = rows(table)
    widths = [max(len(row[column]) for row in found) for column in (0, 1)]
    for methods, path, name in found:
        click.echo(f"{methods:<{widths[0]}}  {path:<{widths[1]}}  {name}")


@click.command()
def openapi() -> None:
    """Print the OpenAPI document of the JSON API."""
    from blog.api.docs import document_parameters
    from blog.api.openapi import document
    from blog.app import routes as table
    from blog.framework.urls.urls import UrlBuilder

    settings = load_settings()
    click.echo(
        json.dumps(
            document(*document_parameters(settings.project_name, settings, UrlBuilder(table, settings.public_url))), indent=2
        )
    )
