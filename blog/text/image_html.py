"""Images in safe HTML: sizes, which avoid layout shifts while images load, and captions."""

import re
from collections.abc import Callable
from typing import Final

Size = tuple[int, int]

# Sanitised HTML writes every attribute as name="value".
_IMAGE: Final = re.compile(r'<img((?:\s[^\s=>]+="[^"]*")*)>')
_SRC: Final = re.compile(r'\ssrc="([^"]*)"')
_CAPTIONED_IMAGE: Final = re.compile(r'<p>(<img(?:\s[^\s=>]+="[^"]*")*?)\stitle="([^"]+)"((?:\s[^\s=>]+="[^"]*")*>)</p>')
_SIZE_ATTRIBUTE: Final = re.compile(r'\s(?:width|height)="')


def with_sizes(html: str, get_size: Callable[[str], Size | None]) -> str:
    """Return HTML from `render` with `width` and `height` on images without a size.

    `get_size` returns the size in pixels of the image in `src`, or None. The first image loses `loading="lazy"`: it is
    probably visible at once, and lazy loading would delay it.
    """
    first = True

    def complete(match: re.Match[str]) -> str:
        nonlocal first
        attributes = match[1].replace(' loading="lazy"', "", 1) if first else match[1]
        first = False
        source = None if _SIZE_ATTRIBUTE.search(attributes) else _SRC.search(attributes)
        size = get_size(source[1]) if source else None
        return f'<img{attributes} width="{size[0]}" height="{size[1]}">' if size else f"<img{attributes}>"

    return _IMAGE.sub(complete, html) if "<img" in html else html


def with_captions(html: str) -> str:
    """Return HTML from `render` in which images with a title, alone in their paragraph, are figures with a caption.

    Unlike a tooltip, the caption is also visible on touch screens and on paper.
    """
    return _CAPTIONED_IMAGE.sub(r"<figure>\1\3<figcaption>\2</figcaption></figure>", html) if "<p><img" in html else html
