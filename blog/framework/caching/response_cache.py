"""Finished answers to public requests, kept as bytes until something that they show changes."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import Request

from blog.domain.core import events
from blog.domain.core.events import Position
from blog.framework.caching.single_write import joined

Header = tuple[bytes, bytes]
Key = tuple[bytes, bytes, str, bytes]
"""Path and query as they were sent, theme, and origin of the asking page, if it is one that is allowed."""

_OVERHEAD = 2000
_LARGEST_SHARE = 8
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer of status 200. `route` is the template for the log; `viewed` the post that a reader of it views.

    `headers` go out with the body, `fresh` with a 304, and `head` and `fresh_head` are the same as bytes; `encoded` holds the
    same answer by content coding, each made once.
    """

    headers: tuple[Header, ...]
    fresh: tuple[Header, ...]
    body: bytes
    tag: bytes
    channels: frozenset[str]
    route: str
    viewed: int | None
    expires_at: float
    encoded: "dict[bytes, Answer]" = field(default_factory=dict, compare=False)
    head: bytes = field(init=False, repr=False, compare=False)
    fresh_head: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Write the fields down; it is frozen for all others."""
        object.__setattr__(self, "head", joined(self.headers))
        object.__setattr__(self, "fresh_head", joined(self.fresh))

    @property
    def size(self) -> int:
        """Bytes that it takes, more or less."""
        return len(self.body) + len(self.head) + len(self.fresh_head) + _OVERHEAD


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was read: how much had been forgotten in this process, and how far it had read the event log."""

    number: int
    position: Position


@dataclass(frozen=True, slots=True)
class _Forgotten:
    """What was forgotten at a moment; with event 0 of no event, with channels None everything."""

    number: int
    event_id: int
    channels: frozenset[str] | None

    def has(self, channels: frozenset[str]) -> bool:
        return self.channels is None or not self.channels.isdisjoint(channels)


@dataclass(slots=True)
class Sharing:
    """What an endpoint said of its answer."""

    channels: frozenset[str]
    viewed: int | None = None


class AnswerCache:
    """At most `most_bytes`, the least recently used out first, none for longer than `seconds`.

    An answer goes when an event comes on one of its channels. A commit of this very process puts all of them in doubt until
    the log was read again, so that who writes and then reads finds what they wrote.
    """

    def __init__(self, most_bytes: int, seconds: float) -> None:
        self.flights: dict[Key, asyncio.Event] = {}
        self._most, self._seconds = most_bytes, seconds
        self._answers: OrderedDict[Key, Answer] = OrderedDict()
        self._by_channel: dict[str, set[Key]] = {}
        self._size = 0
        self._number = 0
        self._forgotten: deque[_Forgotten] = deque()
        self._position, self._known_from = Position("", 0), 0
        self._commits = self._followed = 0

    @property
    def largest(self) -> int:
        """Bytes of the largest answer that is kept."""
        return self._most // _LARGEST_SHARE

    @property
    def is_on(self) -> bool:
        """Is anything kept at all?"""
        return self._most > 0 and self._seconds > 0

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._answers)

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return self._size

    def find(self, key: Key) -> Answer | None:
        """The answer, if it is certain that it is the present one, as far as this process has heard."""
        answer = self._answers.get(key)
        if answer is None or not self.is_certain:
            return None
        if answer.expires_at < time.monotonic():
            self._drop(key)
            return None
        self._answers.move_to_end(key)
        return answer

    def moment(self) -> Moment:
        """Take it before the content is read; `keep` refuses what became old since."""
        return Moment(self._number, self._position)

    @property
    def is_certain(self) -> bool:
        """Was the log read since this process wrote something?"""
        return self._commits == self._followed

    def is_present(self, channels: frozenset[str], made_at: Position) -> bool:
        """Is an answer of another process, whose content was read after `made_at`, as good as one of ours would be now?

        One that has read further than we is: nothing we have heard of is missing in it. For all others our memory of what
        happened since must reach back as far.
        """
        if not self.is_certain or made_at.epoch != self._position.epoch or made_at.id < self._known_from:
            return False
        return not any(gone.event_id > made_at.id and gone.has(channels) for gone in self._forgotten)

    def keep(self, key: Key, answer: Answer, since: Moment) -> bool:
        """Keep an answer whose content was read after the moment `since`."""
        if answer.size > self.largest or self._is_old(answer.channels, since):
            return False
        self._drop(key)
        self._answers[key] = answer
        self._size += answer.size
        for channel in answer.channels:
            self._by_channel.setdefault(channel, set()).add(key)
        self._shrink()
        return True

    def encode(self, key: Key, answer: Answer, encoding: bytes, encoded: Answer) -> None:
        """Keep the same answer in another encoding beside it."""
        if self._answers.get(key) is answer and encoding not in answer.encoded:
            answer.encoded[encoding] = encoded
            self._size += encoded.size
            self._shrink()

    def expiry(self) -> float:
        """Until when an answer that is finished now is kept, on the clock of `time.monotonic`."""
        return time.monotonic() + self._seconds

    # What the follower of the event log calls, and the database.

    def committed(self) -> None:
        """This process wrote something, and the log was not read since."""
        self._commits += 1

    def commits(self) -> int:
        """Take it before the log is read; `follow` wants it after."""
        return self._commits

    def follow(self, commits: int) -> None:
        """The log was read to its end, with all that these commits wrote."""
        self._followed = max(self._followed, commits)

    def begin(self, position: Position) -> None:
        """The log is followed from here on; what is known of another, or of its past, is worth nothing."""
        self.clear()
        self._position, self._known_from = position, position.id

    def forget(self, event_id: int, channels: Iterable[str]) -> None:
        """This event came, on these channels."""
        gone = frozenset(channels)
        self._position = Position(self._position.epoch, event_id)
        self._remember(event_id, gone)
        for channel in gone:
            for key in tuple(self._by_channel.get(channel, ())):
                self._drop(key)

    def clear(self) -> None:
        """Anything may have changed."""
        self._remember(0, None)
        self._answers.clear()
        self._by_channel.clear()
        self._size = 0

    def _remember(self, event_id: int, channels: frozenset[str] | None) -> None:
        self._number += 1
        self._forgotten.append(_Forgotten(self._number, event_id, channels))
        if len(self._forgotten) > _REMEMBERED:
            self._known_from = max(self._known_from, self._forgotten.popleft().event_id)

    def _is_old(self, channels: frozenset[str], since: Moment) -> bool:
        later = [gone for gone in self._forgotten if gone.number > since.number]
        if len(later) < self._number - since.number:
            return True  # more happened than is remembered
        return any(gone.has(channels) for gone in later)

    def _shrink(self) -> None:
        while self._size > self._most:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: Key) -> None:
        answer = self._answers.pop(key, None)
        if answer is None:
            return
        self._size -= answer.size + sum(other.size for other in answer.encoded.values())
        for channel in answer.channels:
            keys = self._by_channel[channel]
            keys.discard(key)
            if not keys:
                del self._by_channel[channel]


def share(request: Request, *channels: str, viewed: int | None = None) -> None:
    """This answer shows public content alone, and stays as it is until something happens on one of the channels.

    It is kept only if a stranger asked for it. `viewed` is the post that a reader views by it.
    """
    request.state.sharing = Sharing(frozenset((*channels, events.SITE)), viewed)
