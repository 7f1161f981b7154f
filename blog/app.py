"""The composition root: which doors there are, what runs around them, what lives as long as the application."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from typing import TypedDict, cast

import anyio
import anyio.to_thread
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from blog import api, live, web
from blog.db import migration
from blog.db.database import Database
from blog.domain import posts
from blog.domain.context import Context, Site
from blog.domain.keys import Signer
from blog.domain.passwords import Passwords
from blog.errors import BlogError
from blog.http.links import Links
from blog.http.services import Services
from blog.http.static import ImmutableFiles, MediaFile
from blog.http.templates import Templates
from blog.middleware.access_log import AccessLog
from blog.middleware.authentication import Authentication
from blog.middleware.protection import Protection
from blog.settings import Settings

log = structlog.stdlib.get_logger("blog")

routes = [
    Mount("/api/v1", app=api.app, name="api"),
    Mount("/static", app=ImmutableFiles(), name="static"),
    Route("/media/{name}", MediaFile, name="media"),
    WebSocketRoute("/live", live.PostFeed, name="live"),
    Mount("", routes=web.routes, name="web"),  # "" matches everything: last
]


class State(TypedDict):
    """What the lifespan yields; Starlette gives each request and each socket a copy."""

    services: Services
    hub: live.Hub


class Application(Starlette):
    """Starlette with the protection outside of its own error handling, so that also a crash gets its headers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__(
            routes=routes,
            middleware=[Middleware(AccessLog), Middleware(Authentication)],
            exception_handlers=web.HANDLERS,
            lifespan=lifespan,
        )

    def build_middleware_stack(self) -> ASGIApp:
        """Called once by Starlette, at the first request."""
        return Protection(super().build_middleware_stack(), self.settings)


def create_app(settings: Settings) -> Application:
    """A blog with these settings. Nothing is opened before its lifespan begins; several can live in one process."""
    return Application(settings)


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[State]:
    """Migrate and open the database, follow the event log, publish what is due; close all of it at the end."""
    # By hand: dependencies with cleanup. FastAPI's `yield` dependencies open and close for each request; what lives as
    # long as the application belongs here, in both frameworks.
    settings = cast(Application, app).settings
    links = Links(app.routes, settings.public_url)
    await anyio.to_thread.run_sync(migration.upgrade, settings.database_url)
    async with open_site(settings) as site, anyio.create_task_group() as background:
        shared = Services(site, links, Templates(settings, links))
        hub = live.Hub(shared)
        await background.start(hub.run)
        background.start_soon(_publish_due, site)
        yield State(services=shared, hub=hub)
        await hub.close()
        background.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def open_site(settings: Settings) -> AsyncIterator[Site]:
    """The site with its database open; for the application and for commands."""
    async with Database(settings.database_url, synchronous=settings.sqlite_synchronous.value) as db:
        yield Site(settings, db, Passwords(), Signer(settings.secret_key))


async def _publish_due(site: Site) -> None:
    while True:
        ctx = Context(site, None, dt.datetime.now(dt.UTC), "schedule")
        try:
            if count := await posts.publish_due(ctx):
                log.info("scheduled posts published", posts=count)
        except BlogError as error:
            log.warning("scheduled posts are late", reason=error.detail)
        except Exception:
            log.exception("scheduled posts met an error")  # a bug here must not end the server
        await anyio.sleep(1)
