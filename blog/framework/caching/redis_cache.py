"""Finished answers in Redis: what one worker made, on whatever machine, the others need not make again.

Each carries how far its maker had read the event log before it read the content. Who takes it looks whether anything happened
since on its channels, by what they have heard themselves: so it does not matter who wrote it last, nor how late. Nothing is
ever removed here but by time.
"""

import hashlib
import hmac
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from blog.domain.core.events import Position
from blog.framework.caching.response_cache import CachedResponse, CacheKey, Header
from blog.framework.templating.resources import resource_dir
from blog.observability.logging import OutageLog
from blog.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

log = structlog.stdlib.get_logger("blog.answers")
RETRY_REDIS_AFTER = 10.0
_MAX_ENTRY_BYTES = 1_000_000
_SIGNATURE_LENGTH, _METADATA_LENGTH = 32, struct.Struct(">I")
_PER_MACHINE_SETTINGS = {"database_url", "media_dir"}  # what differs between workers and shows on no page


class RedisResponseCache:
    """The second level of the answer cache. Without Redis, or while it is gone, it finds nothing and keeps nothing.

    A Redis that does not answer delays one request in ten seconds by the patience of its pool, and the others not at all.
    In the time that an answer is kept, a worker puts no more bytes here than it may have in its own memory.
    """

    def __init__(self, settings: Settings, pool: "ConnectionPool | None") -> None:
        self._max_age, self._max_bytes = settings.cache_max_age, settings.max_cache_bytes
        self._outage = OutageLog(
            log, "Redis is gone: each worker makes its answers itself", "Redis is back: workers share answers"
        )
        self._is_down, self._retry_at = False, 0.0
        self._written_bytes, self._window_end = 0, 0.0
        if pool is None:
            self._redis = None
            return
        # Only here: who has no REDIS_URL needs no such package.
        from redis.asyncio import Redis

        self._redis = Redis(connection_pool=pool)
        # Workers that would answer differently, by their version or their settings, have nothing to say to each other.
        look = settings.model_dump_json(exclude=_PER_MACHINE_SETTINGS)
        self._key_prefix = f"blog:{settings.public_url}:answers:{_sha256(_code_digest() + look.encode())}:"
        # Whoever can write to Redis cannot write our pages.
        self._secret = hashlib.sha256(b"blog.answers" + settings.secret_key.get_secret_value().encode()).digest()

    @property
    def is_enabled(self) -> bool:
        """Is there a second level?"""
        return self._redis is not None

    async def find(self, key: CacheKey) -> tuple[CachedResponse, Position] | None:
        """The answer as it was kept, and the place in the event log after which its content was read."""
        if self._redis is None or not self._is_available():
            return None
        from redis.exceptions import RedisError

        name = self._redis_key(key)
        try:
            async with self._redis.pipeline(transaction=False) as both:
                both.get(name)
                both.pttl(name)
                value, left = await both.execute()
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        self._is_down, self._retry_at = False, 0.0
        self._outage.recovered()
        if (
            value is None
            or left <= 0
            or not hmac.compare_digest(value[:_SIGNATURE_LENGTH], self._signature(name, value[_SIGNATURE_LENGTH:]))
        ):
            return None
        return _deserialise(value[_SIGNATURE_LENGTH:], time.monotonic() + left / 1000)

    async def store(self, key: CacheKey, response: CachedResponse, position: Position) -> None:
        """Keep an answer for all workers, as long as its maker keeps it."""
        left = int((response.expires_at - time.monotonic()) * 1000)
        if (
            self._redis is None
            or left <= 0
            or response.size > _MAX_ENTRY_BYTES
            or not self._is_available()
            or not self._is_within_write_limit(response.size)
        ):
            return
        from redis.exceptions import RedisError

        name, value = self._redis_key(key), _serialise(response, position)
        try:
            await self._redis.set(name, self._signature(name, value) + value, px=left)
        except (RedisError, OSError) as error:
            self._failed(error)

    def _is_available(self) -> bool:
        now = time.monotonic()
        if now < self._retry_at:
            return False
        if self._is_down:
            self._retry_at = now + RETRY_REDIS_AFTER  # one tries whether it is back, the others go on
        return True

    def _failed(self, error: Exception) -> None:
        self._is_down, self._retry_at = True, time.monotonic() + RETRY_REDIS_AFTER
        self._outage.failed(str(error))

    def _is_within_write_limit(self, size: int) -> bool:
        """Strangers can ask for any number of addresses: the memory of Redis is not theirs to fill."""
        now = time.monotonic()
        if now >= self._window_end:
            self._written_bytes, self._window_end = 0, now + self._max_age
        self._written_bytes += size
        return self._written_bytes <= self._max_bytes

    def _redis_key(self, key: CacheKey) -> str:
        return self._key_prefix + _sha256(repr(key).encode())

    def _signature(self, name: str, value: bytes) -> bytes:
        return hmac.digest(self._secret, name.encode() + value, "sha256")


def _serialise(answer: CachedResponse, made_at: Position) -> bytes:
    head = {
        "made_at": [made_at.epoch, made_at.id],
        "headers": _headers_to_json(answer.headers),
        "fresh": _headers_to_json(answer.headers_304),
        "tag": answer.etag.decode("latin-1"),
        "channels": sorted(answer.channels),
        "route": answer.route,
        "viewed": answer.counts_view_of,
    }
    text = json.dumps(head).encode()
    return _METADATA_LENGTH.pack(len(text)) + text + answer.body


def _deserialise(value: bytes, expires_at: float) -> tuple[CachedResponse, Position]:
    begin = _METADATA_LENGTH.size + _METADATA_LENGTH.unpack_from(value)[0]
    head = json.loads(value[_METADATA_LENGTH.size : begin])
    answer = CachedResponse(
        headers=_headers_from_json(head["headers"]),
        headers_304=_headers_from_json(head["fresh"]),
        body=value[begin:],
        etag=head["tag"].encode("latin-1"),
        channels=frozenset(head["channels"]),
        route=head["route"],
        counts_view_of=head["viewed"],
        expires_at=expires_at,
    )
    return answer, Position(*head["made_at"])


def _headers_to_json(headers: tuple[Header, ...]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]


def _headers_from_json(pairs: list[list[str]]) -> tuple[Header, ...]:
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs)


def _code_digest() -> bytes:
    """A digest of all that makes pages: while a new version is rolled out, old and new workers run beside each other."""
    found = hashlib.sha256()
    for path in _source_files():
        found.update(path.read_bytes())
    return found.digest()


def _source_files() -> Iterator[Path]:
    package = Path(__file__).resolve().parents[2]
    yield from sorted(package.rglob("*.py"))
    for name in ("templates", "static"):
        yield from sorted(path for path in resource_dir(name).rglob("*") if path.is_file())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
