"""How much waits for whoever is signed in, for the head of every page: counted before the page, since a template cannot wait."""

import contextlib

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from blog.domain.comments import notifications
from blog.domain.comments.notifications import UnreadCounts
from blog.errors import Unavailable
from blog.framework.identity.authentication import ANONYMOUS
from blog.framework.request.context import anonymous_context


class UnreadCountsMiddleware:
    """One query for a page of somebody who is signed in, none for strangers. Plain ASGI: it changes no answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leave the tally in the request's state."""
        connection = HTTPConnection(scope)
        identity = getattr(connection.state, "identity", ANONYMOUS)
        if identity.actor is not None:
            with contextlib.suppress(Unavailable):  # a page can do without
                connection.state.unread_counts = await notifications.unread_counts(
                    anonymous_context(connection).acting_as(identity.actor)
                )
        await self._app(scope, receive, send)


def get_unread_counts(connection: HTTPConnection) -> UnreadCounts:
    """What was counted for this request; nothing for strangers, and for errors met before."""
    tally: UnreadCounts = getattr(connection.state, "unread_counts", UnreadCounts())
    return tally
