"""The context of a request: the first beat of every endpoint."""

import datetime as dt

from starlette.requests import HTTPConnection, Request

from blog.domain.core.context import Context
from blog.framework.identity.authentication import current_actor
from blog.framework.request.state import app_state
from blog.schemas.accounts import Scope


def request_context(request: Request) -> Context:
    """Who asks, now. Raises NotSignedIn when credentials were sent and are wrong."""
    # By hand: dependencies. FastAPI would build this value for a parameter `ctx: Annotated[Context, Depends(context)]`;
    # here the endpoint calls the function, and a test passes another Context to the domain.
    return anonymous_context(request).acting_as(current_actor(request))


def require_user(request: Request, scope: Scope | None = None) -> Context:
    """The same, for somebody who is signed in. Raises NotSignedIn, Forbidden (scope)."""
    ctx = request_context(request)
    ctx.require_actor(scope)
    return ctx


def anonymous_context(connection: HTTPConnection) -> Context:
    """The context of a stranger, before anybody asked who it is."""
    return Context(
        app_state(connection).site,
        None,
        dt.datetime.now(dt.UTC),
        connection.state.correlation_id,
        address=connection.client.host if connection.client else "",
        user_agent=connection.headers.get("user-agent", ""),
    )
