"""Images in safe HTML: with the room that they will take, so that no text moves when they arrive; and with captions."""

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
    """Return `html`, which must come out of `render`, with `width` and `height` on images that have neither.

    `size_of` gives the size in pixels of what `src` names, or None. The first image loses `loading="lazy"`: it is
    likely to be seen at once, and waiting for it would only make it late.
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
    """Return `html`, which must come out of `render`, with images that stand alone and have a title as figures.

    The title is shown below, where fingers and paper reach it, in place of being shown to who waits with a mouse.
    """
    return _CAPTIONED_IMAGE.sub(r"<figure>\1\3<figcaption>\2</figcaption></figure>", html) if "<p><img" in html else html
