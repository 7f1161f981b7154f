"""Texts with the sizes of the blog's own images in them, and with captions."""

import re

from markupsafe import Markup

from blog.domain.core.storage import MediaStore
from blog.domain.media import media
from blog.framework.urls.urls import Links
from blog.text.image_html import Size, with_captions, with_sizes

_MOST = 10_000


class Illustrations:
    """Looks sizes up in the files, once for each: a name is the digest of one content, and its size never changes."""

    def __init__(self, store: MediaStore, links: Links) -> None:
        self._store = store
        self._sizes: dict[str, Size] = {}
        prefix = f"(?:{re.escape(links.public_url)})?{re.escape(links.path('media', name=''))}"
        self._own = re.compile(prefix + r"([0-9a-f]{64}\.[a-z]{3,4})")

    def illustrated(self, html: str) -> Markup:
        """The safe HTML of a post or of another text by an author, ready for a page."""
        return Markup(with_captions(with_sizes(html, self._size)))  # noqa: S704 (sanitised when it was saved)

    def _size(self, address: str) -> Size | None:
        match = self._own.fullmatch(address)
        if match is None:
            return None
        size = self._sizes.get(match[1]) or media.size_of(self._store, match[1])
        if size and len(self._sizes) < _MOST:
            self._sizes[match[1]] = size
        return size
