"""Feeds: the newest public posts of the blog, a tag, an author or a search."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core.context import Context
from blog.domain.posts import post_lists, post_queries
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import PostFilter
from blog.schemas.posts import PostStatus

MAX_POSTS = 20
_p, _u, _e = tables.posts.c, tables.users.c, tables.events.c


@dataclass(frozen=True, slots=True)
class Feed:
    """The newest posts with text and HTML. `changed_at` is the time of the last change, None on an empty blog."""

    posts: Sequence[Post]
    changed_at: dt.datetime | None


async def newest(ctx: Context, *, tag: str | None = None, author_id: int | None = None, text: str | None = None) -> Feed:
    """Return the 20 newest published posts that match the filters."""
    async with ctx.db.snapshot():
        tags = (tag,) if tag else ()
        page = await post_lists.list_page(ctx, PostFilter(tags, None, text, author_id=author_id, limit=MAX_POSTS, full=True))
        return Feed(page.items, await _changed_at(ctx.db, page.items))


async def _changed_at(db: Database, posts: Sequence[Post]) -> dt.datetime | None:
    """Return a time after every change of the feed. The newest `updated_at` will not do: it decreases when a post is removed."""
    links = tables.post_authors.c
    by_authors = sa.select(links.user_id).where(links.post_id.in_([post.id for post in posts]))
    published = post_queries.select(_p.updated_at).where(_p.status == PostStatus.PUBLISHED.value)
    instants = (
        sa.select(_e.occurred_at).order_by(_e.id.desc()).limit(1),
        published.order_by(_p.updated_at.desc(), _p.id.desc()).limit(1),  # the log may have been emptied
        sa.select(sa.func.max(_u.updated_at)).where(_u.id.in_(by_authors)),
        sa.select(sa.func.max(tables.site_preferences.c.updated_at)),
    )
    row = await db.fetch_one(sa.select(*(query.scalar_subquery().label(f"at_{place}") for place, query in enumerate(instants))))
    known = [row[f"at_{place}"] for place in range(len(instants))] if row is not None else []
    return max((instant for instant in known if instant is not None), default=None)
