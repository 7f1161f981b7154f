"""Health checks for load balancers: `/healthz` (the process responds) and `/readyz` (it can serve requests)."""

import functools
import os
import time
import weakref
from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import structlog
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from blog.db import migration
from blog.db.database import Database
from blog.domain.site import database_probe
from blog.errors import BlogError, Unavailable
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.state import AppState, app_state
from blog.observability.logging import OutageLog

log = structlog.stdlib.get_logger("blog.health")
TIMEOUT = 5.0
"""Seconds that one check may take. Load balancers usually check every few seconds."""
MIN_FREE_BYTES = 50_000_000
"""Free bytes that the disks of the database and of the images must have."""
_NO_STORE = {"Cache-Control": "no-store"}
_outage = OutageLog(log, "not ready", "ready again")
RESULT_MAX_AGE = 1.0
"""Seconds for which the results of the checks are cached."""
Results = dict[str, tuple[float, str]]
_cache: weakref.WeakKeyDictionary[Database, tuple[float, Results]] = weakref.WeakKeyDictionary()
Check = Callable[[AppState], Awaitable[None]]


class Health(Endpoint):
    """/healthz — the process responds. Checks nothing else, so that an outage of the database does not restart the process."""

    async def get(self, request: Request) -> Response:
        """Return 200."""
        return Response(b'{"status":"ok"}', 200, _NO_STORE, "application/json")


class Readiness(Endpoint):
    """/readyz — whether each dependency works, and how many milliseconds its check took."""

    async def get(self, request: Request) -> Response:
        """Return 200, or 503 if a check fails. The reason is only logged, because the endpoint is public."""
        results = await _cached_results(app_state(request))
        failing = [f"{name}: {reason}" for name, (_, reason) in results.items() if reason]
        if failing:
            _outage.failed("; ".join(failing))
        else:
            _outage.recovered()
        body = {
            "status": "unavailable" if failing else "ok",
            "checks": {name: {"ok": not reason, "ms": round(ms, 1)} for name, (ms, reason) in results.items()},
        }
        headers = _NO_STORE | ({"Retry-After": "5"} if failing else {})
        return Response(to_json(body), 503 if failing else 200, headers, "application/json")


async def _cached_results(state: AppState) -> Results:
    """Return the results of all checks, cached for 1 s: the database check writes, and anyone can send requests."""
    if (cached := _cache.get(state.site.db)) and time.monotonic() < cached[0] + RESULT_MAX_AGE:
        return cached[1]
    results = {name: await _run_check(name, check, state) for name, check in _checks(state).items()}
    _cache[state.site.db] = time.monotonic(), results
    return results


def _checks(state: AppState) -> dict[str, Check]:
    checks: dict[str, Check] = {"database": _check_database, "migrations": _check_migrations, "disk": _check_disk}
    return checks | ({"redis": _check_redis} if state.site.settings.redis_url else {})


async def _run_check(name: str, check: Check, state: AppState) -> tuple[float, str]:
    """Return the duration of a check in milliseconds, and the reason if it fails."""
    started, reason = time.perf_counter(), ""
    try:
        with anyio.fail_after(TIMEOUT):
            await check(state)
    except TimeoutError:
        reason = f"no response within {TIMEOUT:.0f} seconds"
    except (BlogError, OSError) as error:
        reason = str(error)
    except Exception:
        log.exception("unexpected error in a readiness check", check=name)
        reason = "internal error"
    return (time.perf_counter() - started) * 1000, reason


async def _check_database(state: AppState) -> None:
    await database_probe.check_read_write(state.site.db)


async def _check_migrations(state: AppState) -> None:
    """Raise Unavailable if the schema is older than this version needs.

    A newer schema is accepted: during a rolling upgrade the new version migrates while this one still runs.
    """
    revision = await database_probe.current_revision(state.site.db)
    if revision is None or _is_behind(revision):
        raise Unavailable(f"the database has schema revision {revision}, this version of the blog needs {migration.head()}")


@functools.cache
def _is_behind(revision: str) -> bool:
    return revision != migration.head() and migration.is_known(revision)


async def _check_disk(state: AppState) -> None:
    for path in {state.site.settings.data_dir, state.site.settings.media_dir}:
        await anyio.to_thread.run_sync(_require_free_space, path)


def _require_free_space(path: os.PathLike[str]) -> None:
    try:
        status = os.statvfs(path)
    except FileNotFoundError:
        return  # the folder of images is created with the first image
    if (free := status.f_bavail * status.f_frsize) < MIN_FREE_BYTES:
        raise Unavailable(f"only {free:,} bytes are free in {path}")


async def _check_redis(state: AppState) -> None:
    await state.rate_limits.require_redis()
