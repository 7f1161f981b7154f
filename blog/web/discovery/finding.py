"""What crawlers, browsers and other sites read to find posts and to show them."""

from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from blog.domain.media import social_cards
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.errors import NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import anonymous_context
from blog.framework.request.parsing import validate
from blog.framework.request.state import app_state
from blog.framework.response.cacheable import cacheable_response
from blog.framework.templating.templating import format_rfc3339, static_url
from blog.framework.urls.urls import UrlBuilder
from blog.schemas.oembed import OEmbedQuery
from blog.web.discovery.feed_formats import serialise_xml, strip_invalid_xml
from blog.web.posts.social_card import card_url

_CACHE_ONE_HOUR = "public, max-age=3600"
_CACHE_ONE_DAY = "public, max-age=86400"
_DISALLOWED_ROUTES = ("search", "login", "register", "write", "dashboard", "account", "admin", "moderation", "notices", "uploads")
_MAX_EMBED_WIDTH, _MAX_EMBED_HEIGHT = 600, 240


class Robots(Endpoint):
    """/robots.txt — what crawlers should leave alone, and where the sitemap is."""

    async def get(self, request: Request) -> Response:
        """Pages of forms and endless lists of search results are of no use to them."""
        links = app_state(request).urls
        forms = [links.path(f"web:{name}") for name in _DISALLOWED_ROUTES]
        lines = ["User-agent: *", *(f"Disallow: {path}" for path in [*forms, "/comments/", "/posts/*/edit", "/posts/*/delete"])]
        lines += ["", f"Sitemap: {links.url('web:sitemap')}"]
        return PlainTextResponse("\n".join(lines) + "\n", headers={"Cache-Control": _CACHE_ONE_HOUR})


class OpenSearch(Endpoint):
    """/opensearch.xml — how browsers search the blog."""

    async def get(self, request: Request) -> Response:
        """The description that pages link to by `rel="search"`."""
        parts = app_state(request)
        links, title = parts.urls, strip_invalid_xml(parts.site.title)
        root = Element("OpenSearchDescription", {"xmlns": "http://a9.com/-/spec/opensearch/1.1/"})
        for name, text in {
            "ShortName": title[:16].strip(),  # the most that OpenSearch allows
            "Description": f"Search {title}",
            "InputEncoding": "UTF-8",
        }.items():
            SubElement(root, name).text = text
        icon = SubElement(root, "Image", {"type": "image/svg+xml", "width": "16", "height": "16"})
        icon.text = links.public_url + static_url("img/favicon.svg")
        for media_type, rel, address in (
            ("text/html", "results", f"{links.url('web:search')}?q={{searchTerms}}"),
            ("application/atom+xml", "results", f"{links.url('web:search_feed', format='atom')}?q={{searchTerms}}"),
            ("application/opensearchdescription+xml", "self", links.url("web:opensearch")),
        ):
            SubElement(root, "Url", {"type": media_type, "rel": rel, "template": address})
        content = serialise_xml(root)
        return cacheable_response(request, content, "application/opensearchdescription+xml", cache_control=_CACHE_ONE_DAY)


class OEmbed(Endpoint):
    """/oembed?url=… — a post as other sites show it (oEmbed 1.0)."""

    async def get(self, request: Request) -> Response:
        """JSON or XML; 404 for what is no published post of this blog, 501 for another format."""
        ctx, parts = anonymous_context(request), app_state(request)
        query = validate(OEmbedQuery, dict(request.query_params), "query")
        if query.format not in ("json", "xml"):
            raise HTTPException(501)
        post = await posts.get_by_slug(ctx, _slug_from_url(query.url, parts.urls))
        embed = _oembed_data(request, post, query)
        if query.format == "json":
            return cacheable_response(request, to_json(embed), "application/json", cache_control=_CACHE_ONE_HOUR)
        root = Element("oembed")
        for name, value in embed.items():
            SubElement(root, name).text = strip_invalid_xml(str(value))
        content = serialise_xml(root)
        return cacheable_response(request, content, "text/xml", cache_control=_CACHE_ONE_HOUR)


def _slug_from_url(url: str, links: UrlBuilder) -> str:
    """The slug in the address of a post of this blog. Raises NotFound."""
    home, prefix = urlsplit(links.public_url), links.path("web:post", slug="")
    try:
        parts = urlsplit(url)
    except ValueError:  # half a pair of brackets
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != home.netloc.lower() or not parts.path.startswith(prefix):
        raise NotFound("This is no address of a post of this blog")
    return unquote(parts.path.removeprefix(prefix))


def _oembed_data(request: Request, post: Post, query: OEmbedQuery) -> dict[str, str | int]:
    parts = app_state(request)
    author = post.bylines[0]
    embed: dict[str, str | int] = {
        "version": "1.0",
        "type": "rich",
        "title": post.title,
        "author_name": ", ".join(byline.name for byline in post.bylines),
        "author_url": parts.urls.url("web:author", username=author.username),
        "provider_name": parts.site.title,
        "provider_url": parts.urls.url("web:home"),
        "cache_age": 3600,
        "html": parts.templates.render("posts/_embed.html", post=post).strip(),
        "width": min(query.maxwidth or _MAX_EMBED_WIDTH, _MAX_EMBED_WIDTH),
        "height": min(query.maxheight or _MAX_EMBED_HEIGHT, _MAX_EMBED_HEIGHT),
    }
    width, height = social_cards.SIZE
    if (query.maxwidth or width) >= width and (query.maxheight or height) >= height:
        embed |= {"thumbnail_url": card_url(request, post), "thumbnail_width": width, "thumbnail_height": height}
    return embed


def blog_structured_data(request: Request) -> dict[str, Any]:
    """The blog for search engines (schema.org), with how to search it."""
    parts = app_state(request)
    home = parts.urls.url("web:home")
    search = {"@type": "EntryPoint", "urlTemplate": f"{parts.urls.url('web:search')}?q={{words}}"}
    action = {"@type": "SearchAction", "target": search, "query-input": "required name=words"}
    about = {"url": home, "name": parts.site.title, "description": parts.site.runtime_settings.preferences.description}
    graph = [{"@type": "WebSite", "@id": f"{home}#site", **about, "potentialAction": action}]
    return {"@context": "https://schema.org", "@graph": [*graph, {"@type": "Blog", "@id": f"{home}#blog", **about}]}


def post_structured_data(request: Request, post: Post) -> dict[str, Any]:
    """A post for search engines (schema.org)."""
    parts = app_state(request)
    links, home = parts.urls, parts.urls.url("web:home")
    address, (width, height) = links.url("web:post", slug=post.slug), social_cards.SIZE
    return {
        "@context": "https://schema.org",
        "@type": "BlogPosting",
        "@id": address,
        "url": address,
        "mainEntityOfPage": address,
        "headline": post.title,
        "description": post.excerpt,
        "image": {"@type": "ImageObject", "url": card_url(request, post), "width": width, "height": height},
        "datePublished": format_rfc3339(post.published_at or post.created_at),
        "dateModified": format_rfc3339(post.updated_at),
        "author": [
            {"@type": "Person", "name": byline.name, "url": links.url("web:author", username=byline.username)}
            for byline in post.bylines
        ],
        "publisher": {"@type": "Organization", "name": parts.site.title, "url": home},
        "isPartOf": {"@type": "Blog", "@id": f"{home}#blog", "name": parts.site.title},
        "keywords": list(post.tags),
        "wordCount": post.word_count,
        "commentCount": post.comment_count,
    }
