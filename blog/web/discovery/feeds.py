"""Feeds of the blog, a tag, an author and a search: the same for everybody, so that caches may share them."""

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
from blog.web.discovery.feed_formats import FORMATS, FeedInfo, serialise_feed, strip_invalid_xml
from blog.web.posts.reading import TagPage

CACHE_CONTROL = "public, max-age=300"


class FormatConvertor(StringConvertor):
    """`{format:feed}`: the end of a feed's address, such as `atom`."""

    regex = "|".join(FORMATS)


register_url_convertor("feed", FormatConvertor())


class BlogFeed(Endpoint):
    """/feed.{format} — the newest posts."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """All of each post, or 304."""
        ctx, links = anonymous_context(request), app_state(request).urls
        cache_until_event(request, POSTS)
        found = await feeds.newest(ctx)
        return await _feed_response(request, found, "", links.url("web:home"))


class TagFeed(TagPage):
    """/tags/{tag}/feed.{format} — the newest posts with one tag."""

    async def get(self, request: Request) -> Response:
        """As of the blog; 404 for a tag that no published post carries."""
        params = request.path_params
        if _is_tag_page(request):
            params["tag"] += f"/feed.{params['format']}"
            return await super().get(request)
        ctx, links = anonymous_context(request), app_state(request).urls
        cache_until_event(request, POSTS)
        tag = await tags.canonical_name(ctx, params["tag"])
        found = await feeds.newest(ctx, tag=tag)
        return await _feed_response(request, found, f"Posts tagged {tag}", links.url("web:tag", tag=tag))


class AuthorFeed(Endpoint):
    """/authors/{username}/feed.{format} — the newest posts of one person."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """As of the blog; 404 for nobody."""
        ctx, links = anonymous_context(request), app_state(request).urls
        cache_until_event(request, POSTS)
        user = await accounts.by_username(ctx, request.path_params["username"])
        found = await feeds.newest(ctx, author_id=user.id)
        return await _feed_response(request, found, f"Posts by {user.name}", links.url("web:author", username=user.username))


class SearchFeed(Endpoint):
    """/search/feed.{format}?q=… — the newest posts with some words."""

    async def get(self, request: Request) -> Response:
        """As of the blog; 422 without words."""
        ctx, links = anonymous_context(request), app_state(request).urls
        query = validate(PostQuery, {"q": request.query_params.get("q", "").strip()}, "query")
        found = await feeds.newest(ctx, text=query.q)
        page = f"{links.url('web:search')}?{urlencode({'q': query.q})}"
        return await _feed_response(request, found, f"Posts with “{query.q}”", page)


def _is_tag_page(request: Request) -> bool:
    """Is this the page of a tag such as `a/feed.atom`? Links to it have the slash of the tag encoded, those to a feed do not."""
    last = request.scope.get("raw_path", b"").rpartition(b"/")[2]
    return bool(last) and not last.startswith(b"feed.")


async def _feed_response(request: Request, found: Feed, subject: str, page: str) -> Response:
    parts, format_name = app_state(request), request.path_params["format"]
    site = parts.site
    channel = FeedInfo(
        title=strip_invalid_xml(f"{subject} · {site.title}" if subject else site.title),
        description=strip_invalid_xml(site.runtime_settings.preferences.description),
        page_url=page,
        feed_url=_feed_url(page, format_name),
    )
    content = await anyio.to_thread.run_sync(serialise_feed, format_name, channel, found.posts, parts.urls)
    return cacheable_response(
        request, content, FORMATS[format_name].media_type, cache_control=CACHE_CONTROL, last_modified=found.changed_at
    )


def _feed_url(page: str, format_name: str) -> str:
    """The feed lies beside its page: `/feed.atom` beside `/`, `/search/feed.atom?q=a` beside `/search?q=a`."""
    path, mark, query = page.partition("?")
    return f"{path.rstrip('/')}/feed.{format_name}{mark}{query}"
