"""The image that other sites and search engines show for a post: its feature image, else its social card."""

from dataclasses import dataclass

from starlette.requests import Request

from blog.domain.media import social_cards
from blog.domain.posts.models import Post
from blog.framework.request.state import app_state
from blog.framework.response.serializers import feature_image_url
from blog.web.posts.social_card import card_url


@dataclass(frozen=True, slots=True)
class ShareImage:
    """An image with its absolute URL. Size and media type of an image on another site may be unknown."""

    url: str
    width: int | None
    height: int | None
    media_type: str | None
    alt: str


def share_image(request: Request, post: Post) -> ShareImage:
    """Return the image of a published post for link previews and structured data."""
    image, state = post.feature_image, app_state(request)
    if image is None:
        return _social_card(request, post)
    return ShareImage(feature_image_url(image, state.urls), image.width, image.height, image.media_type, image.alt or post.title)


def thumbnail(request: Request, post: Post, max_width: int | None, max_height: int | None) -> ShareImage | None:
    """Return the largest image of known size within the limits, in pixels; None if there is none."""
    image, urls = post.feature_image, app_state(request).urls
    found = []
    if image is not None and image.width and image.height:
        whole = share_image(request, post)
        copies = [ShareImage(urls.url("media", name=v.name), v.width, v.height, "image/webp", whole.alt) for v in image.variants]
        found = [whole, *copies]
    fitting = (one for one in (*found, _social_card(request, post)) if _fits(one, max_width, max_height))
    return next(fitting, None)


def _fits(image: ShareImage, max_width: int | None, max_height: int | None) -> bool:
    width, height = image.width or 0, image.height or 0
    return (max_width or width) >= width and (max_height or height) >= height


def _social_card(request: Request, post: Post) -> ShareImage:
    alt = f"Title card: “{post.search_title}”, {app_state(request).site.title}"
    return ShareImage(card_url(request, post), *social_cards.SIZE, "image/png", alt)
