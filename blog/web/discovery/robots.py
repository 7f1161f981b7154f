"""`/robots.txt` for crawlers."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.state import app_state

_CACHE_CONTROL = "public, max-age=3600"
# Forms, and search results without end.
_DISALLOWED_ROUTES = (
    "search",
    "login",
    "register",
    "write",
    "dashboard",
    "account",
    "admin",
    "moderation",
    "notifications",
    "media_library",
)
_DISALLOWED_PATHS = ("/comments/", "/posts/*/edit", "/posts/*/delete", "/posts/*/views", "/posts/*/guest-comment")


class Robots(Endpoint):
    """/robots.txt: the paths that crawlers should skip, and the URL of the sitemap."""

    async def get(self, request: Request) -> Response:
        """Return the rules as plain text."""
        urls = app_state(request).urls
        paths = [*(urls.path(f"web:{name}") for name in _DISALLOWED_ROUTES), *_DISALLOWED_PATHS]
        lines = ["User-agent: *", *(f"Disallow: {path}" for path in paths), "", f"Sitemap: {urls.url('web:sitemap')}"]
        return PlainTextResponse("\n".join(lines) + "\n", headers={"Cache-Control": _CACHE_CONTROL})
