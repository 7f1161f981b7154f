"""Where to go next; never to another site."""

import re
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.framework.request.state import services

# Browsers drop control characters and take a backslash for a slash: "/\evil.example" would leave the site.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_LONGEST = 2000


def see_other(request: Request, name: str, *, fragment: str = "", **params: str | int) -> Response:
    """After a form was taken: 303 to a route of our own."""
    path = services(request).links.path(name, **params)
    return RedirectResponse(f"{path}#{fragment}" if fragment else path, 303)


def moved(request: Request, name: str, **params: str | int) -> Response:
    """301: what was here has another address for good."""
    return RedirectResponse(services(request).links.path(name, **params), 301)


def local(path: str) -> str:
    """The path, if it is one of this site, else nothing."""
    return path if len(path) <= _LONGEST and _LOCAL.fullmatch(path) else ""


def here(request: Request, **changed: str) -> str:
    """The path that was asked for, with its query; `changed` sets parameters. (`request.url` holds the path decoded.)"""
    query = urlencode({**request.query_params, **changed})
    path = quote(request.scope["path"], safe="/:@!$&'()*+,;=")
    return f"{path}?{query}" if query else path


def sign_in_path(request: Request) -> str:
    """The sign-in page that leads back to the page that was asked for."""
    login = services(request).links.path("web:login")
    path = here(request)
    if request.method not in ("GET", "HEAD") or path.startswith(login) or not local(path):
        return login
    return f"{login}?{urlencode({'next': path})}"
