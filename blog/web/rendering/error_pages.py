"""Errors as pages."""

import http
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ExceptionHandler

from blog.domain.posts import post_lists
from blog.domain.posts.post_lists import ArchiveEntry
from blog.errors import BlogError, NotAuthenticated
from blog.framework.identity.authentication import ANONYMOUS
from blog.framework.request.context import anonymous_context
from blog.framework.response.error_statuses import error_headers, error_status
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import current_path, safe_local_path, sign_in_path

_MESSAGES = {
    400: ("That did not make sense to us", "What your browser sent could not be read. Go back and try once more."),
    403: ("Not for you, sorry", "You may not do this."),
    404: ("Nothing on this page", "It may have moved, or been taken down, or the address has a slip in it."),
    405: ("Not that way", "This page is there, but it does not do what was asked of it."),
    413: ("Too much at once", "What you sent is larger than we take. Make it shorter and try once more."),
    500: (
        "We dropped something",
        "This is our fault, not yours. It has been noted down, and trying again in a moment may help.",
    ),
    429: ("One thing at a time", "You asked for more than we can serve you at once. Wait a moment, then go on."),
    503: ("Back in a moment", "A part of this blog is away just now. Nothing is lost; try again shortly."),
}

_RETRYABLE = frozenset({429, 500, 503})
"""What another try may mend."""
_STATUSES_WITH_SUGGESTIONS = frozenset({403, 404})
"""Whose readers came for something that they do not get, while the blog is well."""
_MAX_RECENT_POSTS = 5


async def on_blog_error(request: Request, exc: Exception) -> Response:
    """Our own errors, by the table of statuses; a stranger who asks for a page of members is sent to sign in first."""
    if not isinstance(exc, BlogError):
        raise exc
    wrong_credentials = getattr(request.state, "identity", ANONYMOUS).error is not None
    if isinstance(exc, NotAuthenticated) and request.method in ("GET", "HEAD") and not wrong_credentials:
        return RedirectResponse(sign_in_path(request), 303)
    status = error_status(exc)
    title = _MESSAGES.get(status, (exc.title, ""))[0]
    return await _error_page(request, status, title, exc.detail, error_headers(exc))


async def on_http_exception(request: Request, exc: Exception) -> Response:
    """Starlette's: no such route, method not allowed (with its `Allow`), broken form."""
    if not isinstance(exc, HTTPException):
        raise exc
    without_slash = current_path(request).rstrip("/")
    if (
        exc.status_code == 404
        and request.method in ("GET", "HEAD")
        and request.url.path.endswith("/")
        and safe_local_path(without_slash)
    ):
        return RedirectResponse(without_slash, 307)
    phrase = http.HTTPStatus(exc.status_code).phrase
    title, detail = _MESSAGES.get(exc.status_code, (phrase, exc.detail))
    return await _error_page(request, exc.status_code, title, detail, exc.headers)


async def on_disconnect(request: Request, exc: Exception) -> Response:
    """The client left while sending: nobody reads this answer, and it is no error of ours."""
    return Response(status_code=400)


async def on_unhandled_exception(request: Request, exc: Exception) -> Response:
    """A bug of ours: the page says nothing of its cause; the server logs it with the same correlation id."""
    return await _error_page(request, 500, *_MESSAGES[500])


async def _error_page(
    request: Request, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    values = {
        "error_status": status,
        "error_title": title,
        "error_detail": detail,
        "can_retry": status in _RETRYABLE,
        "recent": await _recent_posts(request) if status in _STATUSES_WITH_SUGGESTIONS else (),
        "reference": request.state.correlation_id,
    }
    return render_page(request, "errors/error.html", status, headers=headers, **values)


async def _recent_posts(request: Request) -> Sequence[ArchiveEntry]:
    """Something to read instead, if the database answers."""
    try:
        return await post_lists.archive(anonymous_context(request), _MAX_RECENT_POSTS)
    except BlogError:
        return ()


HANDLERS: dict[Any, ExceptionHandler] = {
    BlogError: on_blog_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_unhandled_exception,
}
