"""Posts, tags and revisions on the wire."""

import datetime as dt
from enum import StrEnum

from pydantic import Field

from blog.schemas.fields import Changes, Content, Input, Instant, Output, Slug, Tags, Title


class PostStatus(StrEnum):
    """Who sees a post: everybody, its writers, or its writers until `publish_at`."""

    PUBLISHED = "published"
    DRAFT = "draft"
    SCHEDULED = "scheduled"


class NewPost(Input):
    """A whole post, as POST makes it and PUT replaces it. Without a slug, one is made from the title."""

    title: Title
    content: Content
    tags: Tags = Field(default_factory=list)
    slug: Slug | None = None
    status: PostStatus = PostStatus.PUBLISHED
    publish_at: Instant | None = Field(default=None, description="When a scheduled post comes out")
    comments_open: bool = Field(default=True, description="May people comment on it?")


class PostChanges(Changes):
    """What PATCH changes. An absent member stays as it is; null is no title, text or slug."""

    title: Title = ""
    content: Content = ""
    tags: Tags = Field(default_factory=list)
    slug: Slug = ""
    status: PostStatus = PostStatus.PUBLISHED
    publish_at: Instant | None = None
    comments_open: bool = True


class PostOut(Output):
    """A post as clients see it."""

    id: int
    slug: str
    url: str
    title: str
    content: str
    html: str
    excerpt: str
    tags: list[str]
    author: str
    authors: list[str]
    status: PostStatus
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime
    published_at: dt.datetime | None
    publish_at: dt.datetime | None
    comments: int
    comments_open: bool


class RevisionOut(Output):
    """One version of a post; nothing is ever overwritten."""

    post_id: int
    version: int
    slug: str
    title: str
    content: str
    tags: list[str]
    status: PostStatus
    editor: str
    created_at: dt.datetime


class TagOut(Output):
    """A tag and how many published posts carry it."""

    name: str
    posts: int
