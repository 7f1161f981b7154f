"""What the application holds while it runs; its lifespan yields it, and every request and socket finds it in its state."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from blog.domain.context import Site
from blog.http.answer_cache import AnswerCache
from blog.http.links import Links
from blog.http.rate_limits import RateLimits
from blog.http.shared_answers import SharedAnswers
from blog.http.templates import Templates


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
