"""Connections to the Redis of the settings, for all parts that ask it something in the middle of a request."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from blog.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

_TIMEOUT, _MAX_CONNECTIONS = 0.5, 16


@contextlib.asynccontextmanager
async def open_redis_pool(settings: Settings) -> AsyncIterator["ConnectionPool | None"]:
    """The pool, whose Redis need not answer yet, and is never waited for more than a moment; None without REDIS_URL."""
    if settings.redis_url is None:
        yield None
        return
    # Only here: who has no REDIS_URL needs no such package.
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=_MAX_CONNECTIONS,
        timeout=_TIMEOUT,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        yield pool
    finally:
        await pool.disconnect()
