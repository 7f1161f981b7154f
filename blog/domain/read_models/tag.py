"""Read model of a tag page, from one database snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass

from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.posts import post_lists, tags
from blog.domain.posts.models import Post, Tag
from blog.domain.posts.post_filter import PostFilter

MAX_RELATED_TAGS = 6
"""Maximum number of related tags shown."""


@dataclass(frozen=True, slots=True)
class TagView:
    """A tag with the tags that most often occur with it, one page of posts, and the log position."""

    tag: Tag
    related_tags: Sequence[Tag]
    page: ResultPage[Post]
    position: Position


async def read(ctx: Context, name: str, after: CursorKey | None = None) -> TagView:
    """Return a tag by name, case-insensitively. Raises NotFound if no published post has it: drafts have tags too."""
    async with ctx.db.snapshot():
        tag = await tags.with_count(ctx, name)
        page = await post_lists.list_page(ctx, PostFilter(tags=(tag.name,), after=after))
        return TagView(tag, await tags.related(ctx, tag.name, MAX_RELATED_TAGS), page, await events.position(ctx.db))
