"""Posts, their authors, versions and tags, as queries return them."""

import datetime as dt
from dataclasses import dataclass

from blog.domain.posts.post_content import PostContent


@dataclass(frozen=True, slots=True)
class Post(PostContent):
    """A post. In lists, `content` and `html` are empty unless requested."""

    id: int
    html: str
    excerpt: str
    version: int
    renderer_version: int
    word_count: int
    comment_count: int
    view_count: int
    deleted_at: dt.datetime | None
    tag_slugs: tuple[str, ...]
    """The last parts of the URLs of the tags, in order."""
    created_at: dt.datetime
    updated_at: dt.datetime

    @property
    def author(self) -> str:
        """The username of the first author."""
        return self.authors[0].username

    @property
    def search_title(self) -> str:
        """The title for search engines and link previews."""
        return self.meta_title or self.title

    @property
    def search_description(self) -> str:
        """The description for search engines and link previews."""
        return self.meta_description or self.excerpt


@dataclass(frozen=True, slots=True)
class Revision(PostContent):
    """One version of a post. `editor` is a username."""

    post_id: int
    version: int
    editor: str
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag and the number of published posts that have it.

    own_slug: replaces the name in its URL. image: the URL of an image.
    """

    id: int
    name: str
    own_slug: str | None
    description: str
    image: str | None
    posts: int

    @property
    def slug(self) -> str:
        """The last part of its URL."""
        return self.own_slug or self.name
