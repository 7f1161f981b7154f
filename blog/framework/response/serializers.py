"""The domain's objects as the models that clients get: JSON answers and live messages show the same."""

from blog.domain.media.models import Media
from blog.domain.posts.models import Post
from blog.framework.urls.urls import UrlBuilder
from blog.schemas.media import MediaOut, VariantOut
from blog.schemas.posts import PostOut


def post_out(post: Post, urls: UrlBuilder) -> PostOut:
    """A post with its public address."""
    return PostOut(
        id=post.id,
        slug=post.slug,
        url=urls.url("web:post", slug=post.slug),
        title=post.title,
        content=post.content,
        html=post.html,
        excerpt=post.excerpt,
        tags=list(post.tags),
        author=post.author,
        authors=post.authors,
        status=post.status,
        version=post.version,
        created_at=post.created_at,
        updated_at=post.updated_at,
        published_at=post.published_at,
        publish_at=post.publish_at,
        comments=post.comment_count,
        comments_open=post.comments_open,
    )


def media_out(item: Media, urls: UrlBuilder) -> MediaOut:
    """An image with the public addresses of its files."""
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
