"""Hints for authors before they publish a post."""

import re
from collections.abc import Iterator

from blog.domain.posts.models import Post

SHOWN_TITLE_LENGTH = 60
"""Characters of a title that search engines show, about. `static/js/editor/search-preview.js` has the same."""
_IMAGE = re.compile(r"<img\b[^>]*>")
_ALT_TEXT = re.compile(r'\balt="[^"]+"')


def publication_hints(post: Post) -> Iterator[str]:
    """Yield a sentence for each thing that authors often forget. None of them prevents publication."""
    if len(post.title) > SHOWN_TITLE_LENGTH:
        yield f"The title has {len(post.title)} characters. Search engines show about {SHOWN_TITLE_LENGTH}."
    if not post.tags:
        yield "The post has no tags. Readers who follow a tag will not see it."
    if not post.custom_excerpt:
        yield "The post has no excerpt. Lists and feeds show the start of the text."
    if missing := sum(not _ALT_TEXT.search(image) for image in _IMAGE.findall(post.html)):
        images = "One image has" if missing == 1 else f"{missing} images have"
        yield f"{images} no alternative text. Add it unless the image is decorative."
