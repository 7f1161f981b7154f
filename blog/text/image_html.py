"""Images in safe HTML: sizes, which avoid layout shifts while images load, smaller copies for small screens, and captions."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

# Sanitised HTML writes every attribute as name="value".
_IMAGE: Final = re.compile(r'<img((?:\s[^\s=>]+="[^"]*")*)>')
_SRC: Final = re.compile(r'\ssrc="([^"]*)"')
_CAPTIONED_IMAGE: Final = re.compile(r'<p>(<img(?:\s[^\s=>]+="[^"]*")*?)\stitle="([^"]+)"((?:\s[^\s=>]+="[^"]*")*>)</p>')
_SIZE_ATTRIBUTE: Final = re.compile(r'\s(?:width|height)="')
_WIDTH_ATTRIBUTE: Final = re.compile(r'\swidth="(\d{1,5})"')
# The layout of `.prose` in static/css/blog.css, in CSS pixels: the measure, and the space at both edges of a narrow screen.
_COLUMN_WIDTH: Final = 600
_EDGE_SPACE: Final = 40


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

    def complete(match: re.Match[str]) -> str:
        nonlocal first
        attributes = match[1].replace(' loading="lazy"', "", 1) if first else match[1]
        first = False
        address = _SRC.search(attributes)
        source = find_source(address[1]) if address else None
        return f"<img{attributes}{_source_attributes(attributes, source) if source else ''}>"

    return _IMAGE.sub(complete, html) if "<img" in html else html


def _source_attributes(attributes: str, source: ImageSource) -> str:
    added = "" if _SIZE_ATTRIBUTE.search(attributes) else f' width="{source.width}" height="{source.height}"'
    if len(source.files) < 2:
        return added
    written = _WIDTH_ATTRIBUTE.search(attributes)
    width = min(int(written[1]) if written else source.width, _COLUMN_WIDTH)
    srcset = ", ".join(f"{escape(url)} {file_width}w" for url, file_width in source.files)
    return f'{added} srcset="{srcset}" sizes="min({width}px, 100vw - {_EDGE_SPACE}px)"'


def with_captions(html: str) -> str:
    """Return HTML from `render` in which images with a title, alone in their paragraph, are figures with a caption.

    Unlike a tooltip, the caption is also visible on touch screens and on paper.
    """
    return _CAPTIONED_IMAGE.sub(r"<figure>\1\3<figcaption>\2</figcaption></figure>", html) if "<p><img" in html else html
