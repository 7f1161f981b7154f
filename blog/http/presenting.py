"""The domain's objects as the models that clients get: JSON answers and live messages show the same."""

from blog.domain.models import Post
from blog.http.links import Links
from blog.schemas.posts import PostOut


def post_out(post: Post, links: Links) -> PostOut:
    """A post with its public address."""
    return PostOut(
        id=post.id,
        slug=post.slug,
        url=links.url("web:post", slug=post.slug),
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
        comments=post.comments,
    )
