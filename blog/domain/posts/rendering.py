"""What a post says, ready for the database: rendered before any lock is taken."""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio.to_thread

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.text.excerpt import excerpt
from blog.text.markdown import RENDERER_VERSION, render
from blog.text.plain_text import html_to_text


@dataclass(frozen=True, slots=True)
class RenderedPost:
    """A title, tags and Markdown with all that follows from it. `summary` is the author's own excerpt, if any."""

    title: str
    content: str
    tags: tuple[str, ...]
    summary: str | None
    html: str
    excerpt: str
    plain_text: str  # plain text, for search
    word_count: int
    renderer_version: int = RENDERER_VERSION


def render_post(title: str, content: str, tags: Sequence[str], summary: str | None = None) -> RenderedPost:
    """Render a post; CPU-bound, some milliseconds for each page of text."""
    html = render(content)
    body = html_to_text(html)
    return RenderedPost(title, content, tuple(tags), summary, html, summary or excerpt(html), body, len(body.split()))


async def render_post_in_thread(title: str, content: str, tags: Sequence[str], summary: str | None = None) -> RenderedPost:
    """`typeset` in a thread, so that the event loop goes on."""
    return await anyio.to_thread.run_sync(render_post, title, content, tags, summary)


async def render_preview(ctx: Context, content: str) -> str:
    """The HTML that a text would have as a post; its ids are none of a page's own. Raises NotSignedIn, Forbidden."""
    policy.require_writer(ctx)
    return await anyio.to_thread.run_sync(render, content, "preview")
