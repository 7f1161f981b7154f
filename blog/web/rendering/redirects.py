"""Redirects within the site."""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.framework.request.state import app_state

# Browsers remove control characters and treat a backslash as a slash: "/\evil.example" would leave the site.
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_MAX_PATH_LENGTH = 2000
_PATH_CHARACTERS = "/:@!$&'()*+,;="
"""Characters that need no encoding in a path, in addition to letters, digits and `_.-~`."""


def redirect_after_post(
    request: Request, name: str, *, query: Mapping[str, str] | None = None, fragment: str = "", **params: str | int
) -> Response:
    """Return a 303 redirect to a route of this site, with `params` in its path, after a form was submitted."""
    path = app_state(request).urls.path(name, **params)
    if query:
        path = f"{path}?{urlencode(query)}"
    return RedirectResponse(f"{path}#{fragment}" if fragment else path, 303)


def permanent_redirect(request: Request, name: str, **params: str | int) -> Response:
    """Return a 301 redirect to a route."""
    return RedirectResponse(app_state(request).urls.path(name, **params), 301)


def redirect_without_slash(request: Request) -> Response | None:
    """Return a 307 redirect to the same URL without slashes at the end of the path, or None if it has none or leaves the site.

    Uses the raw path: in the decoded one an encoded slash, such as that of a tag, is a slash.
    """
    raw: bytes = request.scope["raw_path"]
    path = quote(raw.rstrip(b"/"), safe=f"{_PATH_CHARACTERS}%")
    leaves_site = request.scope["path"][1:2] in ("/", "\\") or not safe_local_path(path)
    if request.method not in ("GET", "HEAD") or not raw.endswith(b"/") or leaves_site:
        return None
    query = request.scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{path}?{query}" if query else path, 307)


def safe_local_path(path: str) -> str:
    """Return the path if it leads to this site, else an empty string."""
    return path if len(path) <= _MAX_PATH_LENGTH and _LOCAL_PATH.fullmatch(path) else ""


def current_path(request: Request, **changed: str) -> str:
    """Return the path of the request, encoded, with its query; `changed` replaces query parameters."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in changed]
    query = urlencode([*kept, *changed.items()])
    path = quote(request.scope["path"], safe=_PATH_CHARACTERS)
    return f"{path}?{query}" if query else path


def sign_in_path(request: Request) -> str:
    """Return the path of the sign-in page, with the page to return to in `next`."""
    return _path_with_next(request, "web:login")


def register_path(request: Request) -> str:
    """Return the path of the registration page, with the page to return to in `next`."""
    return _path_with_next(request, "web:register")


def next_path(request: Request) -> str:
    """Return the path in `?next=` if it leads to this site, else an empty string."""
    return safe_local_path(request.query_params.get("next", ""))


def _path_with_next(request: Request, name: str) -> str:
    """Return the path of a route. `next` is the current page, or on pages that have one, such as sign-in, their own."""
    urls = app_state(request).urls
    path = current_path(request)
    if path.startswith((urls.path("web:login"), urls.path("web:register"))):
        path = next_path(request)
    elif request.method not in ("GET", "HEAD"):
        path = ""
    query = f"?{urlencode({'next': path})}" if safe_local_path(path) else ""
    return f"{urls.path(name)}{query}"
