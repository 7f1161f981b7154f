"""The composition root: the lifespan, the top route table and the middleware order."""

import contextlib
from collections.abc import AsyncIterator
from typing import TypedDict, cast

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from blog import api, live, web
from blog.db import migration
from blog.domain.core.site import open_site
from blog.framework.caching.fast_path import FastPath
from blog.framework.caching.response_cache import ResponseCache
from blog.framework.endpoints.static_files import MediaFile, StaticFile
from blog.framework.limits.rate_limits import open_rate_limits
from blog.framework.limits.redis_pool import open_redis_pool
from blog.framework.request.state import AppState
from blog.framework.response import problems
from blog.framework.templating.image_sizes import ImageSizes
from blog.framework.templating.templating import Templates
from blog.framework.urls.urls import UrlBuilder
from blog.middleware.access_log import AccessLogMiddleware
from blog.middleware.authentication import AuthenticationMiddleware
from blog.middleware.compression import CompressionMiddleware
from blog.middleware.cors import CORS
from blog.middleware.fast_path import CacheFastPath
from blog.middleware.in_flight import InFlightMiddleware
from blog.middleware.rate_limit import RateLimitMiddleware
from blog.middleware.response_cache import ResponseCacheMiddleware
from blog.middleware.security import SecurityMiddleware
from blog.middleware.timeout import RequestTimeoutMiddleware
from blog.middleware.tracing import trace_requests
from blog.observability import tracing
from blog.observability.sentry import report_errors
from blog.ops.background import start_background_tasks
from blog.ops.health import Health, Readiness
from blog.ops.metrics_endpoint import Metrics
from blog.realtime import Hub, shutdown
from blog.settings import Settings

_SHUTDOWN_STATEMENT_TIMEOUT = 2.0
"""Seconds that an SQL statement may still take after the signal: systems kill a process that does not stop in time."""
_TIMEOUT = Middleware(RequestTimeoutMiddleware, web.on_blog_error)
_API_LIMITS = (
    CORS,  # outermost: errors of the limits are readable for other origins too
    Middleware(RateLimitMiddleware, problems.on_blog_error),
    Middleware(RequestTimeoutMiddleware, problems.on_blog_error),
)
_PAGE_LIMITS = (
    Middleware(RateLimitMiddleware, web.on_blog_error),
    _TIMEOUT,
    Middleware(CompressionMiddleware),
)

_documents = Starlette(routes=[*api.docs.routes, *live.docs.routes], exception_handlers=problems.HANDLERS)
_documents.router.redirect_slashes = False  # as in blog/api

routes = [
    Mount("/api/v1", app=api.app, middleware=_API_LIMITS, name="api"),
    Mount("/api", app=_documents, middleware=_API_LIMITS, name="documents"),
    Route("/static/{name:path}", StaticFile, name="static"),
    Route("/media/{name}", MediaFile, middleware=[_TIMEOUT], name="media"),
    Route("/healthz", Health, name="health"),
    Route("/readyz", Readiness, name="readiness"),
    Route("/metrics", Metrics, middleware=[_TIMEOUT], name="metrics"),
    WebSocketRoute("/live", live.LiveWebSocket, name="live"),
    WebSocketRoute("/connection/websocket", live.CentrifugoWebSocket, name="centrifugo"),
    Mount("", app=web.app, middleware=_PAGE_LIMITS, name="web"),  # last: "" matches every path
]


class Application(Starlette):
    """A blog with its settings. Opens nothing before its lifespan starts; one process can run several."""

    def __init__(self, settings: Settings, *, debug: bool = False) -> None:
        self.settings = settings
        middleware = [Middleware(AccessLogMiddleware), Middleware(AuthenticationMiddleware)]
        super().__init__(debug, routes, middleware, exception_handlers=web.HANDLERS, lifespan=lifespan)
        self.router.redirect_slashes = False  # see blog/web
        self.middleware_stack = self.build_middleware_stack()  # the lifespan needs `fast_path`, which is made with it

    def build_middleware_stack(self) -> ASGIApp:
        """Put the outer middleware around Starlette's own error handler, so that responses to crashes pass through it too."""
        app = trace_requests(InFlightMiddleware(super().build_middleware_stack()), self.settings)
        cache = ResponseCacheMiddleware(app, self.settings, routes)
        security = SecurityMiddleware(cache, self.settings)
        self.fast_path = CacheFastPath(security, cache, self.settings)
        return security


def create_app(settings: Settings, *, debug: bool = False) -> Application:
    """Return the application with these settings. debug: show tracebacks in the browser."""
    # By hand: dependency_overrides. FastAPI swaps dependencies in a dict of the application; here a test passes other settings,
    # or another Context to the domain, and swaps nothing.
    return Application(settings, debug=debug)


class LifespanState(TypedDict):
    """The state that the lifespan yields. Starlette gives a copy to each request and WebSocket."""

    app_state: AppState
    hub: Hub
    fast_path: FastPath


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[LifespanState]:
    """Migrate and open the database, follow the event log and start the background tasks. Close everything at shutdown."""
    # By hand: dependencies with cleanup. FastAPI's `yield` dependencies open and close for each request; what lives as
    # long as the application belongs here, in both frameworks.
    application = cast(Application, app)
    settings = application.settings
    await anyio.to_thread.run_sync(migration.upgrade, settings.database_url)
    async with (
        report_errors(settings),
        open_site(settings) as site,
        open_redis_pool(settings) as redis_pool,
        open_rate_limits(settings, redis_pool) as rate_limits,
        anyio.create_task_group() as tasks,
    ):
        urls = UrlBuilder(app.routes, settings.public_url)
        templates = Templates(site, urls, ImageSizes(site.storage, urls))
        response_cache = ResponseCache(settings.max_cache_bytes, settings.cache_max_age)
        site.db.on_commit.append(response_cache.on_commit)
        site.runtime_settings.on_change.append(response_cache.clear)
        state = AppState(site, urls, templates, rate_limits, response_cache)
        hub = Hub(state)
        await start_background_tasks(tasks, state, hub)

        async def prepare_shutdown() -> None:
            await hub.close()  # first: the server still accepts requests meanwhile
            site.db.limit_statements(_SHUTDOWN_STATEMENT_TIMEOUT)

        with shutdown.notify_before_shutdown(prepare_shutdown):
            yield LifespanState(app_state=state, hub=hub, fast_path=application.fast_path)
        await hub.close()
        await tracing.flush()
        tasks.cancel_scope.cancel()
