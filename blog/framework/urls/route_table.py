"""The route table as rows, for `blog routes` and for the README."""

import inspect
from collections.abc import Iterator, Sequence

from starlette.endpoints import HTTPEndpoint
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import Scope

_VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def rows(routes: Sequence[BaseRoute], prefix: str = "", door: str = "") -> list[tuple[str, str, str]]:
    """Methods, path and name of every route, in the order in which they are tried."""
    return list(_walk(routes, prefix, door))


def _walk(routes: Sequence[BaseRoute], prefix: str, door: str) -> Iterator[tuple[str, str, str]]:
    for route in routes:
        match route:
            case Mount(routes=[_, *_]):
                yield from _walk(route.routes or [], prefix + str(route.path), f"{door}{route.name}:" if route.name else door)
            case Mount():
                yield "GET HEAD", f"{prefix}{route.path}/…", f"{door}{route.name}"
            case WebSocketRoute():
                yield "WebSocket", prefix + route.path, door + route.name
            case Route():
                yield " ".join(_methods(route)), prefix + route.path, door + route.name


def template_of(scope: Scope) -> str:
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
    return [verb for verb in _VERBS if hasattr(endpoint, "get" if verb == "HEAD" else verb.lower())]
