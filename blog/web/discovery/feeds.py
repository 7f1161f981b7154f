"""Feeds of the blog, a tag, an author and a search. Responses are the same for all clients, so shared caches may store them."""

from urllib.parse import urlencode

import anyio.to_thread
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.accounts import accounts
from blog.domain.core.events import POSTS
from blog.domain.posts import feeds, tags
from blog.domain.posts.feeds import Feed
from blog.framework.caching.response_cache import cache_until_event
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import anonymous_context
from blog.framework.request.parsing import validate
from blog.framework.request.state import app_state
from blog.framework.response.cacheable import cacheable_response
from blog.schemas.lists import PostQuery
from blog.text.normalisation import fold_name
from blog.web.discovery.feed_formats import FORMATS, FeedInfo, serialise_feed, strip_invalid_xml
from blog.web.posts.reading import TagPage
from blog.web.rendering.redirects import permanent_redirect

CACHE_CONTROL = "public, max-age=300"


class FormatConvertor(StringConvertor):
    """The path convertor `{format:feed}` for the suffix of a feed, such as `atom`."""

    regex = "|".join(FORMATS)


register_url_convertor("feed", FormatConvertor())


class BlogFeed(Endpoint):
    """/feed.{format}: the newest posts."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Return the feed, or 304."""
        ctx, urls = anonymous_context(request), app_state(request).urls
        cache_until_event(request, POSTS)
        feed = await feeds.newest(ctx)
        return await _feed_response(request, feed, "", urls.url("web:home"))


class TagFeed(TagPage):
    """/tags/{tag}/feed.{format}: the newest posts with a tag."""

    async def get(self, request: Request) -> Response:
        """Return the feed, or 304. Raises NotFound for a tag without published posts."""
        params = request.path_params
        if _is_tag_page(request):
            params["tag"] += f"/feed.{params['format']}"
            return await super().get(request)
        ctx, urls = anonymous_context(request), app_state(request).urls
        cache_until_event(request, POSTS)
        tag = await tags.with_count(ctx, params["tag"])
        if fold_name(tag.slug) != fold_name(params["tag"]):
            return permanent_redirect(request, "web:tag_feed", tag=tag.slug, format=params["format"])
        feed = await feeds.newest(ctx, tag=tag.name)
        return await _feed_response(request, feed, f"Posts tagged {tag.name}", urls.url("web:tag", tag=tag.slug))


class AuthorFeed(Endpoint):
    """/authors/{username}/feed.{format}: the newest posts of an author."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Return the feed, or 304. Raises NotFound."""
        ctx, urls = anonymous_context(request), app_state(request).urls
        cache_until_event(request, POSTS)
        user = await accounts.by_username(ctx, request.path_params["username"])
        feed = await feeds.newest(ctx, author_id=user.id)
        return await _feed_response(request, feed, f"Posts by {user.name}", urls.url("web:author", username=user.username))


class SearchFeed(Endpoint):
    """/search/feed.{format}?q=…: the newest posts that match a search."""

    async def get(self, request: Request) -> Response:
        """Return the feed, or 304. Raises InvalidInput without a query."""
        ctx, urls = anonymous_context(request), app_state(request).urls
        query = validate(PostQuery, {"q": request.query_params.get("q", "").strip()}, "query")
        feed = await feeds.newest(ctx, text=query.q)
        page = f"{urls.url('web:search')}?{urlencode({'q': query.q})}"
        return await _feed_response(request, feed, f"Posts with “{query.q}”", page)


def _is_tag_page(request: Request) -> bool:
    """Return whether the request is for the page of a tag such as `a/feed.atom`, with an encoded slash, and not for a feed."""
    last = request.scope.get("raw_path", b"").rpartition(b"/")[2]
    return bool(last) and not last.startswith(b"feed.")


async def _feed_response(request: Request, feed: Feed, subject: str, page_url: str) -> Response:
    state, format_name = app_state(request), request.path_params["format"]
    site = state.site
    info = FeedInfo(
        title=strip_invalid_xml(f"{subject} · {site.title}" if subject else site.title),
        description=strip_invalid_xml(site.runtime_settings.preferences.description),
        language=site.runtime_settings.preferences.language,
        page_url=page_url,
        feed_url=_feed_url(page_url, format_name),
    )
    content = await anyio.to_thread.run_sync(serialise_feed, format_name, info, feed.posts, state.urls)
    return cacheable_response(
        request, content, FORMATS[format_name].media_type, cache_control=CACHE_CONTROL, last_modified=feed.changed_at
    )


def _feed_url(page_url: str, format_name: str) -> str:
    """Return the URL of the feed of a page: `/` → `/feed.atom`, `/search?q=a` → `/search/feed.atom?q=a`."""
    path, mark, query = page_url.partition("?")
    return f"{path.rstrip('/')}/feed.{format_name}{mark}{query}"
