"""The accent that an owner chose, as a style sheet: the policy of the pages allows no style inside of them."""

import hashlib
from functools import lru_cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Site
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.static_files import IMMUTABLE
from blog.framework.request.state import services
from blog.framework.response.cacheable import as_document
from blog.framework.urls.urls import Links
from blog.text.accent_colours import DARK, LIGHT, Accent, accent_on


class AccentStyles(Endpoint):
    """/theme.css — the colours that follow from the accent."""

    async def get(self, request: Request) -> Response:
        """The style sheet, or 304; 404 while the colours are those of the blog's own."""
        chosen = services(request).site.choices.preferences.accent
        if chosen is None:
            raise HTTPException(404)
        response = as_document(request, styles(chosen), "text/css")
        # Another worker may have named a newer version: what is not that one must not be kept under its name.
        if request.query_params.get("v") == version(chosen):
            response.headers["Cache-Control"] = IMMUTABLE
        return response


def address(site: Site, links: Links) -> str | None:
    """Where the pages find it, with the digest of its content; None without an accent."""
    chosen = site.choices.preferences.accent
    return f"{links.path('web:accent')}?v={version(chosen)}" if chosen else None


@lru_cache(maxsize=8)
def styles(chosen: str) -> bytes:
    """The custom properties of `blog.css` that have to do with the accent, light and dark."""
    light, dark = _properties(accent_on(LIGHT, chosen)), _properties(accent_on(DARK, chosen))
    return (
        f"@media screen {{\n:root {{ {light} }}\n"
        f'@media (prefers-color-scheme: dark) {{\n:root:not([data-theme="light"]) {{ {dark} }}\n}}\n'
        f':root[data-theme="dark"] {{ {dark} }}\n}}\n'
    ).encode()


@lru_cache(maxsize=8)
def version(chosen: str) -> str:
    """Changes with the content."""
    return hashlib.sha256(styles(chosen)).hexdigest()[:12]


def _properties(made: Accent) -> str:
    values = {
        "accent": made.accent,
        "accent-strong": made.strong,
        "on-accent": made.on_accent,
        "tint": made.tint,
        "selection": made.selection,
    }
    return " ".join(f"--{name}: {value};" for name, value in values.items())
