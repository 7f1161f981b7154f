"""The address of every named route, resolved once: Starlette's `url_for` scans the route table for each link."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

_PARAMETER = re.compile(r"{([a-zA-Z_]\w*)(:\w+)?}")


class UrlBuilder:
    """Paths and absolute URLs by route name, such as `web:post`; absolute ones begin with `public_url`."""

    def __init__(self, routes: Sequence[BaseRoute], public_url: str) -> None:
        self.public_url = public_url
        self._formats = dict(_walk(routes, "", ""))
        # What the paths of our own routes begin with, such as `posts`: no page of an owner's can have such an address.
        self.first_segments = frozenset(_first_segments(routes))

    def path(self, name: str, /, **params: str | int) -> str:
        """The path of a route. Raises KeyError for a route or parameter that does not exist."""
        return self._formats[name].format_map({key: quote(str(value), safe="") for key, value in params.items()})

    def url(self, name: str, /, **params: str | int) -> str:
        """The absolute URL of a route."""
        return self.public_url + self.path(name, **params)


def _first_segments(routes: Sequence[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if segment := getattr(route, "path", "").strip("/").partition("/")[0]:
            yield segment.casefold()
        elif isinstance(route, Mount):
            yield from _first_segments(route.routes or [])


def _walk(routes: Sequence[BaseRoute], prefix: str, name_prefix: str) -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, Mount):
            name = f"{name_prefix}{route.name}:" if route.name else name_prefix
            yield from _walk(route.routes or [], prefix + route.path, name)
        elif isinstance(route, Route | WebSocketRoute):
            yield name_prefix + route.name, prefix + _PARAMETER.sub(r"{\1}", route.path)
