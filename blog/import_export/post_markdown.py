"""Export of a post as a Markdown file with YAML front matter, in the form that `blog import markdown` reads."""

from typing import Any

from blog.domain.posts.models import Post
from blog.domain.posts.post_content import POST_FIELDS
from blog.schemas.posts import NewPost, PostStatus

MEDIA_FOLDER = "media/"
"""The folder of exported images, in the folder of the posts."""


def file_name(post: Post) -> str:
    """Return the file name of a post, such as `2026-05-01-on-engines.md`."""
    return f"{post.published_at or post.created_at:%Y-%m-%d}-{post.slug}.md"


def to_markdown(post: Post, media_url: str = MEDIA_FOLDER) -> str:
    """Return the front matter and the Markdown source of a post.

    media_url: the URL prefix of its feature image, if that was uploaded.
    """
    import yaml  # here because only an export needs it, and it takes 15 ms of a start

    values: dict[str, Any] = {
        "title": post.title,
        "slug": post.slug,
        "date": f"{post.publish_at or post.published_at or post.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "authors": [author.name for author in post.authors],
    }
    if post.tags:
        values["tags"] = list(post.tags)
    if post.status is PostStatus.DRAFT:  # a scheduled post has a date in the future
        values["draft"] = True
    if image := post.feature_image:
        parts = {"path": image.url or f"{media_url}{image.name}", "alt": image.alt, "caption": image.caption}
        values["feature_image"] = {name: text for name, text in parts.items() if text}
    for field in POST_FIELDS:
        value = getattr(post, field.name)
        if field.front_matter and value != NewPost.model_fields[field.name].default:
            values[field.front_matter[0]] = value
    front_matter = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=2**16)
    return f"---\n{front_matter}---\n{post.content}"
