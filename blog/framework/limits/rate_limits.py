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

from blog.domain.core.signing import Signer, digest
from blog.errors import TooManyRequests, Unavailable
from blog.framework.identity.authentication import caller_of, network_of
from blog.framework.identity.known_devices import Devices
from blog.observability import metrics
from blog.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

log = structlog.stdlib.get_logger("blog.rate_limits")
# From one address people sign in to several accounts: a household, an office.
_ACCOUNTS = 5
# A Redis that does not answer delays one request in so many seconds, by the patience of its pool, and the others not at all.
_PAUSE = 10.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Count:
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

    def require(self, detail: str = "") -> None:
        """Raises TooManyRequests when there were too many."""
        if self.used > self.quota:
            metrics.refusals.add(self.policy)
            raise TooManyRequests(detail, retry_after=self.reset)


class RateLimits:
    """The limits of one application. A window begins with the first request of a caller and ends for all of it at once."""

    def __init__(self, settings: Settings, memory: MemoryStorage, pool: "ConnectionPool | None" = None) -> None:
        self._default = _quota(settings.rate_limit)
        self._sign_in = _quota(settings.sign_in_rate_limit) if self._default else None
        self._account = _quota(settings.account_rate_limit) if self._sign_in else None
        self.devices = Devices(settings, Signer(settings.secret_key, settings.secret_key_previous))
        self._memory = memory
        # Blogs that share one Redis do not share their users.
        self._redis = _redis(pool, f"blog:{settings.public_url}") if pool else None
        self._redis_is_gone, self._ask_redis_at = False, 0.0

    async def count(self, connection: HTTPConnection) -> Count | None:
        """Count a request of this caller; None when nothing is limited."""
        if self._default is None:
            return None
        return await self._add("default", self._default, caller_of(connection))

    async def sign_in(self, connection: HTTPConnection, username: str) -> None:
        """Count an attempt to sign in, whether it will succeed or not: by address, by address and account, by account.

        Those who guess from many addresses use up what an account allows to unknown browsers, and its owner goes on with
        a known one, or by a link to a new password. Raises TooManyRequests.
        """
        if self._sign_in is None:
            return
        network = network_of(connection)
        name = digest(username.casefold())  # Redis keeps no names, nor what was typed in their place by mistake
        if device := self.devices.known(connection, username):
            # Counted by itself: whatever strangers do, to this account or from this address, its owner gets in.
            await self._count_attempt(connection, "sign-in", self._sign_in, f"{device}:{name}")
            return
        address = type(self._sign_in)(self._sign_in.amount * _ACCOUNTS, self._sign_in.multiples)
        await self._count_attempt(connection, "sign-in", address, network)
        await self._count_attempt(connection, "sign-in", self._sign_in, f"{network}:{name}")
        # Last, so that what one address may not try takes nothing from what all may.
        if self._account:
            await self._count_attempt(connection, "account", self._account, name)

    async def attempt(self, connection: HTTPConnection, what: str) -> None:
        """Count an attempt at something that strangers may do now and then, by their address. Raises TooManyRequests."""
        if self._sign_in is not None:
            await self._count_attempt(connection, what, self._sign_in, network_of(connection))

    async def _count_attempt(self, connection: HTTPConnection, policy: str, quota: RateLimitItem, who: str) -> None:
        count = await self._add(policy, quota, who)
        if count.used > count.quota:
            getattr(connection.state, "counts", []).append(count)  # so that the answer shows which limit it was
            count.require(f"Too many attempts: try again in {count.reset} seconds")

    async def require_redis(self) -> None:
        """Raises Unavailable when the Redis of the settings does not answer; requests are served without it, too."""
        try:
            if self._redis is not None and not await self._redis.check():
                raise Unavailable("Redis does not answer")
        except (StorageError, OSError) as error:
            raise Unavailable(f"Redis does not answer ({error})") from error

    async def _add(self, policy: str, quota: RateLimitItem, who: str) -> Count:
        key = quota.key_for(policy, who)
        found = await self._add_in_redis(key, quota) or await _added(self._memory, key, quota)
        # A counter that ends in this very moment still stands for a second: nobody is told to try again in 0.
        reset = max(1, math.ceil(found[1] - time.time()))
        return Count(policy, quota.amount, quota.get_expiry(), found[0], reset)

    async def _add_in_redis(self, key: str, quota: RateLimitItem) -> tuple[int, float] | None:
        if self._redis is None or time.monotonic() < self._ask_redis_at:
            return None
        try:
            found = await _added(self._redis, key, quota)
        except (StorageError, OSError) as error:
            self._ask_redis_at = time.monotonic() + _PAUSE
            if not self._redis_is_gone:
                log.warning("Redis is gone: each process counts requests by itself", reason=str(error))
            self._redis_is_gone = True
            return None
        if self._redis_is_gone:
            log.info("Redis is back: requests are counted together")
        self._redis_is_gone = False
        return found


@contextlib.asynccontextmanager
async def open_rate_limits(settings: Settings, pool: "ConnectionPool | None" = None) -> AsyncIterator[RateLimits]:
    """The limits, counted in Redis if there is one."""
    memory = MemoryStorage()
    # The library looks through all counters at each request, unless the task that does so is still running: with ten
    # thousand callers that were milliseconds. Ours looks now and then.
    memory.timer = asyncio.create_task(_tidy(memory))
    try:
        yield RateLimits(settings, memory, pool)
    finally:
        memory.timer.cancel()


async def _tidy(memory: MemoryStorage) -> None:
    while True:
        await asyncio.sleep(_PAUSE)
        await drop_old(memory)


async def drop_old(memory: MemoryStorage) -> None:
    """Remove the counters whose windows have ended."""
    for number, key in enumerate(list(memory.expirations)):
        await memory.get(key)  # removes it, if it is old
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)  # requests first


def _redis(pool: "ConnectionPool", prefix: str) -> Storage:
    # The pool knows the address; the library only wants to see that it is one of Redis.
    options: dict[str, Any] = {"connection_pool": pool}
    return RedisStorage("async+redis://", wrap_exceptions=True, implementation="redispy", key_prefix=prefix, **options)


def _quota(text: str) -> RateLimitItem | None:
    return None if text == "off" else parse(text)


async def _added(storage: Storage, key: str, quota: RateLimitItem) -> tuple[int, float]:
    """One more: how many there were in this window, and when it ends, in seconds since 1970."""
    used = await storage.incr(key, quota.get_expiry())
    end = await storage.get_expiry(key)
    if end - time.time() > quota.get_expiry() + 1:
        # The clock was set back: this window would last until the clock has caught up.
        await storage.clear(key)
        return await storage.incr(key, quota.get_expiry()), await storage.get_expiry(key)
    return used, end
