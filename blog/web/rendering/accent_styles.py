"""The accent that an owner chose, as a style sheet: the policy of the pages allows no style inside of them."""

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
    """/theme.css — the colours that follow from the accent."""

    async def get(self, request: Request) -> Response:
        """The style sheet, or 304; 404 while the colours are those of the blog's own."""
        chosen = app_state(request).site.runtime_settings.preferences.accent
        if chosen is None:
            raise HTTPException(404)
        response = cacheable_response(request, stylesheet(chosen), "text/css")
        # Another worker may have named a newer version: what is not that one must not be kept under its name.
        if request.query_params.get("v") == stylesheet_version(chosen):
            response.headers["Cache-Control"] = IMMUTABLE_CACHE_CONTROL
        return response


def stylesheet_url(site: Site, links: UrlBuilder) -> str | None:
    """Where the pages find it, with the digest of its content; None without an accent."""
    chosen = site.runtime_settings.preferences.accent
    return f"{links.path('web:theme_css')}?v={stylesheet_version(chosen)}" if chosen else None


@lru_cache(maxsize=8)
def stylesheet(accent: str) -> bytes:
    """The custom properties of `blog.css` that have to do with the accent, light and dark."""
    light, dark = _custom_properties(derive_accent(LIGHT, accent)), _custom_properties(derive_accent(DARK, accent))
    return (
        f"@media screen {{\n:root {{ {light} }}\n"
        f'@media (prefers-color-scheme: dark) {{\n:root:not([data-theme="light"]) {{ {dark} }}\n}}\n'
        f':root[data-theme="dark"] {{ {dark} }}\n}}\n'
    ).encode()


@lru_cache(maxsize=8)
def stylesheet_version(accent: str) -> str:
    """Changes with the content."""
    return hashlib.sha256(stylesheet(accent)).hexdigest()[:12]


def _custom_properties(made: Accent) -> str:
    values = {
        "accent": made.accent,
        "accent-strong": made.strong,
        "on-accent": made.on_accent,
        "accent-tint": made.tint,
        "selection": made.selection,
    }
    return " ".join(f"--{name}: {value};" for name, value in values.items())
