"""The route table: one walk over all routes, and its rows for `blog routes` and the documentation."""

import inspect
from collections.abc import Iterator, Sequence

from starlette.endpoints import HTTPEndpoint
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Scope

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def walk_routes(
    routes: Sequence[BaseRoute], prefix: str = "", name_prefix: str = ""
) -> Iterator[tuple[Route | WebSocketRoute | Mount, str, str]]:
    """Yield every route with its full path and full name, in matching order. A `Mount` without routes counts as a route."""
    for route in routes:
        if isinstance(route, Mount) and route.routes:
            name = f"{name_prefix}{route.name}:" if route.name else name_prefix
            yield from walk_routes(route.routes, prefix + route.path, name)
        elif isinstance(route, Route | WebSocketRoute | Mount):
            yield route, prefix + route.path, name_prefix + (route.name or "")


def rows(routes: Sequence[BaseRoute]) -> list[tuple[str, str, str]]:
    """Return methods, path and name of every route, in matching order."""
    return [_row(*found) for found in walk_routes(routes)]


def _row(route: Route | WebSocketRoute | Mount, path: str, name: str) -> tuple[str, str, str]:
    match route:
        case Mount():
            return "GET HEAD", f"{path}/…", name
        case WebSocketRoute():
            return "WebSocket", path, name
        case Route():
            return " ".join(_methods(route)), path, name


def route_template(scope: Scope) -> str:
    """Return the path template of a routed request, such as `/api/v1/posts/{id:id}`, for logs and metrics."""
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
