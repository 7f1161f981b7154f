"""Authentication: one function for HTTP and WebSocket, because `BaseHTTPMiddleware` does not run for WebSockets."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
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
    """Result of authentication: the actor (None if anonymous), or the error of invalid credentials."""

    actor: Actor | None = None
    error: BlogError | None = None
    session_to_renew: str | None = None  # the session id, if its cookie must be set again to extend it


ANONYMOUS = Identity()
_API_PREFIX = "/api/v1/"


def has_credentials(scope: Scope) -> bool:
    """Return whether the request has an `Authorization` header or a session cookie."""
    return any(name == b"authorization" or (name == b"cookie" and b"session=" in value) for name, value in scope["headers"])


async def authenticate(connection: HTTPConnection, ctx: Context) -> Identity:
    """Return the identity behind `Authorization: Bearer`, otherwise behind the session cookie.

    An invalid token is an error, so that API clients notice it, and so is another scheme in the API. Elsewhere other schemes are
    ignored: a browser sends `Basic` if a reverse proxy asks for a password. An expired session is anonymous.
    """
    # By hand: security schemes. FastAPI's OAuth2PasswordBearer would read this header; it verifies nothing either.
    authorization = connection.headers.get("authorization")
    if authorization is not None and not _is_bearer(authorization) and not connection.scope["path"].startswith(_API_PREFIX):
        authorization = None
    cookie = connection.cookies.get(session_cookie_name(ctx.site.settings))
    if authorization is None and cookie is None:
        return ANONYMOUS
    try:
        if authorization is not None:
            return Identity(await authenticate_bearer(ctx, authorization))
        session = await sessions.load(ctx, cookie or "")
        return Identity(session.actor, session_to_renew=cookie if session.is_renewed else None) if session else ANONYMOUS
    except BlogError as error:
        return Identity(error=error)


async def authenticate_bearer(ctx: Context, authorization: str) -> Actor:
    """Return the actor of an `Authorization` header. Raises NotAuthenticated."""
    token = authorization.partition(" ")[2]
    if not _is_bearer(authorization) or not token.strip():
        raise NotAuthenticated("Send the header as: Authorization: Bearer TOKEN")
    actor = await tokens.authenticate(ctx, token.strip())
    if actor is None:
        raise NotAuthenticated("This token is invalid, expired or revoked. Create a new one.")
    return actor


def _is_bearer(authorization: str) -> bool:
    return authorization.partition(" ")[0].lower() == "bearer"


def current_actor(connection: HTTPConnection) -> Actor | None:
    """Return the authenticated actor of this request, or None. Raises NotAuthenticated for invalid credentials."""
    identity = cast(Identity, getattr(connection.state, "identity", ANONYMOUS))
    if identity.error is not None:
        raise identity.error
    return identity.actor


def client_key(connection: HTTPConnection) -> str:
    """Return the key under which rate limits count this client, such as `user:7` or `address:192.0.2.1`."""
    return client_key_of(connection, cast(Identity, getattr(connection.state, "identity", ANONYMOUS)).actor)


def client_key_of(connection: HTTPConnection, actor: Actor | None) -> str:
    """Return the key of a client with this actor. On a WebSocket the actor is not in the state of the connection."""
    return f"user:{actor.id}" if actor else anonymous_client_key(connection.scope)


def anonymous_client_key(scope: Scope) -> str:
    """Return the key under which rate limits count an anonymous client: `address:`, then its network."""
    client = scope.get("client")
    return f"address:{_network_of(client[0] if client else '')}"


def client_network(connection: HTTPConnection) -> str:
    """Return the client's IPv4 address or IPv6 /64 network; empty on a Unix socket.

    A client can use any address of its /64 network. Forwarded addresses are used only from one of TRUSTED_PROXIES.
    """
    return _network_of(connection.client.host if connection.client else "")


@lru_cache(maxsize=4096)
def _network_of(host: str) -> str:
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
