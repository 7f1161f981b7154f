"""The picture that other sites show with a link to a post: title, blog, authors and date on 1200 by 630 pixels."""

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import astuple, dataclass

from PIL import Image, ImageDraw

from blog.domain.media.text_layout import Lettering, fit

SIZE = (1200, 630)
_DESIGN = 1  # to be raised with each change of the drawing: caches keep cards for a year
_PAPER, _INK, _SOFT = "#fcfcfa", "#1d2123", "#575d60"
_ACCENT = "#17614b"
_LEFT, _WIDTH = 96, 1008
_TITLE_SIZES, _SMALL = (84, 72, 62, 54), (34,)
_MOST_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Card:
    """What stands on it; `accent` is a colour such as `#17614b`, None for our own."""

    title: str
    blog: str
    authors: str
    date: str
    accent: str | None = None

    @property
    def version(self) -> str:
        """Another one for each card that looks otherwise."""
        return hashlib.sha256(repr((_DESIGN, astuple(self))).encode()).hexdigest()[:16]


class Kept:
    """Files that were made before, the least used thrown away beyond a number of bytes; for several threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._size = most_bytes, 0
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """The bytes that it holds."""
        return self._size

    def get(self, name: str) -> bytes | None:
        """The file, if it is still there."""
        with self._lock:
            if name in self._files:
                self._files.move_to_end(name)
            return self._files.get(name)

    def put(self, name: str, data: bytes) -> None:
        """Keep a file; one that is larger than all the room is not kept."""
        with self._lock:
            self._size += len(data) - len(self._files.pop(name, b""))
            self._files[name] = data
            while self._size > self._most:
                _, oldest = self._files.popitem(last=False)
                self._size -= len(oldest)


# A card follows from what stands on it alone, so that several applications in one process may share it.
kept = Kept(_MOST_BYTES)


def draw(card: Card) -> bytes:
    """The card as PNG. Blocks for some ten milliseconds of a core, if nobody drew it lately: call it in a thread."""
    version = card.version
    if (known := kept.get(version)) is not None:  # another thread may have drawn it while this one waited
        return known
    buffer = io.BytesIO()
    _drawn(card).save(buffer, "PNG")
    kept.put(version, buffer.getvalue())
    return buffer.getvalue()


def _drawn(card: Card) -> Image.Image:
    image = Image.new("RGB", SIZE, _PAPER)
    canvas = ImageDraw.Draw(image)
    accent = card.accent or _ACCENT
    canvas.rectangle((0, 0, 31, SIZE[1]), fill=accent)
    title = fit(card.title, width=_WIDTH, sizes=_TITLE_SIZES, height=330)
    if title.lines:
        _write(canvas, fit(card.blog, width=_WIDTH, sizes=_SMALL, height=48), 72, _SOFT)
    else:  # no font here has its script: boxes say less than the name of the blog
        title = fit(card.blog, width=_WIDTH, sizes=_TITLE_SIZES, height=330)
    _write(canvas, title, 148, _INK, bold=True)
    canvas.rectangle((_LEFT, 500, _LEFT + 72, 505), fill=accent)
    facts = fit(f"{card.authors} · {card.date}", width=_WIDTH, sizes=_SMALL, height=48)
    _write(canvas, facts if facts.lines else fit(card.date, width=_WIDTH, sizes=_SMALL, height=48), 532, _SOFT)
    return image


def _write(canvas: ImageDraw.ImageDraw, text: Lettering, top: int, colour: str, *, bold: bool = False) -> None:
    for number, line in enumerate(text.lines):
        place = (_LEFT, top + number * text.size * 1.2)
        canvas.text(place, line, colour, text.font, stroke_width=text.size // 48 if bold else 0)
