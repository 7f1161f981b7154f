"""uvicorn as `blog serve` starts it, with bounds for clients that it would wait for, or listen to, without end."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from blog.settings import Settings

GRACEFUL_SHUTDOWN_TIMEOUT = 15
METRICS_DIR_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where Prometheus' client looks for the sums of all workers."""


def uvicorn_options(settings: Settings) -> dict[str, object]:
    """What uvicorn is told, besides where to listen."""
    return {
        "http": "blog.server.http:LimitedHttpProtocol",
        "ws": "blog.server.websocket:LimitedWebSocketProtocol",
        "ws_max_size": settings.max_live_message_bytes,
        "ws_per_message_deflate": False,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_TIMEOUT,
    }


def run(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serve the blog until a signal ends it."""
    shared = _shared_metrics_dir() if settings.metrics_token is not None and workers > 1 else contextlib.nullcontext()
    with shared:
        uvicorn.run("blog.asgi:app", host=host, port=port, workers=workers, **uvicorn_options(settings))  # type: ignore[arg-type]


@contextlib.contextmanager
def _shared_metrics_dir() -> Iterator[None]:
    """A folder in which the workers of this start add up their metrics: empty at first, and known to them by its variable."""
    if given := os.environ.get(METRICS_DIR_VARIABLE):
        for path in Path(given).glob("*.db"):
            path.unlink()
        yield
        return
    with tempfile.TemporaryDirectory(prefix="blog-metrics-") as made:
        os.environ[METRICS_DIR_VARIABLE] = made
        yield
