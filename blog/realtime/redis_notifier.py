"""Notify the workers of all machines through Redis that something was committed: a hint to read the log, without content.

Without Redis, or while it is unavailable, each worker notices commits through the database: later, but just as reliably.
"""

import asyncio
import secrets
from typing import TYPE_CHECKING

import anyio
import structlog

from blog.db.database import Database
from blog.observability.logging import OutageLog
from blog.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

log = structlog.stdlib.get_logger("blog.realtime")
_RETRY_DELAY = 1.0
_TIMEOUT = 5.0
_IDLE_TIMEOUT = 30.0


class RedisNotifier:
    """Publish a hint after each commit of this process, and wake this process on hints of others."""

    def __init__(self, settings: Settings, db: Database) -> None:
        if settings.redis_url is None:
            raise ValueError("REDIS_URL is not set")
        self._url, self._db = settings.redis_url.get_secret_value(), db
        # Blogs that share one Redis do not wake each other.
        self._channel = f"blog:{settings.public_url}:events"
        self._sender_id = secrets.token_hex(8).encode()
        self._pending = asyncio.Event()
        self._outage = OutageLog(
            log, "Redis is unavailable: workers poll the database for events", "Redis is available again for event hints"
        )

    def notify(self) -> None:
        """Schedule a hint: this process committed something."""
        self._pending.set()

    async def run(self) -> None:
        """Publish and listen until cancelled, and reconnect after a failure."""
        # Imported here because `redis` is an optional dependency.
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        while True:
            redis = Redis.from_url(
                self._url, socket_connect_timeout=_TIMEOUT, socket_timeout=_TIMEOUT, health_check_interval=_IDLE_TIMEOUT
            )
            subscription = redis.pubsub()
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._listen, subscription)
                    tasks.start_soon(self._publish, redis)
            except* (RedisError, OSError) as errors:
                self._outage.failed(str(errors.exceptions[0]))
            finally:
                with anyio.move_on_after(_TIMEOUT, shield=True):
                    await subscription.aclose()  # type: ignore[no-untyped-call]
                    await redis.aclose()
            await anyio.sleep(_RETRY_DELAY)

    async def _listen(self, subscription: "PubSub") -> None:
        await subscription.subscribe(self._channel)
        while True:
            message = await subscription.get_message(timeout=_IDLE_TIMEOUT)
            if message is None:
                await subscription.ping()
            elif message["type"] == "subscribe":
                self._outage.recovered()
                self._db.notify_watchers()  # hints sent while disconnected were lost
            elif message["type"] == "message" and message["data"] != self._sender_id:
                self._db.notify_watchers()

    async def _publish(self, redis: "Redis") -> None:
        while True:
            await self._pending.wait()
            self._pending.clear()
            await redis.publish(self._channel, self._sender_id)
