"""The OpenAPI 3.1 document, made from the route table and from what each endpoint method declares of itself."""

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
from blog.framework.request.parsing import IdConvertor
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
}
_SUCCESS_DESCRIPTIONS = {
    200: "Done",
    201: "Made",
    202: "Accepted",
    204: "Done: nothing to say",
    304: "The client has this answer already",
}
_DESCRIPTION = """Errors are `application/problem+json` (RFC 9457). Instants are UTC, RFC 3339. Lists are paged by `cursor`:
follow `next`, or the header field `Link`; what is added meanwhile is neither skipped nor repeated.

`HEAD` is answered wherever `GET` is, `OPTIONS` everywhere. A request may bring its own `X-Correlation-ID` (1 to 128
visible ASCII characters); every answer carries one. Live updates are in the AsyncAPI document beside this one."""


@dataclass(frozen=True, slots=True)
class DeclaredOperation:
    """One verb of one path, with what it declares."""

    path: str
    method: str
    route: Route
    operation: Operation
    description: str


@cache
def render_json(title: str, prefix: str, cookie: str) -> bytes:
    """The document as JSON; made once for each title, mount path and name of the session cookie."""
    return to_json(document(title, prefix, cookie))


@cache
def document(title: str, prefix: str, cookie: str) -> dict[str, Any]:
    """The document. Raises LookupError for a method that declares nothing."""
    # By hand: OpenAPI and docs page. FastAPI reads both from signatures; here a decorator on each method says what the
    # method does anyway, and tests hold the answers to it.
    found = list(declared_operations(routes, prefix))
    schemas, definitions = _schemas([item.operation for item in found])
    paths: dict[str, dict[str, Any]] = {}
    for item in found:
        shown = _PATH_PARAMETER.sub(r"{\1}", item.path)
        paths.setdefault(shown, {})[item.method] = _operation(item, prefix, schemas, definitions)
    for kind in {item.operation.query for item in found if item.operation.query}:
        del definitions[kind.__name__]  # its members are parameters
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
    """Every verb of every path. Raises LookupError for a method that declares nothing."""
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
    wanted: dict[tuple[Any, SchemaMode], None] = {(Problem, "serialization"): None}
    for operation in operations:
        wanted |= {(kind, "validation"): None for kind in (operation.body, operation.query) if kind}
        wanted |= {(kind, "serialization"): None for kind in operation.responses.values() if kind}
    inputs = [(kind, mode, TypeAdapter(kind)) for kind, mode in wanted]
    schemas, all_of_them = TypeAdapter.json_schemas(inputs, ref_template=_REF_TEMPLATE)
    return schemas, all_of_them["$defs"]


def _operation(
    item: DeclaredOperation, prefix: str, schemas: dict[tuple[Any, SchemaMode], dict[str, Any]], definitions: dict[str, Any]
) -> dict[str, Any]:
    operation = item.operation
    made: dict[str, Any] = {
        "operationId": f"{item.method}_{item.route.name}",
        "summary": operation.summary,
        "description": item.description,
        "tags": [item.path.removeprefix(prefix).split("/")[1]],
        "security": openapi_components.security_requirements(operation.scope, operation.requires_auth),
    }
    if parameters := list(_parameters(item, definitions)):
        made["parameters"] = parameters
    if operation.body:
        content = _content(operation.body, operation.body_type, schemas[operation.body, "validation"])
        made["requestBody"] = {"required": True, "content": content}
    made["responses"] = dict(_responses(item, schemas))
    return made


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
    """A query parameter can be absent, but nothing that is sent in its place means null."""
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
        answer: dict[str, Any] = {
            "description": _SUCCESS_DESCRIPTIONS[status],
            "headers": openapi_components.header_refs((*openapi_components.COMMON_HEADERS, *headers)),
        }
        if kind:
            answer["content"] = _content(kind, operation.response_type, schemas[kind, "serialization"])
        yield str(status), answer
    for status in sorted(_problem_statuses(item)):
        yield str(status), {"$ref": f"#/components/responses/Problem{status}"}


def _problem_statuses(item: DeclaredOperation) -> set[int]:
    """The statuses that an operation can answer: its own, and those that follow from what it takes."""
    operation = item.operation
    statuses = {*openapi_components.COMMON_PROBLEMS, *operation.errors}
    statuses |= {413, 415, 422} if operation.body else set()
    statuses |= {422} if operation.query else set()
    statuses |= {409, 422} if item.method == "post" else set()  # a key that was used for another request, or for a secret
    statuses |= {404} if item.route.param_convertors else set()
    statuses |= {403} if operation.scope or item.method != "get" else set()  # a write can come from a page of another site
    return statuses


def _content(kind: Any, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    shown = example_of(kind)
    return {media_type: {"schema": schema} | ({} if shown is None else {"example": shown})}
