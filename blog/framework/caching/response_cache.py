"""Cache of complete responses to anonymous requests, invalidated by events."""

import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import Request

from blog.domain.core import events
from blog.framework.caching.fast_path import encode_headers
from blog.framework.caching.in_progress import ResponseInProgress

Header = tuple[bytes, bytes]
CacheKey = tuple[bytes, bytes, str]
"""Raw path, query string and theme."""

HIT_HEADERS: tuple[Header, ...] = ((b"cache-status", b"blog; hit"), (b"x-cache", b"hit"))

_ENTRY_OVERHEAD_BYTES = 2000
_MAX_ENTRY_DIVISOR = 8
_MAX_INVALIDATIONS = 1000


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A complete response with status 200.

    headers: sent with the body; headers_304: sent with a 304. Both are also stored encoded, for hits, as `header_block…`.
    is_compressible: whether clients that accept a content encoding get one of `encoded_variants`.
    channels: an event on one of them invalidates the response.
    route: path template, for the access log.
    counts_view_of: id of the post for which a hit counts a view, or None.
    expires_at: on the clock of `time.monotonic`.
    encoded_variants: the same response by content encoding, each compressed once.
    """

    headers: tuple[Header, ...]
    headers_304: tuple[Header, ...]
    body: bytes
    etag: bytes
    channels: frozenset[str]
    route: str
    counts_view_of: int | None
    expires_at: float
    is_compressible: bool = False
    encoded_variants: "dict[bytes, CachedResponse]" = field(default_factory=dict, compare=False)
    header_block: bytes = field(init=False, repr=False, compare=False)
    header_block_304: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Encode the headers once. `object.__setattr__` because the class is frozen."""
        object.__setattr__(self, "header_block", encode_headers((*self.headers, *HIT_HEADERS)))
        object.__setattr__(self, "header_block_304", encode_headers((*self.headers_304, *HIT_HEADERS)))

    @property
    def size(self) -> int:
        """Approximate memory use, in bytes."""
        return len(self.body) + len(self.header_block) + len(self.header_block_304) + _ENTRY_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class _Invalidation:
    number: int
    channels: frozenset[str] | None  # None: all channels

    def affects(self, channels: frozenset[str]) -> bool:
        return self.channels is None or not self.channels.isdisjoint(channels)


@dataclass(slots=True)
class CachePolicy:
    """Cache settings that an endpoint has set for its response with `cache_until_event`."""

    channels: frozenset[str]
    counts_view_of: int | None = None


class ResponseCache:
    """LRU cache of at most `max_bytes`. Entries expire after `max_age` seconds.

    An event on one of its channels invalidates a response. After a commit of this process no response is returned until the
    event log has been read again, so that clients read their own writes.
    """

    def __init__(self, max_bytes: int, max_age: float) -> None:
        self.in_progress: dict[CacheKey, ResponseInProgress] = {}
        self._max_bytes, self._max_age = max_bytes, max_age
        self._responses: OrderedDict[CacheKey, CachedResponse] = OrderedDict()
        self._keys_by_channel: dict[str, set[CacheKey]] = {}
        self._size = 0
        self._generation = 0
        self._invalidations: deque[_Invalidation] = deque(maxlen=_MAX_INVALIDATIONS)
        self._commit_count = self._caught_up_count = 0

    @property
    def max_entry_bytes(self) -> int:
        """Maximum size of one response, in bytes."""
        return self._max_bytes // _MAX_ENTRY_DIVISOR

    @property
    def is_enabled(self) -> bool:
        """Whether the settings allow any caching."""
        return self._max_bytes > 0 and self._max_age > 0

    def __len__(self) -> int:
        """Return the number of cached responses."""
        return len(self._responses)

    @property
    def size(self) -> int:
        """Total size of the cached responses, in bytes."""
        return self._size

    def find(self, key: CacheKey) -> CachedResponse | None:
        """Return a response that is neither expired nor possibly stale, or None."""
        response = self._responses.get(key)
        if response is None or not self.is_up_to_date:
            return None
        if response.expires_at < time.monotonic():
            self._remove(key)
            return None
        self._responses.move_to_end(key)
        return response

    @property
    def generation(self) -> int:
        """Number of invalidations so far. Read it before the content of a response, and pass it to `store`."""
        return self._generation

    @property
    def is_up_to_date(self) -> bool:
        """Whether the event log has been read since the last commit of this process."""
        return self._commit_count == self._caught_up_count

    def store(self, key: CacheKey, response: CachedResponse, generation: int) -> None:
        """Store a response with content read after `generation`, unless it is too large or has become stale since."""
        if response.size > self.max_entry_bytes or self._is_stale(response.channels, generation):
            return
        self._remove(key)
        self._responses[key] = response
        self._size += response.size
        for channel in response.channels:
            self._keys_by_channel.setdefault(channel, set()).add(key)
        self._evict()

    def store_encoded(self, key: CacheKey, response: CachedResponse, encoding: bytes, encoded: CachedResponse) -> None:
        """Store `encoded`, the response in a content encoding, with the response, if that is still cached."""
        if self._responses.get(key) is response and encoding not in response.encoded_variants:
            response.encoded_variants[encoding] = encoded
            self._size += encoded.size
            self._evict()

    def expiry(self) -> float:
        """Return when a response made now expires, on the clock of `time.monotonic`."""
        return time.monotonic() + self._max_age

    def on_commit(self) -> None:
        """Stop returning responses until `caught_up`: this process has committed a transaction."""
        self._commit_count += 1

    def commit_count(self) -> int:
        """Return the number of commits. Read it before the event log, and pass it to `caught_up`."""
        return self._commit_count

    def caught_up(self, commits: int) -> None:
        """Record that the event log has been read to its end, including the events of the first `commits` commits."""
        self._caught_up_count = max(self._caught_up_count, commits)

    def invalidate(self, channels: Iterable[str]) -> None:
        """Remove the responses that show content of these channels."""
        names = frozenset(channels)
        self._record_invalidation(names)
        for channel in names:
            for key in tuple(self._keys_by_channel.get(channel, ())):
                self._remove(key)

    def clear(self) -> None:
        """Remove all responses."""
        self._record_invalidation(None)
        self._responses.clear()
        self._keys_by_channel.clear()
        self._size = 0

    def _record_invalidation(self, channels: frozenset[str] | None) -> None:
        self._generation += 1
        self._invalidations.append(_Invalidation(self._generation, channels))

    def _is_stale(self, channels: frozenset[str], generation: int) -> bool:
        later = [invalidation for invalidation in self._invalidations if invalidation.number > generation]
        if len(later) < self._generation - generation:
            return True  # some of the invalidations are no longer in the list
        return any(invalidation.affects(channels) for invalidation in later)

    def _evict(self) -> None:
        while self._size > self._max_bytes:
            self._remove(next(iter(self._responses)))

    def _remove(self, key: CacheKey) -> None:
        response = self._responses.pop(key, None)
        if response is None:
            return
        self._size -= response.size + sum(variant.size for variant in response.encoded_variants.values())
        for channel in response.channels:
            keys = self._keys_by_channel[channel]
            keys.discard(key)
            if not keys:
                del self._keys_by_channel[channel]


def cache_until_event(request: Request, *channels: str, counts_view_of: int | None = None) -> None:
    """Allow caching of this response until an event on one of the channels.

    For public content only; the response is stored if the request is anonymous. counts_view_of: id of the post for
    which a cache hit counts a view.
    """
    request.state.cache_policy = CachePolicy(frozenset((*channels, events.SITE)), counts_view_of)
