"""Conversion of domain objects to response models, for the API and for live messages."""

from typing import Any

from blog.domain.media.models import Media
from blog.domain.posts.models import Post
from blog.framework.urls.urls import UrlBuilder
from blog.schemas.media import MediaOut, VariantOut
from blog.schemas.posts import PostOut


def post_out(post: Post, urls: UrlBuilder) -> PostOut:
    """Return a post as a response model, with its public URL."""
    computed: dict[str, Any] = {"url": urls.url("web:post", slug=post.slug), "comments": post.comment_count}
    return PostOut(**computed, **{name: getattr(post, name) for name in PostOut.model_fields if name not in computed})


def media_out(item: Media, urls: UrlBuilder) -> MediaOut:
    """Return an image as a response model, with the public URLs of its files."""
    return MediaOut(
        id=item.id,
        url=urls.url("media", name=item.name),
        width=item.width,
        height=item.height,
        alt=item.alt,
        media_type=item.media_type,
        variants=[
            VariantOut(url=urls.url("media", name=copy.name), width=copy.width, height=copy.height) for copy in item.variants
        ],
    )
