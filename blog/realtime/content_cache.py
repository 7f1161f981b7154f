"""Rendered contents of events, cached by the version of the post and the comment that they show."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

_ENTRY_OVERHEAD_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Content:
    """The `data` of an event as JSON, encoded once for all clients.

    members: JSON members such as `"post":{…}`. card, article: the HTML fragment as a JSON string, for lists and for the page of
    the post; None without a fragment. A content for lists has no article: it takes as much time and memory as all the rest.
    UTF-8, because a `str` with one character above U+00FF, such as an ellipsis, takes two bytes for each.
    """

    members: bytes
    card: bytes | None = None
    article: bytes | None = None

    def to_json(self, *, on_post_page: bool) -> str:
        """Return the JSON object, with the article instead of the card for clients that follow the post itself."""
        html = (on_post_page and self.article) or self.card
        return (b"{%b}" % self.members if html is None else b'{%b,"html":%b}' % (self.members, html)).decode()

    @property
    def size(self) -> int:
        """Memory use, in bytes."""
        return len(self.members) + len(self.card or b"") + len(self.article or b"") + _ENTRY_OVERHEAD_BYTES


class ContentCache:
    """LRU cache of at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self.size = max_bytes, 0
        self._contents: OrderedDict[Hashable, Content] = OrderedDict()
        self.generation = 0
        """Number of calls of `clear`. Read it before the content, and pass it to `store`."""

    def find(self, version: Hashable) -> Content | None:
        """Return the content of a version, or None."""
        content = self._contents.get(version)
        if content is not None:
            self._contents.move_to_end(version)
        return content

    def store(self, version: Hashable, content: Content, generation: int) -> None:
        """Store content that was read at `generation`, unless the cache has been cleared since."""
        if generation != self.generation:
            return
        if replaced := self._contents.pop(version, None):
            self.size -= replaced.size
        self._contents[version] = content
        self.size += content.size
        while self.size > self._max_bytes:
            _, evicted = self._contents.popitem(last=False)
            self.size -= evicted.size

    def clear(self) -> None:
        """Remove everything: names, time zone or other parts of all contents have changed."""
        self._contents.clear()
        self.size, self.generation = 0, self.generation + 1
