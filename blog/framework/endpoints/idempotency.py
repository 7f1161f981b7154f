"""`Idempotency-Key`: a repeated request changes nothing, and gets the response of the first one.

Key, change and response are stored in one transaction, so a crash cannot separate them. The transaction acquires the write lock
before it looks up the key: of identical requests that arrive at several workers at once, one changes the database. It begins with
the first change: slow work before that, such as rendering, does not block other writers.
"""

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from blog.db import tables
from blog.domain.core.context import Context
from blog.errors import BlogError, Conflict, FieldError, InvalidInput, MalformedInput
from blog.framework.endpoints.openapi_operations import get_operation
from blog.framework.identity.authentication import client_key
from blog.framework.request.context import request_context
from blog.framework.request.parsing import with_body_limit

Handler = Callable[[Request], Awaitable[Response]]
HEADER = "Idempotency-Key"
RETENTION = dt.timedelta(hours=24)
# Expired keys deleted with each new key: more than one, so that they do not accumulate, and not many at once.
_CLEANUP_BATCH = 100
_KEY_PATTERN = re.compile(r"[!-~]{1,255}")
_BOUNDARY = re.compile(r'boundary="?([^";,]+)', re.IGNORECASE)
_columns = tables.idempotency_keys.c


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The key of a client for one request. `fingerprint` identifies the request (`fingerprint_request`)."""

    client: str
    value: str
    fingerprint: str


class _FinalResponse(Exception):
    """Carries a response out of the transaction and rolls it back."""

    def __init__(self, response: Response) -> None:
        self.response = response


async def run_idempotently(
    request: Request, handler: Handler, prepare: Callable[[Request], Awaitable[None]], body_limit: int
) -> Response:
    """Return the response of the handler, or the stored one if the same client has sent this key before.

    handler: the endpoint's `post`. prepare: called first, without the write lock; slow work belongs there.
    body_limit: maximum size of the body, in bytes.

    Only successful responses are stored: an error changes nothing, and the next attempt may succeed.

    Raises MalformedInput (invalid key), InvalidInput (the key was used for another request), Conflict (the stored response
    contained a secret), PayloadTooLarge, Unavailable (no write lock in time), NotAuthenticated and Forbidden (as the handler
    would: a key does not authenticate), and whatever the handler raises.
    """
    ctx = request_context(request)
    if (declared := get_operation(handler)) is not None and declared.requires_auth:
        ctx.require_actor(declared.scope)
    value = _read_key(request)
    # Before the transaction: a slow client must not block other writers.
    body = await with_body_limit(request, body_limit).body()
    key = RequestKey(client_key(request), value, fingerprint_request(ctx, request, body))

    def replayed() -> Request:
        return Request(request.scope, _replay_body(body, request))

    return await run_with_key(ctx, key, lambda: handler(replayed()), prepare=lambda: prepare(replayed()))


async def run_with_key(
    ctx: Context,
    key: RequestKey,
    create: Callable[[], Awaitable[Response]],
    *,
    prepare: Callable[[], Awaitable[None]] | None = None,
    to_store: Callable[[Response], Response] = lambda response: response,
) -> Response:
    """Return the response of `create`, or the stored one if this request has succeeded within the last 24 hours.

    - `create`: makes the changes. They are rolled back if it raises or returns an error response.
    - `prepare`: called before `create`; its changes remain.
    - `to_store`: returns the response for repeats.

    Raises whatever `prepare` and `create` raise, and InvalidInput or Conflict for a stored response (`_stored_response`).
    """

    async def require_first() -> None:
        if (stored := await _stored_response(ctx, key)) is not None:
            raise _FinalResponse(stored)

    try:
        await require_first()
        if prepare is not None:
            await prepare()
        async with ctx.db.deferred_transaction(on_begin=require_first):
            response = await create()
            if response.status_code >= 400:
                raise _FinalResponse(response)
            async with ctx.db.transaction():
                await _store_response(ctx, key, to_store(response))
            return response
    except _FinalResponse as final:
        return final.response
    except BlogError:
        # A check before the first change, such as that of a username, fails if the same request has just succeeded elsewhere.
        if (stored := await _stored_response(ctx, key)) is not None:
            return stored
        raise


def _read_key(request: Request) -> str:
    values = request.headers.getlist(HEADER)
    if len(values) != 1 or not _KEY_PATTERN.fullmatch(values[0]):
        raise MalformedInput("Send one Idempotency-Key of 1 to 255 visible ASCII characters")
    return values[0]


def fingerprint_request(ctx: Context, request: Request, body: bytes) -> str:
    """Return a digest of the request, keyed with the site's secret: a plain one could be used to guess passwords offline."""
    if boundary := _BOUNDARY.search(request.headers.get("content-type", "")):
        body = body.replace(boundary[1].encode("latin-1"), b"")  # random: clients use a new one for each attempt
    secret = ctx.site.settings.secret_key.get_secret_value().encode()
    target = f"{request.method} {request.url.path}?{request.url.query}"
    parts = (b"blog.idempotency", target.encode(), body)
    return hmac.new(secret, b"\0".join(hashlib.sha256(part).digest() for part in parts), hashlib.sha256).hexdigest()


def _replay_body(body: bytes, request: Request) -> Callable[[], Awaitable[Message]]:
    """Return a `receive` that yields the body, which has been read already, and then the client's further messages."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return parts.pop() if parts else await request.receive()

    return receive


async def _stored_response(ctx: Context, key: RequestKey) -> Response | None:
    """Return the response to the first request of a client with this key, if any.

    Raises InvalidInput if that was another request, Conflict if the response contained a secret.
    """
    query = sa.select(tables.idempotency_keys).where(
        _columns.client_key == key.client, _columns.key == key.value, _columns.created_at > ctx.now - RETENTION
    )
    row = await ctx.db.fetch_one(query)
    if row is None:
        return None
    if row["request_hash"] != key.fingerprint:
        message = "This key was used for another request. Use a new one."
        raise InvalidInput([FieldError(("header", HEADER), message, "idempotency_key")])
    if row["body"] is None:
        raise Conflict("This request has succeeded before. Its response contained a secret, which is shown once. Use a new key.")
    response = Response(row["body"], row["status"])
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in row["headers"]]
    response.headers["Idempotency-Replayed"] = "true"
    return response


async def _store_response(ctx: Context, key: RequestKey, response: Response) -> None:
    """Store a response for 24 hours. Call it in the transaction of the change."""
    await _remove_expired(ctx, key)
    has_secret = "no-store" in response.headers.get("cache-control", "")
    values = {
        "client_key": key.client,
        "key": key.value,
        "request_hash": key.fingerprint,
        "status": response.status_code,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in response.raw_headers],
        "body": None if has_secret else bytes(response.body),
        "created_at": ctx.now,
    }
    await ctx.db.execute(tables.idempotency_keys.insert().values(values))


async def _remove_expired(ctx: Context, key: RequestKey) -> None:
    """Remove this key, if it has expired, and some other expired keys."""
    expired = (
        sa.select(_columns.client_key, _columns.key)
        .where(_columns.created_at <= ctx.now - RETENTION)
        .order_by(_columns.created_at)
        .limit(_CLEANUP_BATCH)
        .subquery()
    )
    old = sa.tuple_(_columns.client_key, _columns.key).in_(sa.select(expired))
    own = (_columns.client_key == key.client) & (_columns.key == key.value)
    await ctx.db.execute(tables.idempotency_keys.delete().where(old | own))
