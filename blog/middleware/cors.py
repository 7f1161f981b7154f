"""Cross-origin access to the API for the origins in `CORS_ORIGINS`."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from blog.settings import Settings

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_EXPOSED_HEADERS = ("ETag", "Link", "Live-Cursor", "Location", "X-Correlation-ID")


def cors_middleware(settings: Settings) -> list[Middleware]:
    """Let pages of the allowed origins call the API with a bearer token, never with cookies."""
    if not settings.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=_METHODS,
            allow_headers=("*",),
            expose_headers=_EXPOSED_HEADERS,
        )
    ]
