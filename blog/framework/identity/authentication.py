"""Who is calling: one function for HTTP and WebSocket, since `BaseHTTPMiddleware` never sees a WebSocket."""

import ipaddress
from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from blog.domain.accounts import sessions, tokens
from blog.domain.core.context import Actor, Context
from blog.errors import BlogError, NotAuthenticated
from blog.framework.identity.cookies import cookie_name, delete_cookie, set_cookie
from blog.settings import Settings


@dataclass(frozen=True, slots=True)
class Identity:
    """The actor (None: a stranger), or the reason why the credentials did not prove one."""

    actor: Actor | None = None
    error: BlogError | None = None
    session_to_renew: str | None = None  # the session id whose cookie should last longer


ANONYMOUS = Identity()


def has_credentials(scope: Scope) -> bool:
    """Does it bring anything by which somebody could be known?"""
    return any(name == b"authorization" or (name == b"cookie" and b"session=" in value) for name, value in scope["headers"])


async def authenticate(connection: HTTPConnection, ctx: Context) -> Identity:
    """Who sent this request or opens this socket: by `Authorization: Bearer`, else by the session cookie.

    A wrong token is an error (a client should hear of it); a cookie whose session is over is just a stranger's.
    """
    # By hand: security schemes. FastAPI's OAuth2PasswordBearer would read this header; it verifies nothing either.
    authorization = connection.headers.get("authorization")
    cookie = connection.cookies.get(session_cookie_name(ctx.site.settings))
    if authorization is None and cookie is None:
        return ANONYMOUS
    try:
        if authorization is not None:
            return Identity(await authenticate_bearer(ctx, authorization))
        resumed = await sessions.load(ctx, cookie or "")
        return Identity(resumed.actor, session_to_renew=cookie if resumed.is_renewed else None) if resumed else ANONYMOUS
    except BlogError as error:
        return Identity(error=error)


async def authenticate_bearer(ctx: Context, authorization: str) -> Actor:
    """The actor of an `Authorization` header. Raises NotSignedIn."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise NotAuthenticated("Send the header as: Authorization: Bearer TOKEN")
    actor = await tokens.authenticate(ctx, text.strip())
    if actor is None:
        raise NotAuthenticated("This token is not valid: it is false, expired or revoked")
    return actor


def current_actor(connection: HTTPConnection) -> Actor | None:
    """What `identify` found out for this request. Raises the error that it met."""
    identity = cast(Identity, getattr(connection.state, "identity", ANONYMOUS))
    if identity.error is not None:
        raise identity.error
    return identity.actor


def client_key(connection: HTTPConnection) -> str:
    """Whom this connection is counted for: `user:7`, or `address:192.0.2.1` of somebody whom we do not know.

    Of IPv6 the network of 64 bits: the rest is the client's own to choose, and changes by itself.
    """
    actor = cast(Identity, getattr(connection.state, "identity", ANONYMOUS)).actor
    return f"user:{actor.id}" if actor else f"address:{client_network(connection)}"


def client_network(connection: HTTPConnection) -> str:
    """The address, or the network of 64 bits, that the server saw; empty on a Unix socket.

    The server has put a forwarded address here only if it came from one of TRUSTED_PROXIES.
    """
    host = connection.client.host if connection.client else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:100]
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def session_cookie_name(settings: Settings) -> str:
    """Return the name of the session cookie."""
    return cookie_name(settings, "session")


def set_session_cookie(response: Response, settings: Settings, session_id: str) -> None:
    """Store the session id in the browser."""
    set_cookie(response, settings, "session", session_id, settings.session_idle_days * 86_400)


def clear_session_cookie(response: Response, settings: Settings) -> None:
    """Delete the session cookie, and with it the pages and the drafts that the browser has stored."""
    delete_cookie(response, settings, "session")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'  # not "cookies": theme and known device are no secrets
