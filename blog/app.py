"""The composition root: which doors there are, what runs around them, what lives as long as the application."""

import contextlib
import datetime as dt
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypedDict, cast

import anyio
import anyio.to_thread
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from blog import api, live, web
from blog.db import migration
from blog.db.database import Database
from blog.domain.core import audit, events
from blog.domain.core.context import Context, Site
from blog.domain.core.password_hashing import Passwords
from blog.domain.core.runtime_settings import Choices
from blog.domain.core.signing import Signer
from blog.domain.core.storage import open_media
from blog.domain.core.view_counter import Views
from blog.domain.posts import posts
from blog.errors import BlogError
from blog.framework.caching.redis_cache import SharedAnswers
from blog.framework.caching.response_cache import AnswerCache
from blog.framework.endpoints.static_files import MediaFile, StaticFile
from blog.framework.limits.rate_limits import open_rate_limits
from blog.framework.limits.redis_pool import open_redis_pool
from blog.framework.request.state import Services
from blog.framework.templating.image_sizes import Illustrations
from blog.framework.templating.templating import Templates
from blog.framework.urls.urls import Links
from blog.mail.delivery import send_due
from blog.middleware.access_log import AccessLog
from blog.middleware.authentication import Authentication
from blog.middleware.compression import Compression
from blog.middleware.in_flight import InFlight
from blog.middleware.rate_limit import RateLimit
from blog.middleware.response_cache import AnswerCaching
from blog.middleware.security import Protection
from blog.middleware.timeout import Deadline
from blog.observability import metrics, tracing
from blog.observability.logging import Outage
from blog.observability.sentry import reported
from blog.ops import memory
from blog.ops.health import Health, Readiness
from blog.ops.metrics_endpoint import Metrics, keep_metrics
from blog.realtime import Hub, RedisHints, shutdown
from blog.settings import Settings
from blog.web.rendering.error_pages import on_blog_error

log = structlog.stdlib.get_logger("blog")
IMAGES_AT_ONCE = 1
"""Uploads decoded at the same time: each takes a core and, at 50 million pixels, 0.4 GB (PNG, JPEG) to 1.3 GB (AVIF)."""

_NOT_TRACED = (r"/healthz$", r"/readyz$", r"/metrics$", "/static/")

routes = [
    Mount("/api/v1", app=api.app, name="api"),
    Mount("/api", routes=[*api.docs.routes, *live.docs.routes], name="documents"),
    Route("/static/{name:path}", StaticFile, name="static"),
    Route("/media/{name}", MediaFile, name="media"),
    Route("/healthz", Health, name="health"),
    Route("/readyz", Readiness, name="readiness"),
    Route("/metrics", Metrics, name="metrics"),
    WebSocketRoute("/live", live.PostFeed, name="live"),
    WebSocketRoute("/connection/websocket", live.CentrifugoFeed, name="centrifugo"),
    Mount("", app=web.app, middleware=[Middleware(Compression)], name="web"),  # "" matches everything: last
]


class State(TypedDict):
    """What the lifespan yields; Starlette gives each request and each socket a copy."""

    services: Services
    hub: Hub


