"""The route table as rows, for `blog routes` and for the README."""

import inspect
from collections.abc import Iterator, Sequence

from starlette.endpoints import HTTPEndpoint
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Scope

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def rows(routes: Sequence[BaseRoute], prefix: str = "", name_prefix: str = "") -> list[tuple[str, str, str]]:
    """Methods, path and name of every route, in the order in which they are tried."""
    return list(_walk(routes, prefix, name_prefix))


def _walk(routes: Sequence[BaseRoute], prefix: str, name_prefix: str) -> Iterator[tuple[str, str, str]]:
    for route in routes:
        match route:
            case Mount(routes=[_, *_]):
                yield from _walk(
                    route.routes or [], prefix + str(route.path), f"{name_prefix}{route.name}:" if route.name else name_prefix
                )
            case Mount():
                yield "GET HEAD", f"{prefix}{route.path}/…", f"{name_prefix}{route.name}"
            case WebSocketRoute():
                yield "WebSocket", prefix + route.path, name_prefix + route.name
            case Route():
                yield " ".join(_methods(route)), prefix + route.path, name_prefix + route.name


def route_template(scope: Scope) -> str:
    """Of a request that was routed, such as `/api/v1/posts/{id:id}`; what is mounted sees only its own part."""
    match scope.get("route"):
        case Route() as route:
            return str(scope.get("root_path", "")) + route.path
        case Mount(routes=[]) as mount:
            return f"{mount.path}/…"
        case _:
            return "(no route)"


def _methods(route: Route) -> list[str]:
    endpoint = route.endpoint
    if not (inspect.isclass(endpoint) and issubclass(endpoint, HTTPEndpoint)):
        return sorted(route.methods or ())
    return [verb for verb in _METHODS if hasattr(endpoint, "get" if verb == "HEAD" else verb.lower())]
