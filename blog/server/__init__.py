"""uvicorn as `blog serve` starts it, with bounds for clients that it would wait for, or listen to, without end."""

import uvicorn

from blog.settings import Settings

GRACE_SECONDS = 15


def options(settings: Settings) -> dict[str, object]:
    """What uvicorn is told, besides where to listen."""
    return {
        "http": "blog.server.http:BoundedHTTP",
        "ws": "blog.server.websocket:EndingWebSocket",
        "ws_max_size": settings.live_message_bytes,
        "ws_per_message_deflate": False,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }


def run(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serve the blog until a signal ends it."""
    uvicorn.run("blog.asgi:app", host=host, port=port, workers=workers, **options(settings))  # type: ignore[arg-type]
