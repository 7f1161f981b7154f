"""The picture that other sites show with a link to a post: title, blog, authors and date on 1200 by 630 pixels."""

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import astuple, dataclass

from PIL import Image, ImageDraw

from blog.domain.media.text_layout import TextLayout, layout_text

SIZE = (1200, 630)
_DESIGN_VERSION = 1  # to be raised with each change of the drawing: caches keep cards for a year
_BACKGROUND, _TEXT_COLOUR, _MUTED_COLOUR = "#fcfcfa", "#1d2123", "#575d60"
_DEFAULT_ACCENT = "#17614b"
_LEFT_MARGIN, _TEXT_WIDTH = 96, 1008
_TITLE_SIZES, _SMALL_SIZES = (84, 72, 62, 54), (34,)
_MAX_CACHE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class SocialCard:
    """What stands on it; `accent` is a colour such as `#17614b`, None for our own."""

    title: str
    blog_title: str
    authors: str
    date: str
    accent: str | None = None

    @property
    def version(self) -> str:
        """Another one for each card that looks otherwise."""
        return hashlib.sha256(repr((_DESIGN_VERSION, astuple(self))).encode()).hexdigest()[:16]


class LruByteCache:
    """Files that were made before, the least used thrown away beyond a number of bytes; for several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._size = max_bytes, 0
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """The bytes that it holds."""
        return self._size

    def get(self, name: str) -> bytes | None:
        """The file, if it is still there."""
        with self._lock:
            if name in self._entries:
                self._entries.move_to_end(name)
            return self._entries.get(name)

    def put(self, name: str, data: bytes) -> None:
        """Keep a file; one that is larger than all the room is not kept."""
        with self._lock:
            self._size += len(data) - len(self._entries.pop(name, b""))
            self._entries[name] = data
            while self._size > self._max_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._size -= len(oldest)


# A card follows from what stands on it alone, so that several applications in one process may share it.
cache = LruByteCache(_MAX_CACHE_BYTES)


def render(card: SocialCard) -> bytes:
    """The card as PNG. Blocks for some ten milliseconds of a core, if nobody drew it lately: call it in a thread."""
    version = card.version
    if (known := cache.get(version)) is not None:  # another thread may have drawn it while this one waited
        return known
    buffer = io.BytesIO()
    _render_image(card).save(buffer, "PNG")
    cache.put(version, buffer.getvalue())
    return buffer.getvalue()


def _render_image(card: SocialCard) -> Image.Image:
    image = Image.new("RGB", SIZE, _BACKGROUND)
    canvas = ImageDraw.Draw(image)
    accent = card.accent or _DEFAULT_ACCENT
    canvas.rectangle((0, 0, 31, SIZE[1]), fill=accent)
    title = layout_text(card.title, width=_TEXT_WIDTH, sizes=_TITLE_SIZES, height=330)
    if title.lines:
        _draw_text(canvas, layout_text(card.blog_title, width=_TEXT_WIDTH, sizes=_SMALL_SIZES, height=48), 72, _MUTED_COLOUR)
    else:  # no font here has its script: boxes say less than the name of the blog
        title = layout_text(card.blog_title, width=_TEXT_WIDTH, sizes=_TITLE_SIZES, height=330)
    _draw_text(canvas, title, 148, _TEXT_COLOUR, bold=True)
    canvas.rectangle((_LEFT_MARGIN, 500, _LEFT_MARGIN + 72, 505), fill=accent)
    facts = layout_text(f"{card.authors} · {card.date}", width=_TEXT_WIDTH, sizes=_SMALL_SIZES, height=48)
    _draw_text(
        canvas,
        facts if facts.lines else layout_text(card.date, width=_TEXT_WIDTH, sizes=_SMALL_SIZES, height=48),
        532,
        _MUTED_COLOUR,
    )
    return image


def _draw_text(canvas: ImageDraw.ImageDraw, text: TextLayout, top: int, colour: str, *, bold: bool = False) -> None:
    for number, line in enumerate(text.lines):
        place = (_LEFT_MARGIN, top + number * text.size * 1.2)
        canvas.text(place, line, colour, text.font, stroke_width=text.size // 48 if bold else 0)
