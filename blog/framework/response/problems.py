"""Errors of the JSON API as RFC 9457 `application/problem+json`."""

import http
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler, Receive, Scope, Send

from blog.errors import BlogError, Conflict, FieldError, InvalidInput, SecondFactorRequired
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
    """The answer for one problem; `errors` keeps the `loc/msg/type` form that users of Pydantic know."""
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
        body["errors"] = [asdict(error) for error in errors]
    return Response(to_json(body), status, dict(headers or {}), "application/problem+json")


async def send_problem(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
    """Answer a request, or a WebSocket that was not accepted yet, with a problem; an old server can only close the socket."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await problem_response(HTTPConnection(scope), status, detail)(scope, receive, send)


async def on_blog_error(request: Request, exc: Exception) -> Response:
    """Our own errors, by the table of statuses."""
    if not isinstance(exc, BlogError):
        raise exc
    return problem_response(
        request, error_status(exc), exc.detail, title=exc.title, errors=_field_errors(exc), headers=error_headers(exc)
    )


def _field_errors(exc: BlogError) -> Sequence[FieldError]:
    """The places at fault. The domain knows its own names only: here they become places of the request."""
    match exc:
        case InvalidInput() | SecondFactorRequired():
            return [fault if fault.loc[:1] in _SOURCES else _with_source(fault) for fault in exc.errors]
        case Conflict() if exc.loc:
            return [_with_source(FieldError(exc.loc, exc.detail, exc.code))]
        case _:
            return ()


def _with_source(fault: FieldError) -> FieldError:
    return FieldError(("query" if fault.loc == ("cursor",) else "body", *fault.loc), fault.msg, fault.type)


async def on_http_exception(request: Request, exc: Exception) -> Response:
    """Starlette's: no such route, method not allowed, body too large, broken form."""
    if not isinstance(exc, HTTPException):
        raise exc
    return problem_response(request, exc.status_code, exc.detail, headers=exc.headers)


async def on_disconnect(request: Request, exc: Exception) -> Response:
    """The client left while sending: nobody reads this answer, and it is no error of ours."""
    return Response(status_code=400)


async def on_unexpected_error(request: Request, exc: Exception) -> Response:
    """A bug of ours: the answer says nothing of its cause; the server logs it with the same correlation id."""
    return problem_response(request, 500, "The server met an error that it did not expect. It has been logged.")


# By hand: per-router handlers. FastAPI keeps one table for the whole application; a mounted Starlette has its own.
HANDLERS: dict[Any, ExceptionHandler] = {
    BlogError: on_blog_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_unexpected_error,
}
