"""A post as a Markdown file with YAML front matter, in the form that `blog import markdown` reads."""

from typing import Any

import yaml

from blog.domain.posts.models import Post
from blog.schemas.posts import PostStatus


def file_name(post: Post) -> str:
    """The name of the file, such as `2026-05-01-on-engines.md`."""
    since = post.published_at or post.created_at
    return f"{since:%Y-%m-%d}-{post.slug}.md"


def to_markdown(post: Post) -> str:
    """The front matter and the text, as written."""
    values: dict[str, Any] = {
        "title": post.title,
        "slug": post.slug,
        "date": f"{post.published_at or post.publish_at or post.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "authors": [byline.name for byline in post.bylines],
    }
    if post.tags:
        values["tags"] = list(post.tags)
    if post.status is not PostStatus.PUBLISHED:
        values["draft"] = True
    front_matter = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=2**16)
    return f"---\n{front_matter}---\n{post.content}"
