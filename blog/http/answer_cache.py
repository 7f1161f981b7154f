"""Finished answers to public requests, kept as bytes until something that they show changes."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.requests import Request

from blog.domain import events

Header = tuple[bytes, bytes]
Key = tuple[bytes, bytes, str, bytes]
"""Path and query as they were sent, theme, and origin of the asking page, if it is one that is allowed."""

_OVERHEAD = 2000
_LARGEST_SHARE = 8
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer of status 200. `route` is the template for the log; `viewed` the post that a reader of it views.

    `headers` go out with the body, `fresh` with a 304; `encoded` holds the same answer by content coding, each made once.
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

    @property
    def size(self) -> int:
        """Bytes that it takes, more or less."""
        return len(self.body) + _OVERHEAD


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
        self._moment = 0
        self._forgotten: deque[tuple[int, frozenset[str] | None]] = deque(maxlen=_REMEMBERED)  # None: everything
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
        if answer is None or self._commits != self._followed:
            return None
        if answer.expires_at < time.monotonic():
            self._drop(key)
            return None
        self._answers.move_to_end(key)
        return answer

    def moment(self) -> int:
        """Take it before the content is read; `keep` refuses what became old since."""
        return self._moment

    def keep(self, key: Key, answer: Answer, since: int) -> bool:
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

    def forget(self, channels: Iterable[str]) -> None:
        """Something happened on these channels."""
        gone = frozenset(channels)
        self._moment += 1
        self._forgotten.append((self._moment, gone))
        for channel in gone:
            for key in tuple(self._by_channel.get(channel, ())):
                self._drop(key)

    def clear(self) -> None:
        """Anything may have changed."""
        self._moment += 1
        self._forgotten.append((self._moment, None))
        self._answers.clear()
        self._by_channel.clear()
        self._size = 0

    def _is_old(self, channels: frozenset[str], since: int) -> bool:
        later = [gone for moment, gone in self._forgotten if moment > since]
        if len(later) < self._moment - since:
            return True  # more happened than is remembered
        return any(gone is None or not gone.isdisjoint(channels) for gone in later)

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
