"""Declarations of endpoint methods, for the OpenAPI document."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from blog.schemas.accounts import Scope

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__operation__"
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One verb of one path.

    body, query: models of the request body and the query string.
    responses: maps each successful status to a type that Pydantic knows, or to None for a response without content.
    errors: statuses in addition to those that follow from the rest (a body can be malformed, an id can be unknown).
    scope: the token scope that the operation requires.
    request_headers, response_headers: header names in requests and in successful responses.
    """

    summary: str
    body: type[BaseModel] | None = None
    body_type: str = JSON
    query: type[BaseModel] | None = None
    responses: Mapping[int, Any] = field(default_factory=dict)
    response_type: str = JSON
    errors: Collection[int] = ()
    requires_auth: bool = False
    scope: Scope | None = None
    request_headers: Collection[str] = ()
    response_headers: Collection[str] = ()


def operation(
    summary: str,
    *,
    responses: Mapping[int, Any],
    body: type[BaseModel] | None = None,
    body_type: str = JSON,
    query: type[BaseModel] | None = None,
    response_type: str = JSON,
    errors: Collection[int] = (),
    requires_auth: bool = False,
    scope: Scope | None = None,
    request_headers: Collection[str] = (),
    response_headers: Collection[str] = (),
) -> Callable[[F], F]:
    """Declare a method of an endpoint class, without changing it. Parameters: see `Operation`. A scope implies authentication."""
    declared = Operation(
        summary=summary,
        body=body,
        body_type=body_type,
        query=query,
        responses=responses,
        response_type=response_type,
        errors=errors,
        requires_auth=requires_auth or scope is not None,
        scope=scope,
        request_headers=request_headers,
        response_headers=response_headers,
    )

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, declared)
        return method

    return declare


def get_operation(method: object) -> Operation | None:
    """Return the declaration of a method, or None."""
    declared: Operation | None = getattr(method, _ATTRIBUTE, None)
    return declared
