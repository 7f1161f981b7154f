"""Images in safe HTML: sizes, which avoid layout shifts while images load, and smaller copies for small screens."""

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from html import escape
from typing import Final

# Sanitised HTML writes every attribute as name="value".
_PART: Final = re.compile(
    r'<figure(?:\sclass="(?P<classes>[^"]*)")?[^>]*>|(?P<end></figure>)|<img(?P<image>(?:\s[^\s=>]+="[^"]*")*)>'
)
_SRC: Final = re.compile(r'\ssrc="([^"]*)"')
_SIZE_ATTRIBUTE: Final = re.compile(r'\s(?:width|height)="')
_WIDTH_ATTRIBUTE: Final = re.compile(r'\swidth="(\d{1,5})"')
# The layout of `.prose` in static/css/blog.css, in CSS pixels: the measure, the width of wide figures, the space at both edges
# of a narrow screen, and the largest width of a cell of a gallery, by the width of the gallery. Cells are cropped.
_COLUMN_WIDTH: Final = 600
_WIDE_WIDTH: Final = 840
_EDGE_SPACE: Final = 40
_CELL_WIDTHS: Final = {"": 300, "wide": 420, "full": 480}
_CELL_RATIO: Final = 4 / 3


@dataclass(frozen=True, slots=True)
class ImageSource:
    """The size of an image in pixels, and the URL and width of each file of it. One file alone needs no choice."""

    width: int
    height: int
    files: Sequence[tuple[str, int]] = ()


def with_sources(html: str, find_source: Callable[[str], ImageSource | None]) -> str:
    """Return HTML from `render` in which images have `width` and `height`, `srcset` and `sizes`.

    - `find_source`: returns the image in a `src`, or None. A size that the author wrote is kept.

    The first image loses `loading="lazy"`: it is probably visible at once, and lazy loading would delay it.
    """
    first = True
    figures: list[frozenset[str]] = []  # the classes of the open figures

    def complete(match: re.Match[str]) -> str:
        nonlocal first
        if match["image"] is None:
            figures[-1:] = [] if match["end"] else [*figures[-1:], frozenset((match["classes"] or "").split())]
            return match[0]
        attributes = match["image"].replace(' loading="lazy"', "", 1) if first else match["image"]
        first = False
        address = _SRC.search(attributes)
        source = find_source(address[1]) if address else None
        return f"<img{attributes}{_source_attributes(attributes, source, frozenset().union(*figures)) if source else ''}>"

    return _PART.sub(complete, html) if "<img" in html else html


def _source_attributes(attributes: str, source: ImageSource, classes: Set[str]) -> str:
    added = "" if _SIZE_ATTRIBUTE.search(attributes) else f' width="{source.width}" height="{source.height}"'
    if len(source.files) < 2:
        return added
    written = _WIDTH_ATTRIBUTE.search(attributes)
    srcset = ", ".join(f"{escape(url)} {file_width}w" for url, file_width in source.files)
    return f'{added} srcset="{srcset}" sizes="{_sizes(int(written[1]) if written else source.width, source, classes)}"'


def _sizes(width: int, source: ImageSource, classes: Set[str]) -> str:
    """Return the displayed width of an image. `classes` are those of the figures around it."""
    place = "full" if "full" in classes else "wide" if "wide" in classes else ""
    if "gallery" in classes:
        scale = max(1.0, source.width / source.height / _CELL_RATIO)
        return f"min({round(_CELL_WIDTHS[place] * scale)}px, {round(50 * scale)}vw)"
    if place == "full":
        return "100vw"
    return f"min({min(width, _WIDE_WIDTH if place else _COLUMN_WIDTH)}px, 100vw - {_EDGE_SPACE}px)"
