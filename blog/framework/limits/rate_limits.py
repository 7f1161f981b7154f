"""How often somebody may ask: counted in Redis for all workers together, if there is one, else in this process."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.errors import StorageError
from starlette.requests import HTTPConnection

from blog.domain.core.signing import Signer, hash_secret
from blog.errors import TooManyRequests, Unavailable
from blog.framework.identity.authentication import client_key, client_network
from blog.framework.identity.known_devices import KnownDevices
from blog.observability import metrics
from blog.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

log = structlog.stdlib.get_logger("blog.rate_limits")
# From one address people sign in to several accounts: a household, an office.
_ACCOUNTS_PER_ADDRESS = 5
# A Redis that does not answer delays one request in so many seconds, by the patience of its pool, and the others not at all.
RETRY_REDIS_AFTER = 10.0
_BATCH_SIZE = 500


@dataclass(frozen=True, slots=True)
class Usage:
    """How one caller stands to one policy: `used` of `quota` requests in a window of `window` s that ends in `reset` s."""

    policy: str
    quota: int
    window: int
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        """Requests that are left in this window."""
        return max(0, self.quota - self.used)

    def raise_if_exceeded(self, detail: str = "") -> None:
        """Raises TooManyRequests when there were too many."""
        if self.used > self.quota:
            metrics.rate_limited.inc(self.policy)
            raise TooManyRequests(detail, retry_after=self.reset)


class RateLimits:
    """The limits of one application. A window begins with the first request of a caller and ends for all of it at once."""

    def __init__(self, settings: Settings, memory: MemoryStorage, pool: "ConnectionPool | None" = None) -> None:
        self._default_limit = _parse_limit(settings.rate_limit)
        self._sign_in_limit = _parse_limit(settings.login_rate_limit_per_address) if self._default_limit else None
        self._account_limit = _parse_limit(settings.login_rate_limit_per_account) if self._sign_in_limit else None
        self.known_devices = KnownDevices(settings, Signer(settings.secret_key, settings.secret_key_previous))
        self._memory = memory
        # Blogs that share one Redis do not share their users.
        self._redis = _redis_storage(pool, f"blog:{settings.public_url}") if pool else None
        self._redis_is_down, self._retry_redis_at = False, 0.0

    async def count_request(self, connection: HTTPConnection) -> Usage | None:
        """Count a request of this caller; None when nothing is limited."""
        if self._default_limit is None:
            return None
        return await self._increment("default", self._default_limit, client_key(connection))

    async def check_sign_in(self, connection: HTTPConnection, username: str) -> None:
        """Count an attempt to sign in, whether it will succeed or not: by address, by address and account, by account.

        Those who guess from many addresses use up what an account allows to unknown browsers, and its owner goes on with
        a known one, or by a link to a new password. Raises TooManyRequests.
        """
        if self._sign_in_limit is None:
            return
        network = client_network(connection)
        name = hash_secret(username.casefold())  # Redis keeps no names, nor what was typed in their place by mistake
        if device := self.known_devices.device_id(connection, username):
            # Counted by itself: whatever strangers do, to this account or from this address, its owner gets in.
            await self._count_attempt(connection, "sign-in", self._sign_in_limit, f"{device}:{name}")
            return
        address = type(self._sign_in_limit)(self._sign_in_limit.amount * _ACCOUNTS_PER_ADDRESS, self._sign_in_limit.multiples)
        await self._count_attempt(connection, "sign-in", address, network)
        await self._count_attempt(connection, "sign-in", self._sign_in_limit, f"{network}:{name}")
        # Last, so that what one address may not try takes nothing from what all may.
        if self._account_limit:
            await self._count_attempt(connection, "account", self._account_limit, name)

    async def check(self, connection: HTTPConnection, policy: str) -> None:
        """Count an attempt at something that strangers may do now and then, by their address. Raises TooManyRequests."""
        if self._sign_in_limit is not None:
            await self._count_attempt(connection, policy, self._sign_in_limit, client_network(connection))

    async def _count_attempt(self, connection: HTTPConnection, policy: str, quota: RateLimitItem, who: str) -> None:
        count = await self._increment(policy, quota, who)
        if count.used > count.quota:
            getattr(connection.state, "rate_limit_usage", []).append(count)  # so that the answer shows which limit it was
            count.raise_if_exceeded(f"Too many attempts: try again in {count.reset} seconds")

    async def require_redis(self) -> None:
        """Raises Unavailable when the Redis of the settings does not answer; requests are served without it, too."""
        try:
            if self._redis is not None and not await self._redis.check():
                raise Unavailable("Redis does not answer")
        except (StorageError, OSError) as error:
            raise Unavailable(f"Redis does not answer ({error})") from error

    async def _increment(self, policy: str, quota: RateLimitItem, who: str) -> Usage:
        key = quota.key_for(policy, who)
        found = await self._increment_in_redis(key, quota) or await _increment_counter(self._memory, key, quota)
        # A counter that ends in this very moment still stands for a second: nobody is told to try again in 0.
        reset = max(1, math.ceil(found[1] - time.time()))
        return Usage(policy, quota.amount, quota.get_expiry(), found[0], reset)

    async def _increment_in_redis(self, key: str, quota: RateLimitItem) -> tuple[int, float] | None:
        if self._redis is None or time.monotonic() < self._retry_redis_at:
            return None
        try:
            found = await _increment_counter(self._redis, key, quota)
        except (StorageError, OSError) as error:
            self._retry_redis_at = time.monotonic() + RETRY_REDIS_AFTER
            if not self._redis_is_down:
                log.warning("Redis is gone: each process counts requests by itself", reason=str(error))
            self._redis_is_down = True
            return None
        if self._redis_is_down:
            log.info("Redis is back: requests are counted together")
        self._redis_is_down = False
        return found


@contextlib.asynccontextmanager
async def open_rate_limits(settings: Settings, pool: "ConnectionPool | None" = None) -> AsyncIterator[RateLimits]:
    """The limits, counted in Redis if there is one."""
    memory = MemoryStorage()
    # The library looks through all counters at each request, unless the task that does so is still running: with ten
    # thousand callers that were milliseconds. Ours looks now and then.
    memory.timer = asyncio.create_task(_remove_expired_periodically(memory))
    try:
        yield RateLimits(settings, memory, pool)
    finally:
        memory.timer.cancel()


async def _remove_expired_periodically(memory: MemoryStorage) -> None:
    while True:
        await asyncio.sleep(RETRY_REDIS_AFTER)
        await remove_expired(memory)


async def remove_expired(memory: MemoryStorage) -> None:
    """Remove the counters whose windows have ended."""
    for number, key in enumerate(list(memory.expirations)):
        await memory.get(key)  # removes it, if it is old
        if number % _BATCH_SIZE == 0:
            await asyncio.sleep(0)  # requests first


def _redis_storage(pool: "ConnectionPool", prefix: str) -> Storage:
    # The pool knows the address; the library only wants to see that it is one of Redis.
    options: dict[str, Any] = {"connection_pool": pool}
    return RedisStorage("async+redis://", wrap_exceptions=True, implementation="redispy", key_prefix=prefix, **options)


def _parse_limit(text: str) -> RateLimitItem | None:
    return None if text == "off" else parse(text)


async def _increment_counter(storage: Storage, key: str, quota: RateLimitItem) -> tuple[int, float]:
    """One more: how many there were in this window, and when it ends, in seconds since 1970."""
    used = await storage.incr(key, quota.get_expiry())
    end = await storage.get_expiry(key)
    if end - time.time() > quota.get_expiry() + 1:
        # The clock was set back: this window would last until the clock has caught up.
        await storage.clear(key)
        return await storage.incr(key, quota.get_expiry()), await storage.get_expiry(key)
    return used, end
