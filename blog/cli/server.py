"""Server commands: `blog serve`, `dev`, `migrate`, `routes`, `openapi`."""

import asyncio
import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator

import click

from blog.cli.runtime import CommandError, migrate_if_needed, run
from blog.domain.core.context import Context
from blog.settings import Settings, load_settings

_LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--host", default=_LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    envvar="WEB_CONCURRENCY",
    type=click.IntRange(1, 64),
    help="Number of worker processes.",
)
@click.option("--demo", is_flag=True, help="Serve a sample blog from a temporary folder.")
def serve(host: str, port: int, workers: int, demo: bool) -> None:
    """Migrate the database and serve the blog."""
    from blog import server

    _require_free_address(host, port)
    with _sample_folder() if demo else contextlib.nullcontext():
        settings = _load_server_settings(host, port)
        for warning in settings.warnings:
            click.echo(f"Warning: {warning}", err=True)
        migrate_if_needed(settings)
        if demo:
            run(settings, _seed)
        else:
            click.echo(f"Database: {settings.database_name}", err=True)
            run(settings, _print_setup_link)
        server.run(settings, host=host, port=port, workers=workers)


@click.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
def dev(port: int) -> None:
    """Serve a sample blog for development, on this machine only.

    The server restarts when code, templates or static files change. Errors are shown in the browser with their traceback.
    The sample content is in a temporary folder and is deleted when the server stops.
    """
    from blog.server import reload

    _require_free_address(_LOOPBACK, port)
    with _sample_folder():
        os.environ["ENVIRONMENT"] = "development"
        settings = _load_server_settings(_LOOPBACK, port)
        migrate_if_needed(settings)
        run(settings, _seed)
        click.echo(f"Open {settings.public_url}", err=True)
        reload.run(settings, host=_LOOPBACK, port=port)


def _require_free_address(host: str, port: int) -> None:
    """Raise CommandError if the server cannot listen on the address. uvicorn would log the error after all other messages."""

    async def bind() -> None:
        loop = asyncio.get_running_loop()
        (await loop.create_server(asyncio.Protocol, host, port, start_serving=False)).close()

    try:
        asyncio.run(bind())
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} on {host} is in use: stop the other program, or choose another port with --port"
        else:
            message = f"cannot listen on port {port} of {host}: {error.strerror or error}"
        raise CommandError(message) from None


@contextlib.contextmanager
def _sample_folder() -> Iterator[None]:
    """Let the settings of this process and of its workers name a temporary folder, which is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="blog-sample-") as folder:
        os.environ.update(DATABASE_URL=f"sqlite:///{folder}/blog.db", MEDIA_DIR=f"{folder}/media", PROJECT_NAME="Sample blog")
        yield


def _load_server_settings(host: str, port: int) -> Settings:
    """Load the settings. Without PUBLIC_URL it becomes the address of the server, also for its workers."""
    settings = load_settings()
    if "public_url" in settings.model_fields_set:
        return settings
    os.environ["PUBLIC_URL"] = _local_url(host, port)
    return load_settings()


def _local_url(host: str, port: int) -> str:
    """Return the URL at which this machine reaches a server that listens on `host`."""
    name = {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


async def _seed(ctx: Context) -> None:
    from blog.demo.seed import seed

    username, password = await seed(ctx)
    click.echo(f"Sample blog: sign in as {username} with the password {password}. It is deleted when the server stops.", err=True)


async def _print_setup_link(ctx: Context) -> None:
    from blog.app import routes
    from blog.domain.accounts import accounts
    from blog.framework.urls.urls import UrlBuilder

    if await accounts.first_owner(ctx) is None:
        link = UrlBuilder(routes, ctx.site.settings.public_url).url("web:setup", secret=accounts.setup_link(ctx))
        click.echo(
            f"This blog has no owner yet. Open this link to create the owner's account; it works once, for 24 hours:\n\n"
            f"  {link}\n",
            err=True,
        )


@click.command()
def migrate() -> None:
    """Migrate the database to the newest schema."""
    revisions = migrate_if_needed(load_settings())
    click.echo(f"Migrations applied: {', '.join(revisions)}" if revisions else "The database is up to date.")


@click.command()
def routes() -> None:
    """Print every route: methods, path, name."""
    from blog.app import routes as table
    from blog.framework.urls.route_table import rows

    lines = rows(table)
    widths = [max(len(row[column]) for row in lines) for column in (0, 1)]
    for methods, path, name in lines:
        click.echo(f"{methods:<{widths[0]}}  {path:<{widths[1]}}  {name}")


@click.command()
def openapi() -> None:
    """Print the OpenAPI document of the JSON API."""
    from blog.api.docs import document_parameters
    from blog.api.openapi import document
    from blog.app import routes as table
    from blog.framework.urls.urls import UrlBuilder

    settings = load_settings()
    urls = UrlBuilder(table, settings.public_url)
    click.echo(json.dumps(document(*document_parameters(settings.project_name, settings, urls)), indent=2))
