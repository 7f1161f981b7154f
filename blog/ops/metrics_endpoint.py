"""What Prometheus asks for, and how the parts of this worker stand."""

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
"""Seconds between two looks at the clock of the event loop."""
_TICKS_PER_FLUSH = 4
"""After so many the sums are handed to Prometheus' client."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_NO_STORE = {"Cache-Control": "no-store"}
_UNAUTHORISED_HEADERS = _NO_STORE | {"WWW-Authenticate": "Bearer"}


class Metrics(Endpoint):
    """/metrics — for who has the token of the settings; without one there is no such page."""

    async def get(self, request: Request) -> Response:
        """All metrics of all workers, those of the others as of the last second; 401 without the token."""
        from blog.observability.metrics import export  # the client is loaded only where somebody may ask

        shared = app_state(request)
        token = shared.site.settings.metrics_token
        if token is None:
            raise NotFound("There are no metrics here")
        if not _is_authorised(token, request):
            return Response("Send the header as: Authorization: Bearer METRICS_TOKEN\n", 401, _UNAUTHORISED_HEADERS, "text/plain")
        await _query_database(shared)
        sample(shared)
        export.flush()
        body, media_type = await anyio.to_thread.run_sync(export.render, request.headers.get("accept", ""))
        return Response(body, 200, _NO_STORE | {"Content-Type": media_type})


def _is_authorised(token: SecretStr, request: Request) -> bool:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.get_secret_value().encode())


async def _query_database(shared: AppState) -> None:
    """What only the database knows; while it does not answer, the rest is worth showing."""
    ctx = Context(shared.site, None, dt.datetime.now(dt.UTC), "metrics")
    try:
        metrics.email_queue_length.set(await email_queue.count(ctx.db))
        metrics.scheduled_posts_overdue.set(await scheduling.count_overdue(ctx))
    except BlogError:
        return


def sample(state: AppState) -> None:
    """How the parts of this worker stand now."""
    pool, answers = state.site.db.pool_stats, state.response_cache
    metrics.database_connections.set(pool.size)
    metrics.database_connections_in_use.set(pool.in_use)
    metrics.database_connections_awaited.set(pool.waiting)
    metrics.cache_bytes.set(answers.size)
    metrics.cached_responses.set(len(answers))
    metrics.resident_memory.set(_resident_bytes())
    metrics.workers.set(1, __version__)


async def export_periodically(state: AppState) -> None:
    """For ever: see how late the event loop is, and hand over the sums of each second; at the end the last of them."""
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
    """Bytes of this process in memory; 0 where Linux does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
