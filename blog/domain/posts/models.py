"""Posts, their authors, versions and tags, as queries return them."""

import datetime as dt
from dataclasses import dataclass

from blog.domain.posts.post_content import PostContent


@dataclass(frozen=True, slots=True)
class Byline:
    """One author of a post as shown: `username` for links, `name` for people."""

    username: str
    name: str
    avatar: str | None = None  # the name of an image file


@dataclass(frozen=True, slots=True)
class Post(PostContent):
    """A post with its tags and authors, in order. In lists, `content` and `html` are empty unless requested."""

    id: int
    html: str
    excerpt: str
    version: int
    renderer_version: int
    word_count: int
    comment_count: int
    view_count: int
    published_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime
    bylines: tuple[Byline, ...]

    @property
    def author(self) -> str:
        """The username of the first author."""
        return self.bylines[0].username

    @property
    def authors(self) -> list[str]:
        """All usernames, in order."""
        return [byline.username for byline in self.bylines]

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
    """A tag and the number of published posts that have it."""

    name: str
    posts: int
