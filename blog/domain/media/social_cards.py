"""Social cards: images with title, blog, authors and date, which other sites show with a link to a post."""

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import astuple, dataclass

from PIL import Image, ImageDraw

from blog.domain.media.text_layout import TextLayout, layout_text
from blog.text.accent_colours import DEFAULT_ACCENT

SIZE = (1200, 630)
"""Width and height, in pixels."""
_DESIGN_VERSION = 1  # increment with each change of the drawing: caches store cards for a year
_BACKGROUND, _TEXT_COLOUR, _MUTED_COLOUR = "#fcfcfa", "#1d2123", "#575d60"
_LEFT_MARGIN, _TEXT_WIDTH = 96, 1008
_TITLE_SIZES, _SMALL_SIZES = (84, 72, 62, 54), (34,)
_MAX_CACHE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class SocialCard:
    """The content of a card. `accent` is a colour such as `#17614b`; None means the default."""

    title: str
    blog_title: str
    authors: str
    date: str
    accent: str | None = None

    @property
    def version(self) -> str:
        """A digest of the content and the design, part of the URL."""
        return hashlib.sha256(repr((_DESIGN_VERSION, astuple(self))).encode()).hexdigest()[:16]


class LruByteCache:
    """A thread-safe LRU cache of files, limited by their total size in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._size = max_bytes, 0
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """The total size of the cached files, in bytes."""
        return self._size

    def get(self, name: str) -> bytes | None:
        """Return a cached file, or None."""
        with self._lock:
            if name in self._entries:
                self._entries.move_to_end(name)
            return self._entries.get(name)

    def put(self, name: str, data: bytes) -> None:
        """Store a file and evict the least recently used ones; a file over the limit is not stored."""
        with self._lock:
            self._size += len(data) - len(self._entries.pop(name, b""))
            self._entries[name] = data
            while self._size > self._max_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._size -= len(oldest)


# Global: a card depends on its content alone, so that several applications in one process can share the cache.
cache = LruByteCache(_MAX_CACHE_BYTES)


def render(card: SocialCard) -> bytes:
    """Return the card as PNG, from the cache or drawn in some 10 ms. Blocking: call it in a thread."""
    version = card.version
    if (cached := cache.get(version)) is not None:  # another thread may have drawn it while this one waited
        return cached
    buffer = io.BytesIO()
    _render_image(card).save(buffer, "PNG")
    cache.put(version, buffer.getvalue())
    return buffer.getvalue()


def _render_image(card: SocialCard) -> Image.Image:
    image = Image.new("RGB", SIZE, _BACKGROUND)
    canvas = ImageDraw.Draw(image)
    accent = card.accent or DEFAULT_ACCENT
    canvas.rectangle((0, 0, 31, SIZE[1]), fill=accent)
    title = layout_text(card.title, width=_TEXT_WIDTH, sizes=_TITLE_SIZES, height=330)
    if title.lines:
        _draw_text(canvas, layout_text(card.blog_title, width=_TEXT_WIDTH, sizes=_SMALL_SIZES, height=48), 72, _MUTED_COLOUR)
    else:  # no installed font has the script of the title: the name of the blog is better than boxes
        title = layout_text(card.blog_title, width=_TEXT_WIDTH, sizes=_TITLE_SIZES, height=330)
    _draw_text(canvas, title, 148, _TEXT_COLOUR, bold=True)
    canvas.rectangle((_LEFT_MARGIN, 500, _LEFT_MARGIN + 72, 505), fill=accent)
    byline = layout_text(f"{card.authors} · {card.date}", width=_TEXT_WIDTH, sizes=_SMALL_SIZES, height=48)
    if not byline.lines:
        byline = layout_text(card.date, width=_TEXT_WIDTH, sizes=_SMALL_SIZES, height=48)
    _draw_text(canvas, byline, 532, _MUTED_COLOUR)
    return image


def _draw_text(canvas: ImageDraw.ImageDraw, text: TextLayout, top: int, colour: str, *, bold: bool = False) -> None:
    for number, line in enumerate(text.lines):
        position = (_LEFT_MARGIN, top + number * text.size * 1.2)
        canvas.text(position, line, colour, text.font, stroke_width=text.size // 48 if bold else 0)
