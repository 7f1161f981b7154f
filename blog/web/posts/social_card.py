"""The picture of a post that other sites show with a link to it."""

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Site
from blog.domain.core.models import Post
from blog.domain.media import social_cards
from blog.domain.media.social_cards import Card
from blog.domain.posts import posts
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.static_files import IMMUTABLE, ON_OTHER_SITES
from blog.framework.request.context import fresh_context
from blog.framework.request.state import services
from blog.framework.response.conditional import is_fresh
from blog.framework.templating.templating import day
from blog.web.rendering.redirects import moved


class PostCard(Endpoint):
    """/posts/{slug}/card.png — the picture of one post."""

    async def get(self, request: Request) -> Response:
        """PNG of 1200 by 630 pixels; 301 from an old slug, 404 for what strangers may not see."""
        ctx, slug = fresh_context(request), request.path_params["slug"]
        post = await posts.find(ctx, slug)
        if post.slug != slug:
            return moved(request, "web:card", slug=post.slug)
        card = _card(ctx.site, post)
        tag = f'"{card.version}"'
        caching = IMMUTABLE if request.query_params.get("v") == card.version else "public, max-age=300"
        headers = {"ETag": tag, "Cache-Control": caching, **ON_OTHER_SITES}
        if is_fresh(request, tag):
            return Response(status_code=304, headers=headers)
        png = social_cards.kept.get(card.version)
        if png is None:
            png = await anyio.to_thread.run_sync(social_cards.draw, card, limiter=ctx.site.developing)
        return Response(png, 200, headers, "image/png")


def card_url(request: Request, post: Post) -> str:
    """The absolute address of the card as it looks now; a card that looks otherwise has another."""
    parts = services(request)
    return f"{parts.links.url('web:card', slug=post.slug)}?v={_card(parts.site, post).version}"


def _card(site: Site, post: Post) -> Card:
    return Card(
        title=post.title,
        blog=site.title,
        authors=", ".join(byline.name for byline in post.bylines),
        date=day(post.published_at or post.created_at),
        accent=site.choices.preferences.accent,
    )
