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
from blog.framework.caching.response_cache import Answer, Header, Key
from blog.framework.templating.resources import folder
from blog.observability.logging import Outage
from blog.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

log = structlog.stdlib.get_logger("blog.answers")
_PAUSE = 10.0
_LARGEST = 1_000_000
_SEAL, _HEAD = 32, struct.Struct(">I")
_OF_ONE_MACHINE = {"database_url", "media_dir"}  # what differs between workers and shows on no page


class SharedAnswers:
    """The second level of the answer cache. Without Redis, or while it is gone, it finds nothing and keeps nothing.

    A Redis that does not answer delays one request in ten seconds by the patience of its pool, and the others not at all.
    In the time that an answer is kept, a worker puts no more bytes here than it may have in its own memory.
    """

    def __init__(self, settings: Settings, pool: "ConnectionPool | None") -> None:
        self._seconds, self._most = settings.cache_seconds, settings.cache_bytes
        self._outage = Outage(log, "Redis is gone: each worker makes its answers itself", "Redis is back: workers share answers")
        self._is_gone, self._ask_at = False, 0.0
        self._written, self._window_ends = 0, 0.0
        if pool is None:
            self._redis = None
            return
        # Only here: who has no REDIS_URL needs no such package.
        from redis.asyncio import Redis

        self._redis = Redis(connection_pool=pool)
        # Workers that would answer differently, by their version or their settings, have nothing to say to each other.
        look = settings.model_dump_json(exclude=_OF_ONE_MACHINE)
        self._prefix = f"blog:{settings.public_url}:answers:{_digest(_program() + look.encode())}:"
        # Whoever can write to Redis cannot write our pages.
        self._secret = hashlib.sha256(b"blog.answers" + settings.secret_key.get_secret_value().encode()).digest()

    @property
    def is_on(self) -> bool:
        """Is there a second level?"""
        return self._redis is not None

    async def find(self, key: Key) -> tuple[Answer, Position] | None:
        """The answer as it was kept, and the place in the event log after which its content was read."""
        if self._redis is None or not self._may_ask():
            return None
        from redis.exceptions import RedisError

        name = self._name(key)
        try:
            async with self._redis.pipeline(transaction=False) as both:
                both.get(name)
                both.pttl(name)
                value, left = await both.execute()
        except (RedisError, OSError) as error:
            self._lost(error)
            return None
        self._is_gone, self._ask_at = False, 0.0
        self._outage.over()
        if value is None or left <= 0 or not hmac.compare_digest(value[:_SEAL], self._seal(name, value[_SEAL:])):
            return None
        return _unpacked(value[_SEAL:], time.monotonic() + left / 1000)

    async def keep(self, key: Key, answer: Answer, made_at: Position) -> None:
        """Keep an answer for all workers, as long as its maker keeps it."""
        left = int((answer.expires_at - time.monotonic()) * 1000)
        if self._redis is None or left <= 0 or answer.size > _LARGEST or not self._may_ask() or not self._has_room(answer.size):
            return
        from redis.exceptions import RedisError

        name, value = self._name(key), _packed(answer, made_at)
        try:
            await self._redis.set(name, self._seal(name, value) + value, px=left)
        except (RedisError, OSError) as error:
            self._lost(error)

    def _may_ask(self) -> bool:
        now = time.monotonic()
        if now < self._ask_at:
            return False
        if self._is_gone:
            self._ask_at = now + _PAUSE  # one tries whether it is back, the others go on
        return True

    def _lost(self, error: Exception) -> None:
        self._is_gone, self._ask_at = True, time.monotonic() + _PAUSE
        self._outage.met(str(error))

    def _has_room(self, size: int) -> bool:
        """Strangers can ask for any number of addresses: the memory of Redis is not theirs to fill."""
        now = time.monotonic()
        if now >= self._window_ends:
            self._written, self._window_ends = 0, now + self._seconds
        self._written += size
        return self._written <= self._most

    def _name(self, key: Key) -> str:
        return self._prefix + _digest(repr(key).encode())

    def _seal(self, name: str, value: bytes) -> bytes:
        return hmac.digest(self._secret, name.encode() + value, "sha256")


def _packed(answer: Answer, made_at: Position) -> bytes:
    head = {
        "made_at": [made_at.epoch, made_at.id],
        "headers": _as_text(answer.headers),
        "fresh": _as_text(answer.fresh),
        "tag": answer.tag.decode("latin-1"),
        "channels": sorted(answer.channels),
        "route": answer.route,
        "viewed": answer.viewed,
    }
    text = json.dumps(head).encode()
    return _HEAD.pack(len(text)) + text + answer.body


def _unpacked(value: bytes, expires_at: float) -> tuple[Answer, Position]:
    begin = _HEAD.size + _HEAD.unpack_from(value)[0]
    head = json.loads(value[_HEAD.size : begin])
    answer = Answer(
        headers=_as_headers(head["headers"]),
        fresh=_as_headers(head["fresh"]),
        body=value[begin:],
        tag=head["tag"].encode("latin-1"),
        channels=frozenset(head["channels"]),
        route=head["route"],
        viewed=head["viewed"],
        expires_at=expires_at,
    )
    return answer, Position(*head["made_at"])


def _as_text(headers: tuple[Header, ...]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]


def _as_headers(pairs: list[list[str]]) -> tuple[Header, ...]:
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs)


def _program() -> bytes:
    """A digest of all that makes pages: while a new version is rolled out, old and new workers run beside each other."""
    found = hashlib.sha256()
    for path in _sources():
        found.update(path.read_bytes())
    return found.digest()


def _sources() -> Iterator[Path]:
    package = Path(__file__).resolve().parents[2]
    yield from sorted(package.rglob("*.py"))
    for name in ("templates", "static"):
        yield from sorted(path for path in folder(name).rglob("*") if path.is_file())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
