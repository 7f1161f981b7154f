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
from blog.domain.core.password_hashing import AsyncPasswordHasher
from blog.domain.core.runtime_settings import RuntimeSettings
from blog.domain.core.signing import Signer
from blog.domain.core.storage_factory import open_storage
from blog.domain.core.view_counter import ViewCounter
from blog.domain.posts import scheduling
from blog.errors import BlogError
from blog.framework.caching.redis_cache import RedisResponseCache
from blog.framework.caching.response_cache import ResponseCache
from blog.framework.endpoints.static_files import MediaFile, StaticFile
from blog.framework.limits.rate_limits import open_rate_limits
from blog.framework.limits.redis_pool import open_redis_pool
from blog.framework.request.state import AppState
from blog.framework.templating.image_sizes import ImageSizes
from blog.framework.templating.templating import Templates
from blog.framework.urls.urls import UrlBuilder
from blog.mail.delivery import send_due
from blog.middleware.access_log import AccessLogMiddleware
from blog.middleware.authentication import AuthenticationMiddleware
from blog.middleware.compression import CompressionMiddleware
from blog.middleware.in_flight import InFlightMiddleware
from blog.middleware.rate_limit import RateLimitMiddleware
from blog.middleware.response_cache import ResponseCacheMiddleware
from blog.middleware.security import SecurityMiddleware
from blog.middleware.timeout import RequestTimeoutMiddleware
from blog.observability import metrics, tracing
from blog.observability.logging import OutageLog
from blog.observability.sentry import report_errors
from blog.ops.health import Health, Readiness
from blog.ops.metrics_endpoint import Metrics, export_periodically
from blog.realtime import Hub, RedisNotifier, shutdown
from blog.settings import Settings
from blog.web.rendering.error_pages import on_blog_error

log = structlog.stdlib.get_logger("blog")
MAX_CONCURRENT_IMAGE_DECODES = 1
"""Uploads decoded at the same time: each takes a core and, at 50 million pixels, 0.4 GB (PNG, JPEG) to 1.3 GB (AVIF)."""

_UNTRACED_PATHS = (r"/healthz$", r"/readyz$", r"/metrics$", "/static/")

routes = [
    Mount("/api/v1", app=api.app, name="api"),
    Mount("/api", routes=[*api.docs.routes, *live.docs.routes], name="documents"),
    Route("/static/{name:path}", StaticFile, name="static"),
    Route("/media/{name}", MediaFile, name="media"),
    Route("/healthz", Health, name="health"),
    Route("/readyz", Readiness, name="readiness"),
    Route("/metrics", Metrics, name="metrics"),
    WebSocketRoute("/live", live.LiveWebSocket, name="live"),
    WebSocketRoute("/connection/websocket", live.CentrifugoWebSocket, name="centrifugo"),
    Mount("", app=web.app, middleware=[Middleware(CompressionMiddleware)], name="web"),  # "" matches everything: last
]


class LifespanState(TypedDict):
    """What the lifespan yields; Starlette gives each request and each socket a copy."""

    app_state: AppState
    hub: Hub


class Application(Starlette):
    """Starlette with the protection outside of its own error handling, so that also a crash gets its headers."""

    def __init__(self, settings: Settings, *, debug: bool = False) -> None:
        self.settings = settings
        super().__init__(
            debug=debug,
            routes=routes,
            middleware=[
                *_cors_middleware(settings),
                Middleware(AccessLogMiddleware),
                Middleware(AuthenticationMiddleware),
                Middleware(RateLimitMiddleware, on_blog_error),
                Middleware(RequestTimeoutMiddleware, settings.request_timeout, on_blog_error),
            ],
            exception_handlers=web.HANDLERS,
            lifespan=lifespan,
        )
        self.router.redirect_slashes = False  # see blog/web

    def build_middleware_stack(self) -> ASGIApp:
        """Called once by Starlette, at the first request."""
        inner = _with_tracing(InFlightMiddleware(super().build_middleware_stack()), self.settings)
        return SecurityMiddleware(ResponseCacheMiddleware(inner, self.settings, routes), self.settings)


def _with_tracing(app: ASGIApp, settings: Settings) -> ASGIApp:
    if (provider := tracing.start(settings)) is None:
        return app
    from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware(app, tracer_provider=provider, excluded_urls=_UNTRACED_PATHS)


