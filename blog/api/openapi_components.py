"""Shared components of the OpenAPI document: problems, header fields, security schemes."""

from collections.abc import Iterator
from typing import Any

from blog.framework.response.error_statuses import STATUSES
from blog.schemas.accounts import Scope

PROBLEM_DESCRIPTIONS = {
    400: "The request is malformed: invalid JSON or UTF-8, or an unknown host name.",
    401: "Not authenticated: no credentials, or the token is invalid, expired or revoked.",
    403: "Not allowed: the role or the token's scope is not sufficient, or a write without a token comes from a foreign origin.",
    404: "Not found, or not visible to this client.",
    409: "The name is taken, or the present state does not allow the operation.",
    412: "The resource has changed: `If-Match` names another version.",
    413: "The body is larger than the limit.",
    415: "The media type of the body is not supported.",
    422: "Well-formed but invalid; `errors` names each member.",
    429: "Too many requests: try again after `Retry-After` seconds.",
    500: "Internal server error; the cause is only in the server log.",
    502: "Another site could not be read; `detail` names the reason.",
    503: "Temporarily unavailable: try again after `Retry-After` seconds.",
    504: "Another site did not respond in time.",
}
# Possible for every request.
COMMON_PROBLEMS = frozenset({400, 401, 429, 500, 503})
# Reversed: the first error of each status is the general one.
PROBLEM_TITLES = {status: error.title for error, status in reversed(STATUSES.items())} | {500: "Internal Server Error"}
_STRING, _NON_NEGATIVE = {"type": "string"}, {"type": "integer", "minimum": 0}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Correlation-ID": {
        "description": "Identifies the request in logs, problems and live events",
        "schema": _STRING,
        "required": True,
    },
    "Last-Modified": {"description": "Time of the last change to the post", "schema": {"type": "string"}},
    "Server-Timing": {"description": "Parts of the processing time, in milliseconds", "schema": {"type": "string"}},
    "X-Process-Time": {
        "description": "Processing time in seconds",
        "schema": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"},
    },
    "ETag": {"description": "Version of the response, for `If-Match` and `If-None-Match`", "schema": _STRING, "required": True},
    "Location": {"description": "Path of the created resource", "schema": _STRING, "required": True},
    "Link": {"description": 'URL of the next page, with `rel="next"` (RFC 8288); absent on the last page', "schema": _STRING},
    "Live-Cursor": {"description": "Follow events after this cursor: the response reflects all earlier ones", "schema": _STRING},
    "Idempotency-Replayed": {"description": "`true`: the stored response for the key", "schema": {"const": "true"}},
    "RateLimit-Policy": {"description": "Number of requests per window, and the window in seconds", "schema": _STRING},
    "RateLimit": {"description": "Remaining requests, and seconds until the limit resets", "schema": _STRING},
    "WWW-Authenticate": {"description": "The authentication scheme", "schema": _STRING, "required": True},
    "Retry-After": {"description": "Seconds to wait", "schema": _NON_NEGATIVE, "required": True},
}
COMMON_HEADERS = ("X-Correlation-ID", "X-Process-Time", "Server-Timing", "RateLimit-Policy", "RateLimit")
PROBLEM_HEADERS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
PARAMETERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "A repeated request with the same key has no further effect and gets the stored response",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "example": "9f3c1e70-4b7a-4f0e-8a51-6f0d3a2b1c4d",
    },
    "If-Match": {
        "description": "The `ETag` of the version that was read: 412 if the post has changed since",
        "schema": _STRING,
        "example": '"3.12.2.b1946ac9"',
    },
    "Last-Event-ID": {
        "description": "The cursor to resume after, as sent by browsers on reconnect; overrides `after`",
        "schema": _STRING,
        "example": "k3f9x2.1234",
    },
    "If-None-Match": {
        "description": "The `ETag` of a stored response: 304 if it is still current",
        "schema": _STRING,
        "example": '"3.12.2.b1946ac9"',
    },
}
_SCOPE_DESCRIPTIONS = {
    Scope.POSTS_WRITE: "write posts and read their versions",
    Scope.COMMENTS_WRITE: "write and moderate comments",
    Scope.MEDIA_WRITE: "upload images",
    Scope.ACCOUNT: "change the account, list and revoke tokens",
    Scope.ADMIN: "administer the blog: users, feature flags, settings",
}


def security_schemes(cookie: str) -> dict[str, Any]:
    """Return `components.securitySchemes`: bearer token and session cookie."""
    scopes = "\n".join(f"- `{scope.value}`: {use}" for scope, use in _SCOPE_DESCRIPTIONS.items())
    bearer = f"A token from `POST /tokens` or `blog token create`, limited to its scopes:\n\n{scopes}"
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": bearer},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie, "description": "The session of a browser, from `/login`"},
    }


def security_requirements(scope: Scope | None, requires_auth: bool) -> list[dict[str, list[str]]]:
    """Return the alternatives to authenticate; the empty one allows anonymous requests."""
    schemes: list[dict[str, list[str]]] = [{"bearer": [scope.value] if scope else []}, {"session": []}]
    return schemes if requires_auth else [{}, *schemes]


def problem_responses(problem: dict[str, Any]) -> dict[str, Any]:
    """Return `components.responses`. `problem`: a reference to the schema."""
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
    """Return references to `components.headers`."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def header_parameters() -> dict[str, Any]:
    """Return `components.parameters`: header fields of requests."""
    return {name: {"name": name, "in": "header", **declared} for name, declared in PARAMETERS.items()}
