"""uvicorn as started by `blog serve`, with limits on the size, duration and number of requests and connections."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from blog.settings import Settings

GRACEFUL_SHUTDOWN_TIMEOUT = 15
MAX_LIVE_MESSAGE_BYTES = 65_536
METRICS_DIR_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Variable with the directory in which Prometheus' client library adds up the metrics of all workers."""


def uvicorn_options(settings: Settings) -> dict[str, object]:
    """Return the options of uvicorn except host, port and workers."""
    return {
        "http": "blog.server.http:LimitedHttpProtocol",
        "ws": "blog.server.websocket:LimitedWebSocketProtocol",
        "ws_max_size": MAX_LIVE_MESSAGE_BYTES,
        "ws_per_message_deflate": False,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "server_header": False,
        "date_header": False,  # see `ResponseFinisher`
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_TIMEOUT,
    }


def run(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serve the blog until a signal stops it."""
    shares_metrics = settings.metrics_token is not None and workers > 1
    with _shared_metrics_dir() if shares_metrics else contextlib.nullcontext():
        uvicorn.run("blog.asgi:app", host=host, port=port, workers=workers, **uvicorn_options(settings))  # type: ignore[arg-type]


@contextlib.contextmanager
def _shared_metrics_dir() -> Iterator[None]:
    """Provide an empty directory for the metrics of all workers, named in `METRICS_DIR_VARIABLE`."""
    if configured := os.environ.get(METRICS_DIR_VARIABLE):
        for path in Path(configured).glob("*.db"):
            path.unlink()
        yield
        return
    with tempfile.TemporaryDirectory(prefix="blog-metrics-") as directory:
        os.environ[METRICS_DIR_VARIABLE] = directory
        yield
