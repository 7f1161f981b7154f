"""URLs of named routes, resolved once: Starlette's `url_for` scans the route table for each link."""

import functools
import re
from collections.abc import Sequence
from urllib.parse import quote

from starlette.routing import BaseRoute, Route, WebSocketRoute

from blog.framework.urls.route_table import walk_routes

_MAX_CACHED_PATHS = 5_000
_PARAMETER = re.compile(r"{([a-zA-Z_]\w*)(:\w+)?}")


class UrlBuilder:
    """Builds paths and absolute URLs by route name, such as `web:post`. Absolute URLs begin with `public_url`."""

    def __init__(self, routes: Sequence[BaseRoute], public_url: str) -> None:
        self.public_url = public_url
        paths = {name: path for route, path, name in walk_routes(routes) if isinstance(route, Route | WebSocketRoute)}
        self._formats = {name: _PARAMETER.sub(r"{\1}", path) for name, path in paths.items()}
        # The links of a page repeat the same posts, tags and authors.
        self._cached_path = functools.lru_cache(maxsize=_MAX_CACHED_PATHS)(self._format_path)
        # Reserved for routes, such as `posts`: a static page of an owner cannot have one of these addresses.
        self.first_segments = frozenset(path.split("/")[1].casefold() for path in paths.values()) - {""}

    def path(self, name: str, /, **params: str | int) -> str:
        """Return the path of a route. Raises KeyError for an unknown route name or a missing parameter."""
        return self._cached_path(name, **params)

    def _format_path(self, name: str, /, **params: str | int) -> str:
        return self._formats[name].format_map({key: quote(str(value), safe="") for key, value in params.items()})

    def url(self, name: str, /, **params: str | int) -> str:
        """Return the absolute URL of a route. Raises KeyError as `path` does."""
        return self.public_url + self.path(name, **params)
