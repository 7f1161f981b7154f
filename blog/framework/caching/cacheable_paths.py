"""The paths of cacheable endpoints, as one regular expression."""

import re
from collections.abc import Iterator, Sequence

from starlette.routing import BaseRoute, Mount, Route, compile_path

from blog.framework.urls.route_table import walk_routes

_GROUP_NAME = re.compile(r"\?P<\w+>")


def cacheable_paths(routes: Sequence[BaseRoute]) -> re.Pattern[str]:
    """Return a pattern that matches as the routes do. A match has a group if its endpoint sets `is_cacheable`."""
    return re.compile("|".join(_path_patterns(routes)))


def _path_patterns(routes: Sequence[BaseRoute]) -> Iterator[str]:
    for route, path, _ in walk_routes(routes):
        if isinstance(route, Mount):
            yield re.escape(f"{path}/")
        elif isinstance(route, Route):
            pattern = _GROUP_NAME.sub("?:", compile_path(path)[0].pattern)
            yield f"({pattern})" if getattr(route.endpoint, "is_cacheable", False) else pattern
