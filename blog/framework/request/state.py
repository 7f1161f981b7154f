"""The objects that live as long as the application. The lifespan yields them; every request and socket has them in its state."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from blog.domain.core.context import Site
from blog.framework.caching.response_cache import ResponseCache
from blog.framework.limits.rate_limits import RateLimits
from blog.framework.templating.templating import Templates
from blog.framework.urls.urls import UrlBuilder


@dataclass(frozen=True, slots=True)
class AppState:
    """The objects that all interfaces share."""

    site: Site
    urls: UrlBuilder
    templates: Templates
    rate_limits: RateLimits
    response_cache: ResponseCache


def app_state(connection: HTTPConnection) -> AppState:
    """Return the shared objects of the application that serves this connection."""
    return cast(AppState, connection.state.app_state)
