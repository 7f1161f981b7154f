"""Rate limits, counted in Redis for all workers together if it is configured, otherwise in this process."""

import asyncio
import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
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
from blog.text.normalisation import fold_name

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

log = structlog.stdlib.get_logger("blog.rate_limits")
# Several people share one address, such as a household or an office.
_ACCOUNTS_PER_ADDRESS = 5
RETRY_REDIS_AFTER = 10.0
"""Seconds between attempts while Redis is down: one request waits for the timeout of the pool, the others do not."""
_BATCH_SIZE = 500
_MAX_LAST_COUNTS = 10_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of one policy by one client: `used` of `quota` requests in a window of `window` s that ends in `reset` s."""

    policy: str
    quota: int
    window: int
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        """Requests that remain in this window."""
        return max(0, self.quota - self.used)

    def raise_if_exceeded(self, detail: str = "") -> None:
        """Raise TooManyRequests if the quota is exceeded."""
        if self.used > self.quota:
            metrics.rate_limited.inc(self.policy)
            raise TooManyRequests(detail, retry_after=self.reset)


def rate_limit_headers(usages: Collection[Usage]) -> list[tuple[bytes, bytes]]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers, or nothing without limits."""
    if not usages:
        return []
    policies = ", ".join([f'"{usage.policy}";q={usage.quota};w={usage.window}' for usage in usages])
    remaining = ", ".join([f'"{usage.policy}";r={usage.remaining};t={usage.reset}' for usage in usages])
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", remaining.encode())]


class RateLimits:
    """The limits of one application. A window begins with the first request of a client and has a fixed length."""

    def __init__(self, settings: Settings, memory: MemoryStorage, pool: "ConnectionPool | None" = None) -> None:
        self._default_limit = _parse_limit(settings.rate_limit)
        self._sign_in_limit = _parse_limit(settings.login_rate_limit_per_address) if self._default_limit else None
        self._account_limit = _parse_limit(settings.login_rate_limit_per_account) if self._sign_in_limit else None
        self.known_devices = KnownDevices(settings, Signer(settings.secret_key, settings.secret_key_previous))
        self._last_counts: OrderedDict[str, tuple[int, float]] = OrderedDict()  # by client: requests, end of the window
        self._memory = memory
        # Blogs that share one Redis server do not share their counters.
        self._redis = _redis_storage(pool, f"blog:{settings.public_url}") if pool else None
        self._redis_is_down, self._retry_redis_at = False, 0.0

    async def count_request(self, connection: HTTPConnection) -> Usage | None:
        """Count a request of this client. Return None if there is no limit."""
        if self._default_limit is None:
            return None
        return await self._count(client_key(connection), 1, self._default_limit)

    async def _count(self, client: str, units: int, quota: RateLimitItem) -> Usage:
        used, end = await self._increment("default", quota, client, units)
        self._last_counts[client] = used, end
        self._last_counts.move_to_end(client)
        if len(self._last_counts) > _MAX_LAST_COUNTS:
            self._last_counts.popitem(last=False)
        return _usage("default", quota, used, end)

    @property
    def has_default_limit(self) -> bool:
        """Whether requests are counted."""
        return self._default_limit is not None

    def last_usage(self, client: str) -> Usage | None:
        """Return the usage that this process has last counted for a client key, without access to the storage of the counters.

        Returns an unused quota for a client that was not counted in this window, and None if there is no limit.
        """
        if self._default_limit is None:
            return None
        used, end = self._last_counts.get(client, (0, 0.0))
        if end <= (now := time.time()):
            used, end = 0, now + self._default_limit.get_expiry()
        return _usage("default", self._default_limit, used, end)

    async def charge(self, connection: HTTPConnection, key: str, units: int) -> None:
        """Count work that costs as much as `units` requests, such as the replay of events.

        A client can exceed the limit once: the work of one request may cost more than the limit allows.

        - `key`: as from `client_key`.

        Raises TooManyRequests if the limit was exceeded before.
        """
        if self._default_limit is None or units <= 0:
            return
        usage = await self._count(key, units, self._default_limit)
        getattr(connection.state, "rate_limit_usage", [])[:1] = [usage]  # for the headers of the response
        replace(usage, used=usage.used - units).raise_if_exceeded()

    async def check_sign_in(self, connection: HTTPConnection, username: str) -> None:
        """Count a sign-in attempt, successful or not, by address, by address and account, and by account.

        Attackers with many addresses exhaust the limit of an account for unknown browsers. Its owner can still sign in with a
        known device, or reset the password. Raises TooManyRequests.
        """
        if self._sign_in_limit is None:
            return
        network = client_network(connection)
        name = hash_secret(fold_name(username))  # hashed: the input can be a password typed into the wrong field
        if device := self.known_devices.device_id(connection, username):
            # Counted separately: attacks on this account or from this address do not lock out its owner.
            await self._count_attempt(connection, "sign-in", self._sign_in_limit, f"{device}:{name}")
            return
        address = type(self._sign_in_limit)(self._sign_in_limit.amount * _ACCOUNTS_PER_ADDRESS, self._sign_in_limit.multiples)
        await self._count_attempt(connection, "sign-in", address, network)
        await self._count_attempt(connection, "sign-in", self._sign_in_limit, f"{network}:{name}")
        # Last: attempts that are over the limit of one address do not count for the account.
        if self._account_limit:
            await self._count_attempt(connection, "account", self._account_limit, name)

    async def check(self, connection: HTTPConnection, policy: str) -> None:
        """Count an anonymous action, such as a registration, by address. Raises TooManyRequests."""
        if self._sign_in_limit is not None:
            await self._count_attempt(connection, policy, self._sign_in_limit, client_network(connection))

    async def _count_attempt(self, connection: HTTPConnection, policy: str, quota: RateLimitItem, client: str) -> None:
        usage = _usage(policy, quota, *await self._increment(policy, quota, client))
        if usage.used > usage.quota:
            getattr(connection.state, "rate_limit_usage", []).append(usage)  # for the headers of the response
            usage.raise_if_exceeded(f"Too many attempts. Try again in {usage.reset} seconds.")

    async def require_redis(self) -> None:
        """Raise Unavailable if Redis is configured and does not answer. For the readiness check; requests do not need Redis."""
        try:
            if self._redis is not None and not await self._redis.check():
                raise Unavailable("Redis does not answer")
        except (StorageError, OSError) as error:
            raise Unavailable(f"Redis does not answer ({error})") from error

    async def _increment(self, policy: str, quota: RateLimitItem, client: str, units: int = 1) -> tuple[int, float]:
        """Add `units` to a counter. Return its value and the end of its window, in seconds since 1970."""
        key = quota.key_for(policy, client)
        counted = await self._increment_in_redis(key, quota, units)
        return counted or await _increment_counter(self._memory, key, quota, units)

    async def _increment_in_redis(self, key: str, quota: RateLimitItem, units: int) -> tuple[int, float] | None:
        if self._redis is None or time.monotonic() < self._retry_redis_at:
            return None
        try:
            result = await _increment_counter(self._redis, key, quota, units)
        except (StorageError, OSError) as error:
            self._retry_redis_at = time.monotonic() + RETRY_REDIS_AFTER
            if not self._redis_is_down:
                log.warning("Redis is down: each process counts requests separately", reason=str(error))
            self._redis_is_down = True
            return None
        if self._redis_is_down:
            log.info("Redis is up: processes count requests together")
        self._redis_is_down = False
        return result


