"""Errors of the JSON API as RFC 9457 `application/problem+json`."""

import http
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler, Receive, Scope, Send

from blog.errors import BlogError, Conflict, FieldError, InvalidInput, SecondFactorRequired
from blog.framework.request.disconnect import CLIENT_CLOSED_REQUEST
from blog.framework.response.error_statuses import error_headers, error_status

_SOURCES = (("body",), ("query",), ("header",))


def problem_response(
    connection: HTTPConnection,
    status: int,
    detail: str,
    *,
    title: str = "",
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document.

    title: defaults to the standard phrase of the status. errors: sent as `loc`, `msg` and `type`, Pydantic's form.
    headers: additional headers.
    """
    # By hand: the 422 body. FastAPI answers {"detail": […]} and echoes the rejected input.
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title or http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": connection.url.path,
        "correlation_id": connection.state.correlation_id,
    }
    if errors:
        body["errors"] = [{"loc": error.loc, "msg": error.msg, "type": error.type} for error in errors]
    return Response(to_json(body), status, dict(headers or {}), "application/problem+json")


async def send_problem(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
    """Answer a request, or a WebSocket handshake, with a problem. Closes the WebSocket on servers without that extension."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await problem_response(HTTPConnection(scope), status, detail)(scope, receive, send)


async def on_blog_error(request: Request, exc: Exception) -> Response:
    """Answer a domain error with its status."""
    if not isinstance(exc, BlogError):
        raise exc
    return problem_response(
        request, error_status(exc), exc.detail, title=exc.title, errors=_field_errors(exc), headers=error_headers(exc)
    )


def _field_errors(exc: BlogError) -> Sequence[FieldError]:
    """Return the field errors with the part of the request in their `loc`: the domain only knows names of fields."""
    match exc:
        case InvalidInput() | Conflict() | SecondFactorRequired():
            return [error if error.loc[:1] in _SOURCES else _with_source(error) for error in exc.errors]
        case _:
            return ()


def _with_source(error: FieldError) -> FieldError:
    return FieldError(("query" if error.loc == ("cursor",) else "body", *error.loc), error.msg, error.type)


async def on_http_exception(request: Request, exc: Exception) -> Response:
    """Answer Starlette's errors: unknown path, method not allowed, broken form."""
    if not isinstance(exc, HTTPException):
        raise exc
    return problem_response(request, exc.status_code, exc.detail, headers=exc.headers)


async def on_disconnect(request: Request, exc: Exception) -> Response:
    """End a request after its client disconnected while sending. No one reads the response."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def on_unexpected_error(request: Request, exc: Exception) -> Response:
    """Answer 500 without the cause. The server logs the exception with the same correlation id."""
    return problem_response(request, 500, "An unexpected error occurred. It has been logged.")


# By hand: per-router handlers. FastAPI keeps one table for the whole application; a mounted Starlette has its own.
HANDLERS: dict[Any, ExceptionHandler] = {
    BlogError: on_blog_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_unexpected_error,
}
