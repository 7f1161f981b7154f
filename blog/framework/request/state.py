"""What the application holds while it runs; its lifespan yields it, and every request and socket finds it in its state."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from blog.domain.core.context import Site
from blog.framework.caching.redis_cache import SharedAnswers
from blog.framework.caching.response_cache import AnswerCache
from blog.framework.limits.rate_limits import RateLimits
from blog.framework.templating.templating import Templates
from blog.framework.urls.urls import Links


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that the doors share."""

    site: Site
    links: Links
    templates: Templates
    rate_limits: RateLimits
    answers: AnswerCache
    shared_answers: SharedAnswers


def services(connection: HTTPConnection) -> Services:
    """The services of the application that answers this connection."""
    return cast(Services, connection.state.services)
