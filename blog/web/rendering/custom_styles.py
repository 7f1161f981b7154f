"""The CSS that owners write, as a stylesheet of our own origin: the content security policy allows no other."""

import hashlib
from functools import lru_cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Site
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.state import app_state
from blog.framework.urls.urls import UrlBuilder
from blog.web.rendering.accent_styles import stylesheet_response


class CustomStylesheet(Endpoint):
    """/custom.css: the custom CSS of the appearance."""

    async def get(self, request: Request) -> Response:
        """Return the stylesheet, or 304; 404 without custom CSS."""
        css = app_state(request).site.runtime_settings.preferences.custom_css
        if not css:
            raise HTTPException(404)
        return stylesheet_response(request, css.encode(), _version(css))


def custom_stylesheet_url(site: Site, urls: UrlBuilder) -> str | None:
    """Return the URL of the stylesheet, with a digest of its content; None without custom CSS."""
    css = site.runtime_settings.preferences.custom_css
    return f"{urls.path('web:custom_css')}?v={_version(css)}" if css else None


@lru_cache(maxsize=2)
def _version(css: str) -> str:
    return hashlib.sha256(css.encode()).hexdigest()[:12]
