"""Conversion of domain objects to response models, for the API and for live messages."""

from collections.abc import Sequence
from typing import Any

from blog.domain.comments.models import Comment
from blog.domain.core.models import Author, Variant
from blog.domain.media.models import Media
from blog.domain.posts.feature_image import FeatureImage
from blog.domain.posts.models import Post, Revision, Tag
from blog.domain.site.static_pages import StaticPage
from blog.framework.urls.urls import UrlBuilder
from blog.schemas.comments import CommentAuthorOut, CommentGuestOut, CommentOut
from blog.schemas.media import MediaOut, VariantOut
from blog.schemas.posts import FeatureImageOut, PostAuthorOut, PostOut, RevisionOut
from blog.schemas.static_pages import StaticPageOut
from blog.schemas.tags import TagOut
from blog.text.fallbacks import with_plain_formulas


def post_out(post: Post, urls: UrlBuilder) -> PostOut:
    """Return a post as a response model, with its public URL, and with formulas as source."""
    computed: dict[str, Any] = {
        "url": urls.url("web:post", slug=post.slug),
        "comments": post.comment_count,
        "html": with_plain_formulas(post.html),
        "authors": [_author_out(author, urls) for author in post.authors],
        "feature_image": _feature_image_out(post.feature_image, urls),
    }
    return PostOut(**computed, **{name: getattr(post, name) for name in PostOut.model_fields if name not in computed})


def revision_out(revision: Revision, urls: UrlBuilder) -> RevisionOut:
    """Return a version of a post as a response model."""
    values: dict[str, Any] = {name: getattr(revision, name) for name in RevisionOut.model_fields}
    computed = {
        "authors": [_author_out(author, urls) for author in revision.authors],
        "feature_image": _feature_image_out(revision.feature_image, urls),
    }
    return RevisionOut(**values | computed)


def static_page_out(page: StaticPage, urls: UrlBuilder) -> StaticPageOut:
    """Return a static page as a response model, with its public URL, and with formulas as source."""
    computed = {"url": urls.url("web:static_page", slug=page.slug), "html": with_plain_formulas(page.html)}
    values: dict[str, Any] = {name: getattr(page, name) for name in StaticPageOut.model_fields if name not in computed}
    return StaticPageOut(**values | computed)


def tag_out(tag: Tag, urls: UrlBuilder) -> TagOut:
    """Return a tag as a response model, with its public URL."""
    image = urls.public_url + tag.image if tag.image and tag.image.startswith("/") else tag.image
    url = urls.url("web:tag", tag=tag.slug)
    return TagOut(name=tag.name, slug=tag.slug, url=url, description=tag.description, image=image, posts=tag.posts)


def comment_out(comment: Comment, urls: UrlBuilder) -> CommentOut:
    """Return a comment as a response model, with the public URL of its author's picture."""
    avatar = _avatar_url(comment.author_avatar, urls)
    author = CommentAuthorOut(username=comment.author, name=comment.author_name, avatar=avatar, badge=comment.badge)
    computed: dict[str, Any] = {
        "author": author if comment.author else None,
        "guest": None if comment.guest_name is None else CommentGuestOut(name=comment.guest_name),
    }
    return CommentOut(**computed, **{name: getattr(comment, name) for name in CommentOut.model_fields if name not in computed})


def media_out(item: Media, urls: UrlBuilder) -> MediaOut:
    """Return an image as a response model, with the public URLs of its files."""
    return MediaOut(
        id=item.id,
        url=urls.url("media", name=item.name),
        width=item.width,
        height=item.height,
        alt=item.alt,
        file_name=item.file_name,
        media_type=item.media_type,
        bytes=item.bytes,
        uploader=item.uploader,
        created_at=item.created_at,
        variants=_variants_out(item.variants, urls),
    )


def feature_image_url(image: FeatureImage, urls: UrlBuilder) -> str:
    """Return the absolute URL of the largest file of a feature image."""
    return image.url or urls.url("media", name=image.name or "")


def _feature_image_out(image: FeatureImage | None, urls: UrlBuilder) -> FeatureImageOut | None:
    if image is None:
        return None
    return FeatureImageOut(
        url=feature_image_url(image, urls),
        alt=image.alt,
        caption=image.caption,
        width=image.width,
        height=image.height,
        variants=_variants_out(image.variants, urls),
    )


def _variants_out(variants: Sequence[Variant], urls: UrlBuilder) -> list[VariantOut]:
    return [VariantOut(url=urls.url("media", name=copy.name), width=copy.width, height=copy.height) for copy in variants]


def _author_out(author: Author, urls: UrlBuilder) -> PostAuthorOut:
    url = urls.url("web:author", username=author.username)
    return PostAuthorOut(username=author.username, name=author.name, url=url, avatar=_avatar_url(author.avatar, urls))


def _avatar_url(name: str | None, urls: UrlBuilder) -> str | None:
    return urls.url("media", name=name) if name else None
