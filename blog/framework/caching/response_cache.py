"""Finished answers to public requests, kept as bytes until something that they show changes."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import Request

from blog.domain.core import events
from blog.domain.core.events import Position
from blog.framework.caching.single_write import encode_headers

Header = tuple[bytes, bytes]
CacheKey = tuple[bytes, bytes, str, bytes]
"""Path and query as they were sent, theme, and origin of the asking page, if it is one that is allowed."""

_ENTRY_OVERHEAD_BYTES = 2000
_MAX_ENTRY_DIVISOR = 8
_MAX_INVALIDATIONS = 1000


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A finished answer of status 200. `route` is the template for the log; `viewed` the post that a reader of it views.

    `headers` go out with the body, `fresh` with a 304, and `head` and `fresh_head` are the same as bytes; `encoded` holds the
    same answer by content coding, each made once.
    """

    headers: tuple[Header, ...]
    headers_304: tuple[Header, ...]
    body: bytes
    etag: bytes
    channels: frozenset[str]
    route: str
    counts_view_of: int | None
    expires_at: float
    encoded_variants: "dict[bytes, CachedResponse]" = field(default_factory=dict, compare=False)
    header_block: bytes = field(init=False, repr=False, compare=False)
    header_block_304: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Write the fields down; it is frozen for all others."""
        object.__setattr__(self, "header_block", encode_headers(self.headers))
        object.__setattr__(self, "header_block_304", encode_headers(self.headers_304))

    @property
    def size(self) -> int:
        """Bytes that it takes, more or less."""
        return len(self.body) + len(self.header_block) + len(self.header_block_304) + _ENTRY_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Generation:
    """When something was read: how much had been forgotten in this process, and how far it had read the event log."""

    number: int
    position: Position


@dataclass(frozen=True, slots=True)
class _Invalidation:
    """What was forgotten at a moment; with event 0 of no event, with channels None everything."""

    number: int
    event_id: int
    channels: frozenset[str] | None

    def affects(self, channels: frozenset[str]) -> bool:
        return self.channels is None or not self.channels.isdisjoint(channels)


@dataclass(slots=True)
class CachePolicy:
    """What an endpoint said of its answer."""

    channels: frozenset[str]
    counts_view_of: int | None = None


class ResponseCache:
    """At most `most_bytes`, the least recently used out first, none for longer than `seconds`.

    An answer goes when an event comes on one of its channels. A commit of this very process puts all of them in doubt until
    the log was read again, so that who writes and then reads finds what they wrote.
    """

    def __init__(self, max_bytes: int, max_age: float) -> None:
        self.in_progress: dict[CacheKey, asyncio.Event] = {}
        self._max_bytes, self._max_age = max_bytes, max_age
        self._responses: OrderedDict[CacheKey, CachedResponse] = OrderedDict()
        self._keys_by_channel: dict[str, set[CacheKey]] = {}
        self._size = 0
        self._generation = 0
        self._invalidations: deque[_Invalidation] = deque()
        self._position, self._history_start_id = Position("", 0), 0
        self._commit_count = self._caught_up_count = 0

    @property
    def max_entry_bytes(self) -> int:
        """Bytes of the largest answer that is kept."""
        return self._max_bytes // _MAX_ENTRY_DIVISOR

    @property
    def is_enabled(self) -> bool:
        """Is anything kept at all?"""
        return self._max_bytes > 0 and self._max_age > 0

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._responses)

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return self._size

    def find(self, key: CacheKey) -> CachedResponse | None:
        """The answer, if it is certain that it is the present one, as far as this process has heard."""
        answer = self._responses.get(key)
        if answer is None or not self.is_up_to_date:
            return None
        if answer.expires_at < time.monotonic():
            self._remove(key)
            return None
        self._responses.move_to_end(key)
        return answer

    def generation(self) -> Generation:
        """Take it before the content is read; `keep` refuses what became old since."""
        return Generation(self._generation, self._position)

    @property
    def is_up_to_date(self) -> bool:
        """Was the log read since this process wrote something?"""
        return self._commit_count == self._caught_up_count

    def is_current(self, channels: frozenset[str], position: Position) -> bool:
        """Is an answer of another process, whose content was read after `made_at`, as good as one of ours would be now?

        One that has read further than we is: nothing we have heard of is missing in it. For all others our memory of what
        happened since must reach back as far.
        """
        if not self.is_up_to_date or position.epoch != self._position.epoch or position.id < self._history_start_id:
            return False
        return not any(gone.event_id > position.id and gone.affects(channels) for gone in self._invalidations)

    def store(self, key: CacheKey, response: CachedResponse, since: Generation) -> bool:
        """Keep an answer whose content was read after the moment `since`."""
        if response.size > self.max_entry_bytes or self._is_stale(response.channels, since):
            return False
        self._remove(key)
        self._responses[key] = response
        self._size += response.size
        for channel in response.channels:
            self._keys_by_channel.setdefault(channel, set()).add(key)
        self._evict()
        return True

    def store_encoded(self, key: CacheKey, response: CachedResponse, encoding: bytes, encoded: CachedResponse) -> None:
        """Keep the same answer in another encoding beside it."""
        if self._responses.get(key) is response and encoding not in response.encoded_variants:
            response.encoded_variants[encoding] = encoded
            self._size += encoded.size
            self._evict()

    def expiry(self) -> float:
        """Until when an answer that is finished now is kept, on the clock of `time.monotonic`."""
        return time.monotonic() + self._max_age

    # What the follower of the event log calls, and the database.

    def on_commit(self) -> None:
        """This process wrote something, and the log was not read since."""
        self._commit_count += 1

    def commit_count(self) -> int:
        """Take it before the log is read; `follow` wants it after."""
        return self._commit_count

    def caught_up(self, commits: int) -> None:
        """The log was read to its end, with all that these commits wrote."""
        self._caught_up_count = max(self._caught_up_count, commits)

    def reset(self, position: Position) -> None:
        """The log is followed from here on; what is known of another, or of its past, is worth nothing."""
        self.clear()
        self._position, self._history_start_id = position, position.id

    def invalidate(self, event_id: int, channels: Iterable[str]) -> None:
        """This event came, on these channels."""
        gone = frozenset(channels)
        self._position = Position(self._position.epoch, event_id)
        self._record_invalidation(event_id, gone)
        for channel in gone:
            for key in tuple(self._keys_by_channel.get(channel, ())):
                self._remove(key)

    def clear(self) -> None:
        """Anything may have changed."""
        self._record_invalidation(0, None)
        self._responses.clear()
        self._keys_by_channel.clear()
        self._size = 0

    def _record_invalidation(self, event_id: int, channels: frozenset[str] | None) -> None:
        self._generation += 1
        self._invalidations.append(_Invalidation(self._generation, event_id, channels))
        if len(self._invalidations) > _MAX_INVALIDATIONS:
            self._history_start_id = max(self._history_start_id, self._invalidations.popleft().event_id)

    def _is_stale(self, channels: frozenset[str], since: Generation) -> bool:
        later = [gone for gone in self._invalidations if gone.number > since.number]
        if len(later) < self._generation - since.number:
            return True  # more happened than is remembered
        return any(gone.affects(channels) for gone in later)

    def _evict(self) -> None:
        while self._size > self._max_bytes:
            self._remove(next(iter(self._responses)))

    def _remove(self, key: CacheKey) -> None:
        answer = self._responses.pop(key, None)
        if answer is None:
            return
        self._size -= answer.size + sum(other.size for other in answer.encoded_variants.values())
        for channel in answer.channels:
            keys = self._keys_by_channel[channel]
            keys.discard(key)
            if not keys:
                del self._keys_by_channel[channel]


def cache_until_event(request: Request, *channels: str, counts_view_of: int | None = None) -> None:
    """This answer shows public content alone, and stays as it is until something happens on one of the channels.

    It is kept only if a stranger asked for it. `viewed` is the post that a reader views by it.
    """
    request.state.cache_policy = CachePolicy(frozenset((*channels, events.SITE)), counts_view_of)
