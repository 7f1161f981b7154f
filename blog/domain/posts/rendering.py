"""Posts rendered for the database. Rendering takes CPU time, so it is done before any lock is acquired."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import anyio.to_thread

from blog.db import fulltext
from blog.db.fulltext import IndexedText
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts.models import Post
from blog.domain.posts.post_content import PostContent, with_changes
from blog.text.excerpt import excerpt
from blog.text.markdown import RENDERER_VERSION, render, render_both
from blog.text.plain_text import has_visible_content, html_to_text
from blog.text.removed_markup import removed_markup
from blog.text.word_count import count_words

_RENDERED_FIELDS = ("content", "custom_excerpt", "meta_title", "meta_description", "feature_image")
"""The fields from which `render_post` computes its results."""


@dataclass(frozen=True, slots=True)
class RenderedPost:
    """The content of a post and everything that is computed from it."""

    content: PostContent
    html: str
    excerpt: str
    indexed_text: IndexedText
    word_count: int
    is_empty: bool  # nothing of it is visible
    renderer_version: int = RENDERER_VERSION

    def with_changes(self, **changes: Any) -> "RenderedPost":
        """Return the same rendering for content in which fields that are not rendered are replaced."""
        return dataclasses.replace(self, content=with_changes(self.content, changes))

    def reuse(self, content: PostContent) -> "RenderedPost | None":
        """Return the same rendering for content with the same text; None if its text differs."""
        if any(getattr(content, name) != getattr(self.content, name) for name in _RENDERED_FIELDS):
            return None
        return dataclasses.replace(self, content=content)


def render_post(content: PostContent) -> RenderedPost:
    """Render a post. CPU-bound: some milliseconds for each page of text."""
    html = render(content.content)
    text = html_to_text(html)
    return RenderedPost(
        content,
        html,
        content.custom_excerpt or excerpt(html),
        fulltext.index_text(_searched_text(content, text)),
        count_words(content.content),
        is_empty=not has_visible_content(html, text),
    )


def index_post(post: Post) -> IndexedText:
    """Return the text of a stored post for the full-text index. CPU-bound."""
    return fulltext.index_text(_searched_text(post, html_to_text(post.html)))


def names_of(content: PostContent) -> str:
    """Return the names of the tags and the authors of a post for the full-text index."""
    return "\n".join([*content.tags, *(author.name for author in content.authors)])


def _searched_text(content: PostContent, text: str) -> str:
    """Return all texts of a post that readers may search for. Its body comes first, because snippets begin there."""
    image = content.feature_image
    more = (content.custom_excerpt, content.meta_title, content.meta_description, *((image.alt, image.caption) if image else ()))
    return "\n".join([text, *(part for part in more if part)])


async def render_post_in_thread(content: PostContent) -> RenderedPost:
    """Call `render_post` in a thread, so that it does not block the event loop."""
    return await anyio.to_thread.run_sync(render_post, content)


@dataclass(frozen=True, slots=True)
class Preview:
    """The HTML of a text as a post would show it, and the names of the markup that was removed from it."""

    html: str
    removed: list[str]


async def render_preview(ctx: Context, content: str) -> Preview:
    """Return the preview of a text, with ids that do not clash with those of the page.

    Raises NotAuthenticated or Forbidden.
    """
    policy.require_writer(ctx)
    return await anyio.to_thread.run_sync(_preview, content)


def _preview(content: str) -> Preview:
    html, unsafe = render_both(content, "preview")
    return Preview(html, removed_markup(unsafe, html))