def _cors_middleware(settings: Settings) -> list[Middleware]:
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


def create_app(settings: Settings, *, debug: bool = False) -> Application:
    """A blog with these settings. Nothing is opened before its lifespan begins; several can live in one process."""
    # By hand: dependency_overrides. FastAPI swaps dependencies in a dict of the application; here a test passes other settings,
    # or another Context to the domain, and swaps nothing.
    return Application(settings, debug=debug)


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[LifespanState]:
    """Migrate and open the database, follow the event log, publish what is due; close all of it at the end."""
    # By hand: dependencies with cleanup. FastAPI's `yield` dependencies open and close for each request; what lives as
    # long as the application belongs here, in both frameworks.
    settings = cast(Application, app).settings
    links = UrlBuilder(app.routes, settings.public_url)
    await anyio.to_thread.run_sync(migration.upgrade, settings.database_url)
    answers = ResponseCache(settings.max_cache_bytes, settings.cache_max_age)
    async with (
        report_errors(settings),
        open_site(settings) as site,
        open_redis_pool(settings) as redis_pool,
        open_rate_limits(settings, redis_pool) as rate_limits,
        anyio.create_task_group() as background,
    ):
        templates = Templates(site, links, ImageSizes(site.storage, links))
        shared = AppState(site, links, templates, rate_limits, answers, RedisResponseCache(settings, redis_pool))
        site.db.on_commit.append(answers.on_commit)
        site.runtime_settings.on_change.append(answers.clear)
        hub = Hub(shared)
        await background.start(hub.run)
        if settings.redis_url is not None:
            hints = RedisNotifier(settings, site.db)
            site.db.on_commit.append(hints.notify)
            background.start_soon(hints.run)
        background.start_soon(hub.monitor)
        background.start_soon(_run_periodically, site, 1, scheduling.publish_due, "scheduled posts published")
        background.start_soon(_run_periodically, site, 3600, events.trim, "old events deleted")
        background.start_soon(_run_periodically, site, 3600, audit.trim, "old audit log entries deleted")
        background.start_soon(_run_periodically, site, 2, functools.partial(send_due, urls=links), "emails sent")
        background.start_soon(site.runtime_settings.refresh_periodically, site.db)
        background.start_soon(site.view_counter.flush_periodically, site.db)
        if settings.metrics_token is not None:
            background.start_soon(export_periodically, shared)
        with shutdown.notify_before_shutdown(hub.close):
            yield LifespanState(app_state=shared, hub=hub)
        await hub.close()
        await tracing.flush()
        background.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def open_site(settings: Settings) -> AsyncIterator[Site]:
    """The site with its database open; for the application and for commands."""
    async with _build_database(settings) as db:
        choices = RuntimeSettings(settings)
        await choices.refresh(db)
        developing = anyio.CapacityLimiter(MAX_CONCURRENT_IMAGE_DECODES)
        signer = Signer(settings.secret_key, settings.secret_key_previous)
        yield Site(settings, db, AsyncPasswordHasher(), signer, open_storage(settings), choices, developing, ViewCounter())


def _build_database(settings: Settings) -> Database:
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


async def _run_periodically(site: Site, seconds: float, task: Callable[[Context], Awaitable[int]], done: str) -> None:
    """Run a background task every `seconds` for as long as the application lives.

    `task` returns the number of items that it processed; `done` names them in the log and in the metrics.
    """
    # By hand: background tasks. FastAPI injects Starlette's own, which run after the answer and die with the process; here what
    # must happen later is a row in the database, and a task of the lifespan does what is due.
    outage = OutageLog(log.bind(task=done), "background task failed", "background task recovered")
    while True:
        try:
            if count := await task(Context(site, None, dt.datetime.now(dt.UTC), "schedule")):
                log.info(done, count=count)
                metrics.background_items.inc(done, by=count)
            outage.recovered()
        except BlogError as error:
            metrics.background_failures.inc(done)
            outage.failed(error.detail)
        except Exception:
            metrics.background_failures.inc(done)
            log.exception("unexpected error in a background task", task=done)  # a bug here must not stop the server
        await anyio.sleep(seconds)
