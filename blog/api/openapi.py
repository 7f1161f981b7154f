"""The OpenAPI 3.1 document, generated from the route table and the declarations of the endpoint methods."""

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic_core import to_json
from starlette.convertors import StringConvertor
from starlette.routing import BaseRoute, Route

from blog import __version__
from blog.api import openapi_components
from blog.api.routes import routes
from blog.framework.endpoints.openapi_operations import Operation, get_operation
from blog.framework.request.parsing import AnyPathConvertor, IdConvertor
from blog.framework.urls.route_table import walk_routes
from blog.schemas.examples import example_of
from blog.schemas.problems import Problem

SchemaMode = Literal["validation", "serialization"]
HTTP_METHODS = ("get", "post", "put", "patch", "delete")
_REF_TEMPLATE = "#/components/schemas/{model}"
_PATH_PARAMETER = re.compile(r"{(\w+)(:\w+)?}")
_PATH_TYPES: dict[type, dict[str, Any]] = {
    IdConvertor: {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
    StringConvertor: {"type": "string", "pattern": "^[^/]+$"},
    AnyPathConvertor: {"type": "string", "minLength": 1},
}
_SUCCESS_DESCRIPTIONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No content",
    304: "Not modified",
}
_DESCRIPTION = """Errors are `application/problem+json` (RFC 9457). Timestamps are UTC (RFC 3339). Lists are paged by `cursor`:
follow `next` or the header field `Link`. Items added while a client pages are neither skipped nor repeated.

`HEAD` is supported wherever `GET` is, `OPTIONS` everywhere. A request may send an `X-Correlation-ID` (1 to 128 visible ASCII
characters); every response has one. Live updates are described in the AsyncAPI document (`/api/asyncapi.json`)."""


@dataclass(frozen=True, slots=True)
class DeclaredOperation:
    """A method of a path, with its declaration."""

    path: str
    method: str
    route: Route
    operation: Operation
    description: str


@cache
def render_json(title: str, prefix: str, cookie: str) -> bytes:
    """Return the document as JSON; cached for each combination of parameters."""
    return to_json(document(title, prefix, cookie))


@cache
def document(title: str, prefix: str, cookie: str) -> dict[str, Any]:
    """Return the document.

    - `title`: the title of the document.
    - `prefix`: the mount path of the API.
    - `cookie`: the name of the session cookie.

    Raises LookupError for an endpoint method without a declaration.
    """
    # By hand: OpenAPI and docs page. FastAPI reads both from signatures; here a decorator on each method declares them, and
    # tests check the responses against it.
    operations = list(declared_operations(routes, prefix))
    schemas, definitions = _schemas([item.operation for item in operations])
    paths: dict[str, dict[str, Any]] = {}
    for item in operations:
        path = _PATH_PARAMETER.sub(r"{\1}", item.path)
        paths.setdefault(path, {})[item.method] = _operation(item, prefix, schemas, definitions)
    for model in {item.operation.query for item in operations if item.operation.query}:
        del definitions[model.__name__]  # its members are parameters
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "responses": openapi_components.problem_responses(schemas[Problem, "serialization"]),
            "headers": openapi_components.HEADERS,
            "parameters": openapi_components.header_parameters(),
            "securitySchemes": openapi_components.security_schemes(cookie),
        },
    }


def declared_operations(table: Sequence[BaseRoute], prefix: str = "") -> Iterator[DeclaredOperation]:
    """Yield the methods of all paths. Raises LookupError for a method without a declaration."""
    for route, path, _ in walk_routes(table, prefix):
        if not isinstance(route, Route):
            continue
        for verb in HTTP_METHODS:
            if (method := getattr(route.endpoint, verb, None)) is None:
                continue
            if (operation := get_operation(method)) is None:
                raise LookupError(f"{route.endpoint.__name__}.{verb} declares no operation")
            yield DeclaredOperation(path, verb, route, operation, inspect.getdoc(method) or "")


