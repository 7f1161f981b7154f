"""`Idempotency-Key`: a request that is sent again changes nothing more, and gets the answer that the first one got.

Key, change and answer are one transaction: after a crash there are all three or none. It takes the lock to write before
the key is looked up, so that the same request, sent twenty times at once to whatever workers, simply queues.
"""

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from blog.db import tables
from blog.domain.core.context import Context
from blog.errors import Conflict, FieldError, InvalidInput, MalformedInput
from blog.framework.endpoints.openapi_operations import get_operation
from blog.framework.identity.authentication import client_key
from blog.framework.request.context import request_context
from blog.framework.request.parsing import with_body_limit

Handler = Callable[[Request], Awaitable[Response]]
HEADER = "Idempotency-Key"
RETENTION = dt.timedelta(hours=24)
# What one new key clears away of the old ones: more than it adds, so that they never pile up, and never many at once.
_CLEANUP_BATCH = 100
_KEY_PATTERN = re.compile(r"[!-~]{1,255}")
_BOUNDARY = re.compile(r'boundary="?([^";,]+)', re.IGNORECASE)
_columns = tables.idempotency_keys.c


class _ErrorResponse(Exception):
    """Carries an answer of failure out of the transaction, which is undone by it."""

    def __init__(self, response: Response) -> None:
        self.response = response


async def run_idempotently(
    request: Request, handler: Handler, prepare: Callable[[Request], Awaitable[None]], body_limit: int
) -> Response:
    """The answer of the method, or the one that was kept when the same caller sent this key before.

    `prepare` comes first and without the lock: slow work belongs there, so that others can write meanwhile.

    Only answers of success are kept: an error changed nothing, and the next attempt may do better. Raises NotSignedIn,
    Forbidden (as the method would: a key is no proof of who asks), MalformedInput (key), InvalidInput (another request
    had this key), TooLarge, Conflict (the kept answer held a secret), Unavailable (others write for too long), and what
    the method raises.
    """
    ctx, caller = request_context(request), client_key(request)
    if (declared := get_operation(handler)) is not None and declared.requires_auth:
        ctx.require_actor(declared.scope)
    key = _read_key(request)
    # Before the transaction: a client that sends slowly must not hold the lock meanwhile.
    body = await with_body_limit(request, body_limit).body()
    mark = _fingerprint(ctx, request, body)
    if (kept := await _stored_response(ctx, caller, key, mark)) is not None:
        return kept
    await prepare(Request(request.scope, _replay_body(body, request)))
    try:
        async with ctx.db.transaction():
            # Once more: whoever had the lock before may have done it.
            if (kept := await _stored_response(ctx, caller, key, mark)) is not None:
                return kept
            response = await handler(Request(request.scope, _replay_body(body, request)))
            if response.status_code >= 400:
                raise _ErrorResponse(response)
            await _store(ctx, caller, key, mark, response)
            return response
    except _ErrorResponse as failed:
        return failed.response


def _read_key(request: Request) -> str:
    sent = request.headers.getlist(HEADER)
    if len(sent) != 1 or not _KEY_PATTERN.fullmatch(sent[0]):
        raise MalformedInput("Send one Idempotency-Key of 1 to 255 visible ASCII characters")
    return sent[0]


def _fingerprint(ctx: Context, request: Request, body: bytes) -> str:
    """Tells requests apart. Keyed by the site's secret: a bare digest would let who reads it try passwords at great speed."""
    if boundary := _BOUNDARY.search(request.headers.get("content-type", "")):
        body = body.replace(boundary[1].encode("latin-1"), b"")  # clients draw a new one each time they send the same form
    secret = ctx.site.settings.secret_key.get_secret_value().encode()
    target = f"{request.method} {request.url.path}?{request.url.query}"
    parts = (b"blog.idempotency", target.encode(), body)
    return hmac.new(secret, b"\0".join(hashlib.sha256(part).digest() for part in parts), hashlib.sha256).hexdigest()


def _replay_body(body: bytes, request: Request) -> Callable[[], Awaitable[Message]]:
    """The body once more, for the method; then whatever else comes from the client."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return parts.pop() if parts else await request.receive()

    return receive


async def _stored_response(ctx: Context, caller: str, key: str, mark: str) -> Response | None:
    query = sa.select(tables.idempotency_keys).where(
        _columns.client_key == caller, _columns.key == key, _columns.created_at > ctx.now - RETENTION
    )
    row = await ctx.db.fetch_one(query)
    if row is None:
        return None
    if row["request_hash"] != mark:
        fault = FieldError(("header", HEADER), "This key came with another request before: use a new one", "idempotency_key")
        raise InvalidInput([fault])
    if row["body"] is None:
        raise Conflict("This was done already. Its answer held a secret, which is shown once: send it with a new key for another")
    response = Response(row["body"], row["status"])
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in row["headers"]]
    response.headers["Idempotency-Replayed"] = "true"
    return response


async def _store(ctx: Context, caller: str, key: str, mark: str, response: Response) -> None:
    await _remove_expired(ctx, caller, key)
    secret = "no-store" in response.headers.get("cache-control", "")
    values = {
        "client_key": caller,
        "key": key,
        "request_hash": mark,
        "status": response.status_code,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in response.raw_headers],
        "body": None if secret else bytes(response.body),
        "created_at": ctx.now,
    }
    await ctx.db.execute(tables.idempotency_keys.insert().values(values))


async def _remove_expired(ctx: Context, caller: str, key: str) -> None:
    """Remove what is too old: this key, if it is, and some others."""
    oldest = (
        sa.select(_columns.client_key, _columns.key)
        .where(_columns.created_at <= ctx.now - RETENTION)
        .order_by(_columns.created_at)
        .limit(_CLEANUP_BATCH)
        .subquery()
    )
    old = sa.tuple_(_columns.client_key, _columns.key).in_(sa.select(oldest))
    own = (_columns.client_key == caller) & (_columns.key == key)
    await ctx.db.execute(tables.idempotency_keys.delete().where(old | own))
