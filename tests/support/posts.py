"""Contents of posts for tests."""

from typing import Any

from blog.domain.posts.post_content import POST_FIELDS, PostContent
from blog.schemas.posts import NewPost, PostStatus


def make_content(**values: Any) -> PostContent:
    """Return the content of a draft. Fields that are not given are empty."""
    new = NewPost(title="A", content="")
    empty = {field.name: getattr(new, field.name) for field in POST_FIELDS}
    return PostContent(**empty | {"tags": (), "authors": (), "slug": "a", "status": PostStatus.DRAFT} | values)


def author_names(post: PostContent) -> list[str]:
    """Return the usernames of the authors of a post, in order."""
    return [author.username for author in post.authors]
