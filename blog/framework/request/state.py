"""What the application holds while it runs; its lifespan yields it, and every request and socket finds it in its state."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from blog.domain.core.context import Site
from blog.framework.caching.redis_cache import RedisResponseCache
from blog.framework.caching.response_cache import ResponseCache
from blog.framework.limits.rate_limits import RateLimits
from blog.framework.templating.templating import Templates
from blog.framework.urls.urls import UrlBuilder


@dataclass(frozen=True, slots=True)
class AppState:
    """The parts that the doors share."""

    site: Site
    urls: UrlBuilder
    templates: Templates
    rate_limits: RateLimits
    response_cache: ResponseCache
    redis_cache: RedisResponseCache


def app_state(connection: HTTPConnection) -> AppState:
    """The services of the application that answers this connection."""
    return cast(AppState, connection.state.app_state)
