"""The parts that operations of the OpenAPI document share: problems, header fields, ways to sign in."""

from collections.abc import Iterator
from typing import Any

from blog.schemas.accounts import Scope

PROBLEM_DESCRIPTIONS = {
    400: "The request is malformed: no JSON, bad UTF-8, or a host name that is not served here.",
    401: "Nobody is signed in, or the token is false, expired or revoked.",
    403: "Not allowed: the role or the token's scope does not suffice, or a page of another site asked.",
    404: "There is no such thing, or it may not be known.",
    409: "The name is taken, or the state does not allow it.",
    412: "It changed since it was read: `If-Match` names another version.",
    413: "The body is larger than its limit.",
    415: "The body is of a type that is not taken here.",
    422: "Well-formed, but invalid; `errors` names each place.",
    429: "Too many requests: try again after `Retry-After` seconds.",
    500: "An error of the server; the answer says nothing of its cause, the log does.",
    503: "Unavailable for the moment: try again after `Retry-After` seconds.",
}
# What can happen to any request, whatever it asks for.
COMMON_PROBLEMS = frozenset({400, 401, 429, 500, 503})
PROBLEM_TITLES = {
    400: "Malformed request",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid input",
    429: "Too many requests",
    500: "Internal Server Error",
    503: "Unavailable for the moment",
}
_STRING, _NON_NEGATIVE = {"type": "string"}, {"type": "integer", "minimum": 0}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Correlation-ID": {
        "description": "Names the request in logs, problems and live events",
        "schema": _STRING,
        "required": True,
    },
    "Last-Modified": {"description": "When the post was last written", "schema": {"type": "string"}},
    "Server-Timing": {"description": "The parts of that work, in milliseconds", "schema": {"type": "string"}},
    "X-Process-Time": {"description": "Seconds of work", "schema": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"}},
    "ETag": {"description": "The version of the answer, for `If-Match` and `If-None-Match`", "schema": _STRING, "required": True},
    "Location": {"description": "The path of what was made", "schema": _STRING, "required": True},
    "Link": {"description": 'The address of the next page, with `rel="next"` (RFC 8288); absent on the last', "schema": _STRING},
    "Live-Cursor": {"description": "Follow events after it: all that happened before is in the answer", "schema": _STRING},
    "Idempotency-Replayed": {"description": "`true`: this is the answer that was kept for the key", "schema": {"const": "true"}},
    "RateLimit-Policy": {"description": "How many requests in how many seconds", "schema": _STRING},
    "RateLimit": {"description": "How many of them are left, and for how many seconds", "schema": _STRING},
    "WWW-Authenticate": {"description": "How to sign in", "schema": _STRING, "required": True},
    "Retry-After": {"description": "Seconds to wait", "schema": _NON_NEGATIVE, "required": True},
}
COMMON_HEADERS = ("X-Correlation-ID", "X-Process-Time", "Server-Timing", "RateLimit-Policy", "RateLimit")
PROBLEM_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
PARAMETERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "Sent again with the same key, the request does nothing more and gets its first answer again",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "example": "9f3c1e70-4b7a-4f0e-8a51-6f0d3a2b1c4d",
    },
    "If-Match": {
        "description": "The `ETag` that was read: the write is refused with 412 when the post changed since",
        "schema": _STRING,
        "example": '"3.12"',
    },
    "Last-Event-ID": {
        "description": "The cursor to go on from, as browsers send it when they reconnect; instead of `after`",
        "schema": _STRING,
        "example": "k3f9x2.1234",
    },
    "If-None-Match": {
        "description": "The `ETag` of an answer that the client has: 304 when it is still true",
        "schema": _STRING,
        "example": '"3.12"',
    },
}
_SCOPE_DESCRIPTIONS = {
    Scope.POSTS_WRITE: "write posts and read their versions",
    Scope.COMMENTS_WRITE: "write and moderate comments",
    Scope.MEDIA_WRITE: "upload images",
    Scope.ACCOUNT: "change the account, list and revoke tokens",
    Scope.ADMIN: "what owners may do: users, flags, settings",
}


def security_schemes(cookie: str) -> dict[str, Any]:
    """Both ways to sign in."""
    scopes = "\n".join(f"- `{scope.value}`: {use}" for scope, use in _SCOPE_DESCRIPTIONS.items())
    bearer = f"A token from `POST /tokens` or `blog token create`. It is good for its scopes:\n\n{scopes}"
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": bearer},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie, "description": "Of a browser that signed in at `/login`"},
    }


def security_requirements(scope: Scope | None, requires_auth: bool) -> list[dict[str, list[str]]]:
    """Who may ask: either way of signing in; anybody, too, unless the operation wants somebody."""
    ways: list[dict[str, list[str]]] = [{"bearer": [scope.value] if scope else []}, {"session": []}]
    return ways if requires_auth else [{}, *ways]


def problem_responses(problem: dict[str, Any]) -> dict[str, Any]:
    """`components.responses`; `problem` is the reference to the schema."""
    return {f"Problem{status}": dict(_problem_response(status, text, problem)) for status, text in PROBLEM_DESCRIPTIONS.items()}


def _problem_response(status: int, text: str, problem: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    example: dict[str, Any] = {
        "type": "about:blank",
        "title": PROBLEM_TITLES[status],
        "status": status,
        "detail": text,
        "instance": "/api/v1/posts",
        "correlation_id": "7f3c1a52d0b94e0f8a6d2c9b1e4f5a60",
    }
    if status == 422:
        example["errors"] = [{"loc": ["body", "title"], "msg": "Field required", "type": "missing"}]
    yield "description", text
    yield "headers", header_refs((*COMMON_HEADERS, *PROBLEM_HEADERS.get(status, ())))
    yield "content", {"application/problem+json": {"schema": problem, "example": example}}


def header_refs(names: tuple[str, ...]) -> dict[str, Any]:
    """References to `components.headers`."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def header_parameters() -> dict[str, Any]:
    """`components.parameters`: header fields that a request may carry."""
    return {name: {"name": name, "in": "header", **declared} for name, declared in PARAMETERS.items()}
