"""Redirects within the site."""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.framework.request.forms import Form
from blog.framework.request.state import app_state

# Browsers remove control characters and treat a backslash as a slash: "/\evil.example" would leave the site.
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_MAX_PATH_LENGTH = 2000
_SIGN_IN_PAGES = ("web:login", "web:login_code", "web:register")
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


def sign_in_path(request: Request, return_to: str) -> str:
    """Return the path of the sign-in page, with the page to return to in `next`."""
    return _path_with_next(request, "web:login", return_to)


def register_path(request: Request, return_to: str) -> str:
    """Return the path of the registration page, with the page to return to in `next`."""
    return _path_with_next(request, "web:register", return_to)


def next_path(request: Request) -> str:
    """Return the path in `?next=` if it leads to this site, else an empty string."""
    return safe_local_path(request.query_params.get("next", ""))


def return_path(request: Request, form: Form | None = None) -> str:
    """Return the page to return to after signing in: this one, or that in `next` on the pages that sign in or register.

    - `form`: the form that the page shows; a submitted one has `next` in a field.

    Empty if the path only takes POST, as there is no page to return to.
    """
    urls = app_state(request).urls
    if request.scope["path"] in {urls.path(name) for name in _SIGN_IN_PAGES}:
        return safe_local_path(form.value("next")) if form else next_path(request)
    has_page = request.method in ("GET", "HEAD") or hasattr(request.scope.get("endpoint"), "get")
    return current_path(request) if has_page else ""


def _path_with_next(request: Request, name: str, return_to: str) -> str:
    query = f"?{urlencode({'next': return_to})}" if safe_local_path(return_to) else ""
    return f"{app_state(request).urls.path(name)}{query}"
