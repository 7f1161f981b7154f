"""Spans for requests, if the settings name an OpenTelemetry collector."""

from starlette.types import ASGIApp

from blog.observability import tracing
from blog.settings import Settings

_UNTRACED_PATHS = (r"/healthz$", r"/readyz$", r"/metrics$", "/static/")


def trace_requests(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Return the application with Starlette's OpenTelemetry middleware around it, or unchanged without a collector."""
    if (provider := tracing.start(settings)) is None:
        return app
    # Imported here because `opentelemetry` is an optional dependency.
    from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

    return OpenTelemetryMiddleware(app, tracer_provider=provider, excluded_urls=_UNTRACED_PATHS)
