"""The metrics endpoint for Prometheus, and the background task that samples gauges."""

import datetime as dt
import hmac
import os
from pathlib import Path

import anyio
import anyio.to_thread
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from blog import __version__
from blog.domain.core import email_queue
from blog.domain.core.context import Context
from blog.domain.posts import scheduling
from blog.errors import BlogError, NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.state import AppState, app_state
from blog.observability import metrics

_TICK_SECONDS = 0.25
"""Seconds between two measurements of the event loop's lag."""
_TICKS_PER_FLUSH = 4
"""Number of measurements between two exports to Prometheus' client."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_NO_STORE = {"Cache-Control": "no-store"}
_UNAUTHORISED_HEADERS = _NO_STORE | {"WWW-Authenticate": "Bearer"}


class Metrics(Endpoint):
    """/metrics — for clients with METRICS_TOKEN; 404 if it is not set."""

    async def get(self, request: Request) -> Response:
        """Return the metrics of all workers, those of other workers up to 1 s old; 401 without the token."""
        from blog.observability.metrics import export  # loads Prometheus' client only if METRICS_TOKEN is set

        state = app_state(request)
        token = state.site.settings.metrics_token
        if token is None:
            raise NotFound("Metrics are turned off: set METRICS_TOKEN")
        if not _is_authorised(token, request):
            return Response("Send the header as: Authorization: Bearer METRICS_TOKEN\n", 401, _UNAUTHORISED_HEADERS, "text/plain")
        await _query_database(state)
        sample(state)
        export.flush()
        body, media_type = await anyio.to_thread.run_sync(export.render, request.headers.get("accept", ""))
        return Response(body, 200, _NO_STORE | {"Content-Type": media_type})


def _is_authorised(token: SecretStr, request: Request) -> bool:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.get_secret_value().encode())


async def _query_database(state: AppState) -> None:
    """Update the gauges that need the database. If it is unavailable, they keep their last values."""
    ctx = Context(state.site, None, dt.datetime.now(dt.UTC), "metrics")
    try:
        metrics.email_queue_length.set(await email_queue.count(ctx.db))
        metrics.scheduled_posts_overdue.set(await scheduling.count_overdue(ctx))
    except BlogError:
        return


def sample(state: AppState) -> None:
    """Update the gauges of this worker."""
    pool, cache = state.site.db.pool_stats, state.response_cache
    metrics.database_connections.set(pool.size)
    metrics.database_connections_in_use.set(pool.in_use)
    metrics.database_connections_awaited.set(pool.waiting)
    metrics.cache_bytes.set(cache.size)
    metrics.cached_responses.set(len(cache))
    metrics.resident_memory.set(_resident_bytes())
    metrics.workers.set(1, __version__)


async def export_periodically(state: AppState) -> None:
    """Measure the event loop's lag and export the metrics once a second, until cancelled. Then export the rest."""
    from blog.observability.metrics import export

    try:
        while True:
            for _ in range(_TICKS_PER_FLUSH):
                due = anyio.current_time() + _TICK_SECONDS
                await anyio.sleep_until(due)
                metrics.loop_lag.observe(max(0.0, anyio.current_time() - due))
            sample(state)
            export.flush()
    finally:
        export.shutdown()


def _resident_bytes() -> int:
    """Return the resident memory of this process in bytes; 0 where `/proc` does not exist."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
