"""What a load balancer asks: does the process live, and can it serve?"""

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
"""Seconds that a check may take; those who ask do so every few."""
MIN_FREE_BYTES = 50_000_000
"""Bytes that must be free where database and images are kept."""
_NO_STORE = {"Cache-Control": "no-store"}
_outage = OutageLog(log, "not ready", "ready again")
CACHE_MAX_AGE = 1.0
"""Seconds for which a result is good."""
Results = dict[str, tuple[float, str]]
_cache: weakref.WeakKeyDictionary[Database, tuple[float, Results]] = weakref.WeakKeyDictionary()
Check = Callable[[AppState], Awaitable[None]]


class Health(Endpoint):
    """/healthz — the process answers; nothing else is asked, so that no fault of a part has it restarted."""

    async def get(self, request: Request) -> Response:
        """200."""
        return Response(b'{"status":"ok"}', 200, _NO_STORE, "application/json")


class Readiness(Endpoint):
    """/readyz — each part that answers need, and how long it took."""

    async def get(self, request: Request) -> Response:
        """200, or 503 when a part fails. What it is goes to the log alone: anybody may ask."""
        found = await _cached_results(app_state(request))
        failing = [f"{name}: {reason}" for name, (_, reason) in found.items() if reason]
        if failing:
            _outage.failed("; ".join(failing))
        else:
            _outage.recovered()
        body = {
            "status": "unavailable" if failing else "ok",
            "checks": {name: {"ok": not reason, "ms": round(ms, 1)} for name, (ms, reason) in found.items()},
        }
        headers = _NO_STORE | ({"Retry-After": "5"} if failing else {})
        return Response(to_json(body), 503 if failing else 200, headers, "application/json")


async def _cached_results(shared: AppState) -> Results:
    """The result of each check, of this second: however often strangers ask, little is written."""
    if (kept := _cache.get(shared.site.db)) and time.monotonic() < kept[0] + CACHE_MAX_AGE:
        return kept[1]
    found = {name: await _run_check(name, check, shared) for name, check in _checks(shared).items()}
    _cache[shared.site.db] = time.monotonic(), found
    return found


def _checks(shared: AppState) -> dict[str, Check]:
    checks: dict[str, Check] = {"database": _check_database, "migrations": _check_migrations, "disk": _check_disk}
    return checks | ({"redis": _check_redis} if shared.site.settings.redis_url else {})


async def _run_check(name: str, check: Check, shared: AppState) -> tuple[float, str]:
    """Milliseconds, and why it fails, if it does."""
    started, reason = time.perf_counter(), ""
    try:
        with anyio.fail_after(TIMEOUT):
            await check(shared)
    except TimeoutError:
        reason = f"no answer in {TIMEOUT:.0f} seconds"
    except (BlogError, OSError) as error:
        reason = str(error)
    except Exception:
        log.exception("a check of readiness met an error", check=name)
        reason = "an error of ours"
    return (time.perf_counter() - started) * 1000, reason


async def _check_database(shared: AppState) -> None:
    await database_probe.check_read_write(shared.site.db)


async def _check_migrations(shared: AppState) -> None:
    """A newer version may have migrated further while this one still runs: that adds, and takes away nothing in use."""
    present = await database_probe.current_revision(shared.site.db)
    if present is None or _is_behind(present):
        raise Unavailable(f"the database is at migration {present}, this version of the blog needs {migration.head()}")


@functools.cache
def _is_behind(present: str) -> bool:
    return present != migration.head() and migration.is_known(present)


async def _check_disk(shared: AppState) -> None:
    for path in {shared.site.settings.data_dir, shared.site.settings.media_dir}:
        await anyio.to_thread.run_sync(_require_free_space, path)


def _require_free_space(path: os.PathLike[str]) -> None:
    try:
        status = os.statvfs(path)
    except FileNotFoundError:
        return  # the folder of images is made with the first of them
    if (free := status.f_bavail * status.f_frsize) < MIN_FREE_BYTES:
        raise Unavailable(f"only {free:,} bytes are free in {path}")


async def _check_redis(shared: AppState) -> None:
    await shared.rate_limits.require_redis()