@contextlib.asynccontextmanager
async def open_rate_limits(settings: Settings, pool: "ConnectionPool | None" = None) -> AsyncIterator[RateLimits]:
    """Yield the rate limits, with a task that removes expired counters."""
    memory = MemoryStorage()
    # Replaces the library's task, which scans all counters at each request: with 10,000 clients that takes milliseconds.
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
    """Remove the counters of expired windows."""
    for number, key in enumerate(list(memory.expirations)):
        await memory.get(key)  # removes an expired counter
        if number % _BATCH_SIZE == 0:
            await asyncio.sleep(0)  # let requests run


def _redis_storage(pool: "ConnectionPool", prefix: str) -> Storage:
    # The pool has the address. The URL only selects the kind of storage.
    options: dict[str, Any] = {"connection_pool": pool}
    return RedisStorage("async+redis://", wrap_exceptions=True, implementation="redispy", key_prefix=prefix, **options)


def _usage(policy: str, quota: RateLimitItem, used: int, end: float) -> Usage:
    reset = max(1, math.ceil(end - time.time()))  # never 0: clients would retry at once
    return Usage(policy, quota.amount, quota.get_expiry(), used, reset)


def _parse_limit(text: str) -> RateLimitItem | None:
    return None if text == "off" else parse(text)


async def _increment_counter(storage: Storage, key: str, quota: RateLimitItem, units: int) -> tuple[int, float]:
    """Add `units` to a counter. Return its value and the end of its window, in seconds since 1970."""
    used = await storage.incr(key, quota.get_expiry(), units)
    end = await storage.get_expiry(key)
    if end - time.time() > quota.get_expiry() + 1:
        # The system clock was set back: without this the window would last until the clock has caught up.
        await storage.clear(key)
        return await storage.incr(key, quota.get_expiry(), units), await storage.get_expiry(key)
    return used, end
