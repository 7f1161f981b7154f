"""All that the page of one tag shows, from one state of the database."""

from collections.abc import Sequence
from dataclasses import dataclass

from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.posts import post_lists, tags
from blog.domain.posts.models import Post, Tag
from blog.domain.posts.post_lists import PostFilter

MAX_RELATED_TAGS = 6
"""How many other tags are named at most."""


@dataclass(frozen=True, slots=True)
class TagView:
    """A tag, those that its posts carry most often besides, a page of its posts, and the place in the event log of all this."""

    tag: Tag
    related_tags: Sequence[Tag]
    page: ResultPage[Post]
    position: Position


async def read(ctx: Context, name: str, after: CursorKey | None = None) -> TagView:
    """The tag, whatever the case of its name. Raises NotFound for one that no published post carries: drafts have tags too."""
    async with ctx.db.snapshot():
        tag = await tags.with_count(ctx, name)
        page = await post_lists.list_page(ctx, PostFilter(tag=tag.name, after=after))
        return TagView(tag, await tags.related(ctx, tag.name, MAX_RELATED_TAGS), page, await events.position(ctx.db))
