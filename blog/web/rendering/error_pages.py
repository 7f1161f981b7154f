"""Error pages."""

import http
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ExceptionHandler

from blog.domain.posts import post_lists
from blog.domain.posts.post_lists import ArchiveEntry
from blog.errors import BlogError, InvalidLink, NotAuthenticated, NotFound
from blog.framework.identity.authentication import ANONYMOUS
from blog.framework.request.context import anonymous_context
from blog.framework.request.disconnect import CLIENT_CLOSED_REQUEST
from blog.framework.response.error_statuses import error_headers, error_status
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_without_slash, return_path, sign_in_path

_MESSAGES = {
    400: ("Bad request", "We couldn't read what your browser sent. Go back and try again."),
    403: ("You don't have permission to view this", "You don't have permission to do this."),
    404: ("Page not found", "It may have moved or been deleted, or there's a typo in the URL."),
    405: ("Method not allowed", "This page exists, but it doesn't support this action."),
    413: ("Too large", "What you sent is over the limit. Make it shorter and try again."),
    429: ("Too many requests", "Wait a moment, then try again."),
    500: ("Something went wrong", "The error has been logged. Try again in a moment."),
    503: ("Temporarily unavailable", "Part of this blog is down. Try again shortly."),
}

_RETRYABLE = frozenset({429, 500, 503})
"""The statuses for which the page offers to try again."""
_STATUSES_WITH_SUGGESTIONS = frozenset({403, 404})
"""The statuses for which the page lists recent posts."""
_MAX_RECENT_POSTS = 5


async def on_blog_error(request: Request, exc: Exception) -> Response:
    """Render an error of the domain; redirect anonymous clients to the sign-in page if a page requires an account."""
    if not isinstance(exc, BlogError):
        raise exc
    wrong_credentials = getattr(request.state, "identity", ANONYMOUS).error is not None
    if isinstance(exc, NotAuthenticated) and request.method in ("GET", "HEAD") and not wrong_credentials:
        return RedirectResponse(sign_in_path(request, return_path(request)), 303)
    if isinstance(exc, NotFound) and (redirect := redirect_without_slash(request)):
        return redirect
    status = error_status(exc)
    title = exc.title if isinstance(exc, InvalidLink) else _MESSAGES.get(status, (exc.title, ""))[0]
    return await _error_page(request, status, title, exc.detail, error_headers(exc))


async def on_http_exception(request: Request, exc: Exception) -> Response:
    """Render an error of Starlette: unknown route, method not allowed (with `Allow`), malformed form."""
    if not isinstance(exc, HTTPException):
        raise exc
    if exc.status_code == 404 and (redirect := redirect_without_slash(request)):
        return redirect
    phrase = http.HTTPStatus(exc.status_code).phrase
    title, detail = _MESSAGES.get(exc.status_code, (phrase, exc.detail))
    return await _error_page(request, exc.status_code, title, detail, exc.headers)


async def on_disconnect(request: Request, exc: Exception) -> Response:
    """Return an empty response: the client disconnected while sending the body."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def on_unhandled_exception(request: Request, exc: Exception) -> Response:
    """Render an internal error without its cause; the server logs it with the same correlation id."""
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
    """Return recent posts, or nothing if the database is unavailable."""
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
