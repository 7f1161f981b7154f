"""The accent colour as a stylesheet: the content security policy forbids inline styles."""

import hashlib
from functools import lru_cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Site
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.static_files import IMMUTABLE_CACHE_CONTROL
from blog.framework.request.state import app_state
from blog.framework.response.cacheable import cacheable_response
from blog.framework.urls.urls import UrlBuilder
from blog.text.accent_colours import DARK, LIGHT, Accent, derive_accent


class AccentStylesheet(Endpoint):
    """/theme.css: the colours derived from the accent colour."""

    async def get(self, request: Request) -> Response:
        """Return the stylesheet, or 304; 404 without an accent colour."""
        accent = app_state(request).site.runtime_settings.preferences.accent
        if accent is None:
            raise HTTPException(404)
        return stylesheet_response(request, stylesheet(accent), stylesheet_version(accent))


def stylesheet_response(request: Request, content: bytes, version: str) -> Response:
    """Return a stylesheet, or 304. The URL with its version in `v` is permanent."""
    response = cacheable_response(request, content, "text/css")
    # Another worker may already link to a newer version: caches must not store this one under its URL.
    if request.query_params.get("v") == version:
        response.headers["Cache-Control"] = IMMUTABLE_CACHE_CONTROL
    return response


def stylesheet_url(site: Site, urls: UrlBuilder) -> str | None:
    """Return the URL of the stylesheet, with a digest of its content; None without an accent colour."""
    accent = site.runtime_settings.preferences.accent
    return f"{urls.path('web:theme_css')}?v={stylesheet_version(accent)}" if accent else None


@lru_cache(maxsize=8)
def stylesheet(accent: str) -> bytes:
    """Return the custom properties of `blog.css` that depend on the accent colour, for both themes."""
    light, dark = _custom_properties(derive_accent(LIGHT, accent)), _custom_properties(derive_accent(DARK, accent))
    return (
        f"@media screen {{\n:root {{ {light} }}\n"
        f'@media (prefers-color-scheme: dark) {{\n:root:not([data-theme="light"]) {{ {dark} }}\n}}\n'
        f':root[data-theme="dark"] {{ {dark} }}\n}}\n'
    ).encode()


@lru_cache(maxsize=8)
def stylesheet_version(accent: str) -> str:
    """Return a digest of the stylesheet."""
    return hashlib.sha256(stylesheet(accent)).hexdigest()[:12]


def _custom_properties(derived: Accent) -> str:
    values = {
        "accent": derived.accent,
        "accent-strong": derived.strong,
        "on-accent": derived.on_accent,
        "accent-tint": derived.tint,
        "selection": derived.selection,
    }
    return " ".join(f"--{name}: {value};" for name, value in values.items())
