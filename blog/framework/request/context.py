"""The domain context of a request: the first step of every endpoint."""

import datetime as dt

from starlette.requests import HTTPConnection, Request

from blog.domain.core.context import Context
from blog.framework.identity.authentication import current_actor
from blog.framework.request.state import app_state
from blog.schemas.accounts import Scope


def request_context(request: Request) -> Context:
    """Return the context with the authenticated actor. Raises NotAuthenticated for invalid credentials."""
    # By hand: dependencies. FastAPI would build this value for a parameter `ctx: Annotated[Context, Depends(context)]`;
    # here the endpoint calls the function, and a test passes another Context to the domain.
    return anonymous_context(request).acting_as(current_actor(request))


def require_user(request: Request, scope: Scope | None = None) -> Context:
    """Return the context of an authenticated request. Raises NotAuthenticated, and Forbidden if a token lacks the scope."""
    ctx = request_context(request)
    ctx.require_actor(scope)
    return ctx


def anonymous_context(connection: HTTPConnection) -> Context:
    """Return the context without an actor, such as for authentication itself."""
    return Context(
        app_state(connection).site,
        None,
        dt.datetime.now(dt.UTC),
        connection.state.correlation_id,
        address=connection.client.host if connection.client else "",
        user_agent=connection.headers.get("user-agent", ""),
    )