def _schemas(operations: Sequence[Operation]) -> tuple[dict[tuple[Any, SchemaMode], dict[str, Any]], dict[str, Any]]:
    """Return the schema of each type and mode, and the definitions that they refer to."""
    types: dict[tuple[Any, SchemaMode], None] = {(Problem, "serialization"): None}
    for operation in operations:
        types |= {(kind, "validation"): None for kind in (operation.body, operation.query) if kind}
        types |= {(kind, "serialization"): None for kind in operation.responses.values() if kind}
    inputs = [(kind, mode, TypeAdapter(kind)) for kind, mode in types]
    schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF_TEMPLATE)
    return schemas, definitions["$defs"]


def _operation(
    item: DeclaredOperation, prefix: str, schemas: dict[tuple[Any, SchemaMode], dict[str, Any]], definitions: dict[str, Any]
) -> dict[str, Any]:
    operation = item.operation
    entry: dict[str, Any] = {
        "operationId": f"{item.method}_{item.route.name}",
        "summary": operation.summary,
        "description": item.description,
        "tags": [item.path.removeprefix(prefix).split("/")[1]],
        "security": openapi_components.security_requirements(operation.scope, operation.requires_auth),
    }
    if parameters := list(_parameters(item, definitions)):
        entry["parameters"] = parameters
    if operation.body:
        content = _content(operation.body, operation.body_type, schemas[operation.body, "validation"])
        entry["requestBody"] = {"required": True, "content": content}
    entry["responses"] = dict(_responses(item, schemas))
    return entry


def _parameters(item: DeclaredOperation, definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, convertor in item.route.param_convertors.items():
        yield {"name": name, "in": "path", "required": True, "schema": _PATH_TYPES[type(convertor)]}
    if item.operation.query:
        query = definitions[item.operation.query.__name__]
        for name, schema in query["properties"].items():
            yield {"name": name, "in": "query", "required": name in query.get("required", ()), "schema": _without_null(schema)}
    for name in (*item.operation.request_headers, *(("Idempotency-Key",) if item.method == "post" else ())):
        yield {"$ref": f"#/components/parameters/{name}"}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without null: a query parameter can be absent, but no value of it means null."""
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "title") and (key, value) != ("default", None)}
    options: list[dict[str, Any]] = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    match options:
        case []:
            return rest
        case [only]:
            return only | rest
        case several:
            return {"anyOf": several} | rest


def _responses(item: DeclaredOperation, schemas: dict[tuple[Any, SchemaMode], dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    operation = item.operation
    for status, kind in operation.responses.items():
        headers = [name for name in operation.response_headers if status != 304 or name in ("ETag", "Live-Cursor")]
        headers += ["Idempotency-Replayed"] if item.method == "post" else []
        response: dict[str, Any] = {
            "description": _SUCCESS_DESCRIPTIONS[status],
            "headers": openapi_components.header_refs((*openapi_components.COMMON_HEADERS, *headers)),
        }
        if kind:
            response["content"] = _content(kind, operation.response_type, schemas[kind, "serialization"])
        yield str(status), response
    for status in sorted(_problem_statuses(item)):
        yield str(status), {"$ref": f"#/components/responses/Problem{status}"}


def _problem_statuses(item: DeclaredOperation) -> set[int]:
    """Return the error statuses of an operation: those it declares, and those that follow from its parameters."""
    operation = item.operation
    statuses = {*openapi_components.COMMON_PROBLEMS, *operation.errors}
    statuses |= {413, 415, 422} if operation.body else set()
    statuses |= {422} if operation.query else set()
    statuses |= {409, 422} if item.method == "post" else set()  # idempotency key in use, or used for a different request
    statuses |= {404} if item.route.param_convertors else set()
    statuses |= {403} if operation.scope or item.method != "get" else set()  # writes from a foreign origin
    return statuses


def _content(kind: Any, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    example = example_of(kind)
    return {media_type: {"schema": schema} | ({} if example is None else {"example": example})}
