"""Counts of unread notifications and comments to moderate, for the page header.

Loaded before the page, because a template cannot await.
"""

import contextlib

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from blog.domain.comments import notifications
from blog.domain.comments.notifications import UnreadCounts
from blog.errors import Unavailable
from blog.framework.identity.authentication import ANONYMOUS
from blog.framework.request.context import anonymous_context


class UnreadCountsMiddleware:
    """Loads the counts with one query for signed-in users, none for anonymous clients. Plain ASGI: responses are unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Store the counts in the state of the request."""
        connection = HTTPConnection(scope)
        identity = getattr(connection.state, "identity", ANONYMOUS)
        if identity.actor is not None:
            with contextlib.suppress(Unavailable):  # pages work without the counts
                connection.state.unread_counts = await notifications.unread_counts(
                    anonymous_context(connection).acting_as(identity.actor)
                )
        await self._app(scope, receive, send)


def get_unread_counts(connection: HTTPConnection) -> UnreadCounts:
    """Return the counts of the request; zeros for anonymous clients and after an error."""
    counts: UnreadCounts = getattr(connection.state, "unread_counts", UnreadCounts())
    return counts
