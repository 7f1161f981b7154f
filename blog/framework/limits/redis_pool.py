"""Connection pool for Redis queries within a request."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from blog.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

_TIMEOUT, _MAX_CONNECTIONS = 0.5, 16


@contextlib.asynccontextmanager
async def open_redis_pool(settings: Settings) -> AsyncIterator["ConnectionPool | None"]:
    """Yield the pool, or None without REDIS_URL. Does not connect. Each operation times out after 0.5 seconds."""
    if settings.redis_url is None:
        yield None
        return
    # Imported here because `redis` is an optional dependency.
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
