"""Hints for authors before they publish a post or a static page."""

import re
from collections.abc import Iterator

from blog.domain.posts.models import Post
from blog.domain.site.static_pages import StaticPage

SHOWN_TITLE_LENGTH = 60
"""Characters of a title that search engines show, about. `static/js/editor/search-preview.js` has the same."""
_IMAGE = re.compile(r"<img\b[^>]*>")
_ALT_TEXT = re.compile(r'\balt="[^"]+"')


def publication_hints(post: Post) -> Iterator[str]:
    """Yield a sentence for each thing that authors often forget. None of them prevents publication."""
    yield from _title_hints(post.title)
    if not post.tags:
        yield "The post has no tags. Readers who follow a tag will not see it."
    if not post.custom_excerpt:
        yield "The post has no excerpt. Lists and feeds show the start of the text."
    yield from _image_hints(post.html)


def page_hints(page: StaticPage) -> Iterator[str]:
    """Yield a sentence for each thing that owners often forget. None of them prevents publication."""
    yield from _title_hints(page.title)
    yield from _image_hints(page.html)


def _title_hints(title: str) -> Iterator[str]:
    if len(title) > SHOWN_TITLE_LENGTH:
        yield f"The title has {len(title)} characters. Search engines show about {SHOWN_TITLE_LENGTH}."


def _image_hints(html: str) -> Iterator[str]:
    if missing := sum(not _ALT_TEXT.search(image) for image in _IMAGE.findall(html)):
        images = "One image has" if missing == 1 else f"{missing} images have"
        yield f"{images} no alternative text. Add it unless the image is decorative."
