"""Social card of a post: the image that other sites show in link previews."""

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Site
from blog.domain.media import social_cards
from blog.domain.media.social_cards import SocialCard
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.static_files import CROSS_ORIGIN_HEADERS, IMMUTABLE_CACHE_CONTROL
from blog.framework.request.context import anonymous_context
from blog.framework.request.state import app_state
from blog.framework.response.conditional import is_not_modified
from blog.web.rendering.redirects import permanent_redirect


class PostCard(Endpoint):
    """/posts/{slug}/card.png: the social card of a post."""

    async def get(self, request: Request) -> Response:
        """Return a PNG of 1200 by 630 pixels; 301 from an old slug, 404 if the post is not public."""
        ctx, slug = anonymous_context(request), request.path_params["slug"]
        post = await posts.get_by_slug(ctx, slug)
        if post.slug != slug:
            return permanent_redirect(request, "web:post_card", slug=post.slug)
        card = _card(ctx.site, post)
        tag = f'"{card.version}"'
        caching = IMMUTABLE_CACHE_CONTROL if request.query_params.get("v") == card.version else "public, max-age=300"
        headers = {"ETag": tag, "Cache-Control": caching, **CROSS_ORIGIN_HEADERS}
        if is_not_modified(request, tag):
            return Response(status_code=304, headers=headers)
        png = social_cards.cache.get(card.version)
        if png is None:
            png = await anyio.to_thread.run_sync(social_cards.render, card, limiter=ctx.site.image_limiter)
        return Response(png, 200, headers, "image/png")


def card_url(request: Request, post: Post) -> str:
    """Return the absolute URL of the card, with a version that changes with its content."""
    parts = app_state(request)
    return f"{parts.urls.url('web:post_card', slug=post.slug)}?v={_card(parts.site, post).version}"


def _card(site: Site, post: Post) -> SocialCard:
    return SocialCard(
        title=post.title,
        blog_title=site.title,
        authors=", ".join(author.name for author in post.authors),
        date=site.formats.day(post.published_at or post.created_at),
        accent=site.runtime_settings.preferences.accent,
    )