class Application(Starlette):
    """Starlette with the protection outside of its own error handling, so that also a crash gets its headers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__(
            routes=routes,
            middleware=[
                *_cors(settings),
                Middleware(AccessLog),
                Middleware(Authentication),
                Middleware(RateLimit, on_blog_error),
                Middleware(Deadline, settings.request_seconds, on_blog_error),
            ],
            exception_handlers=web.HANDLERS,
            lifespan=lifespan,
        )
        self.router.redirect_slashes = False  # see blog/web

    def build_middleware_stack(self) -> ASGIApp:
        """Called once by Starlette, at the first request."""
        inner = _traced(InFlight(super().build_middleware_stack()), self.settings)
        return Protection(AnswerCaching(inner, self.settings, routes), self.settings)


def _traced(app: ASGIApp, settings: Settings) -> ASGIApp:
    if (provider := tracing.start(settings)) is None:
        return app
    from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware(app, tracer_provider=provider, excluded_urls=_NOT_TRACED)


def _cors(settings: Settings) -> list[Middleware]:
    """Pages of the allowed origins may call the API with a bearer token; never with cookies."""
    if not settings.cors_origins:
        return []
    methods, exposed = ("GET", "POST", "PUT", "PATCH", "DELETE"), ("ETag", "Link", "Live-Cursor", "Location", "X-Correlation-ID")
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=methods,
            allow_headers=("*",),
            expose_headers=exposed,
        )
    ]


def create_app(settings: Settings) -> Application:
    """A blog with these settings. Nothing is opened before its lifespan begins; several can live in one process."""
    # By hand: dependency_overrides. FastAPI swaps dependencies in a dict of the application; here a test passes other settings,
    # or another Context to the domain, and swaps nothing.
    return Application(settings)


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[State]:
    """Migrate and open the database, follow the event log, publish what is due; close all of it at the end."""
    # By hand: dependencies with cleanup. FastAPI's `yield` dependencies open and close for each request; what lives as
    # long as the application belongs here, in both frameworks.
    settings = cast(Application, app).settings
    links = Links(app.routes, settings.public_url)
    await anyio.to_thread.run_sync(migration.upgrade, settings.database_url)
    answers = AnswerCache(settings.cache_bytes, settings.cache_seconds)
    async with (
        reported(settings),
        open_site(settings) as site,
        open_redis_pool(settings) as redis_pool,
        open_rate_limits(settings, redis_pool) as rate_limits,
        anyio.create_task_group() as background,
    ):
        templates = Templates(site, links, Illustrations(site.media, links))
        shared = Services(site, links, templates, rate_limits, answers, SharedAnswers(settings, redis_pool))
        site.db.on_commit.append(answers.committed)
        site.choices.on_change.append(answers.clear)
        hub = Hub(shared)
        await background.start(hub.run)
        if settings.redis_url is not None:
            hints = RedisHints(settings, site.db)
            site.db.on_commit.append(hints.committed)
            background.start_soon(hints.run)
        background.start_soon(hub.look_after)
        background.start_soon(_repeat, site, 1, posts.publish_due, "scheduled posts published")
        background.start_soon(_repeat, site, 3600, events.trim, "old events forgotten")
        background.start_soon(_repeat, site, 3600, audit.trim, "old entries of the audit log forgotten")
        background.start_soon(_repeat, site, 2, functools.partial(send_due, links=links), "letters sent")
        background.start_soon(memory.give_back)
        background.start_soon(site.choices.follow, site.db)
        background.start_soon(site.views.keep, site.db)
        if settings.metrics_token is not None:
            background.start_soon(keep_metrics, shared)
        with shutdown.first(hub.close):
            yield State(services=shared, hub=hub)
        await hub.close()
        await tracing.flush()
        background.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def open_site(settings: Settings) -> AsyncIterator[Site]:
    """The site with its database open; for the application and for commands."""
    async with _database(settings) as db:
        choices = Choices(settings)
        await choices.refresh(db)
        developing = anyio.CapacityLimiter(IMAGES_AT_ONCE)
        signer = Signer(settings.secret_key, settings.secret_key_previous)
        yield Site(settings, db, Passwords(), signer, open_media(settings), choices, developing, Views())


def _database(settings: Settings) -> Database:
    url, timeout, statement_timeout = settings.database_url, settings.database_timeout, settings.database_statement_timeout
    if settings.is_sqlite:
        return Database(
            url,
            acquire_timeout=timeout,
            busy_timeout=timeout,
            statement_timeout=statement_timeout,
            synchronous=settings.sqlite_synchronous.value,
        )
    return Database(
        url,
        acquire_timeout=timeout,
        pool_min=settings.database_pool_min,
        pool_max=settings.database_pool_max,
        statement_timeout=statement_timeout,
    )


async def _repeat(site: Site, seconds: float, task: Callable[[Context], Awaitable[int]], done: str) -> None:
    """`task`, now and then every so many seconds; when it had something to do, the log says that it is `done`."""
    # By hand: background tasks. FastAPI injects Starlette's own, which run after the answer and die with the process; here what
    # must happen later is a row in the database, and a task of the lifespan does what is due.
    outage = Outage(log.bind(work=done), "regular work waits for the database", "regular work goes on")
    while True:
        try:
            if count := await task(Context(site, None, dt.datetime.now(dt.UTC), "schedule")):
                log.info(done, count=count)
                metrics.work_done.add(done, by=count)
            outage.over()
        except BlogError as error:
            metrics.work_failed.add(done)
            outage.met(error.detail)
        except Exception:
            metrics.work_failed.add(done)
            log.exception("regular work met an error", work=done)  # a bug here must not end the server
        await anyio.sleep(seconds)
