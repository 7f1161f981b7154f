"""Rendered texts on pages: sizes and smaller copies of images, cards of embeds, links on headings, and boxes of code."""

import re
from collections.abc import Mapping

from markupsafe import Markup

from blog.domain.core.storage import Storage
from blog.domain.media import stored_files
from blog.domain.media.embedded_images import EmbeddedImage
from blog.framework.urls.urls import UrlBuilder
from blog.text.embeds import with_embeds
from blog.text.image_html import ImageSource, with_sources
from blog.text.reading_aids import with_reading_aids

_MAX_CACHED_SIZES = 10_000


class ImageSizes:
    """Completes the images of texts.

    Sizes of imported images are read from the files and cached: a name is a digest of the content, so its size never changes.
    """

    def __init__(self, store: Storage, urls: UrlBuilder) -> None:
        self._store, self._urls = store, urls
        self._sizes: dict[str, tuple[int, int]] = {}
        prefix = f"(?:{re.escape(urls.public_url)})?{re.escape(urls.path('media', name=''))}"
        self._media_url = re.compile(prefix + r"([0-9a-f]{64}\.[a-z]{3,4})")

    def with_images(self, html: str, images: Mapping[str, EmbeddedImage]) -> Markup:
        """Return the sanitised HTML of a text with sizes and smaller copies of its images, with cards of embeds,
        links on headings, and boxes around code blocks.

        - `images`: the uploaded images in the text, by file name, from `embedded_images.find`.
        """
        known = dict(images)  # raises UndefinedError also for a text without images, if a page does not look them up

        def find_source(address: str) -> ImageSource | None:
            match = self._media_url.fullmatch(address)
            if match is None:
                return None
            image = known.get(match[1])
            return self._uploaded_source(image) if image else self._imported_source(match[1])

        return Markup(with_embeds(with_reading_aids(with_sources(html, find_source))))  # noqa: S704 (sanitised when it was saved)

    def _uploaded_source(self, image: EmbeddedImage) -> ImageSource:
        widths = [(image.name, image.width), *((variant.name, variant.width) for variant in image.variants)]
        files = [(self._urls.path("media", name=name), width) for name, width in reversed(widths)]
        return ImageSource(image.width, image.height, files)

    def _imported_source(self, name: str) -> ImageSource | None:
        size = self._sizes.get(name) or stored_files.image_size(self._store, name)
        if size and len(self._sizes) < _MAX_CACHED_SIZES:
            self._sizes[name] = size
        return ImageSource(*size) if size else None
