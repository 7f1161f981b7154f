"""Sizes and captions for images in rendered texts."""

import re

from markupsafe import Markup

from blog.domain.core.storage import Storage
from blog.domain.media import media
from blog.framework.urls.urls import UrlBuilder
from blog.text.image_html import Size, with_captions, with_sizes

_MAX_CACHED_SIZES = 10_000


class ImageSizes:
    """Reads image sizes from the files, and caches them: a name is a digest of the content, so its size never changes."""

    def __init__(self, store: Storage, urls: UrlBuilder) -> None:
        self._store = store
        self._sizes: dict[str, Size] = {}
        prefix = f"(?:{re.escape(urls.public_url)})?{re.escape(urls.path('media', name=''))}"
        self._media_url = re.compile(prefix + r"([0-9a-f]{64}\.[a-z]{3,4})")

    def with_image_sizes(self, html: str) -> Markup:
        """Return the sanitised HTML of a text with `width` and `height` for images of this blog, and with captions."""
        return Markup(with_captions(with_sizes(html, self._find_size)))  # noqa: S704 (sanitised when it was saved)

    def _find_size(self, address: str) -> Size | None:
        match = self._media_url.fullmatch(address)
        if match is None:
            return None
        size = self._sizes.get(match[1]) or media.image_size(self._store, match[1])
        if size and len(self._sizes) < _MAX_CACHED_SIZES:
            self._sizes[match[1]] = size
        return size
