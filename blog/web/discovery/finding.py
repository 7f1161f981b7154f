"""What crawlers, browsers and other sites read to find posts and to show them."""

from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from blog.domain.core.models import Post
from blog.domain.media import social_cards
from blog.domain.posts import posts
from blog.errors import NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import fresh_context
from blog.framework.request.parsing import validate
from blog.framework.request.state import services
from blog.framework.response.cacheable import as_document
from blog.framework.templating.templating import instant, static
from blog.framework.urls.urls import Links
from blog.schemas.oembed import EmbedQuery
from blog.web.discovery.feed_formats import as_xml, legal
from blog.web.posts.social_card import card_url

_CACHING = "public, max-age=3600"
_DAY = "public, max-age=86400"
_FORMS = ("search", "login", "register", "write", "dashboard", "account", "admin", "moderation", "notices", "uploads")
_EMBED_WIDTH, _EMBED_HEIGHT = 600, 240


class Robots(Endpoint):
    """/robots.txt — what crawlers should leave alone, and where the sitemap is."""

    async def get(self, request: Request) -> Response:
        """Pages of forms and endless lists of search results are of no use to them."""
        links = services(request).links
        forms = [links.path(f"web:{name}") for name in _FORMS]
        lines = ["User-agent: *", *(f"Disallow: {path}" for path in [*forms, "/comments/", "/posts/*/edit", "/posts/*/delete"])]
        lines += ["", f"Sitemap: {links.url('web:sitemap')}"]
        return PlainTextResponse("\n".join(lines) + "\n", headers={"Cache-Control": _CACHING})


class OpenSearch(Endpoint):
    """/opensearch.xml — how browsers search the blog."""

    async def get(self, request: Request) -> Response:
        """The description that pages link to by `rel="search"`."""
        parts = services(request)
        links, title = parts.links, legal(parts.site.title)
        root = Element("OpenSearchDescription", {"xmlns": "http://a9.com/-/spec/opensearch/1.1/"})
        for name, text in {
            "ShortName": title[:16].strip(),  # the most that OpenSearch allows
            "Description": f"Search {title}",
            "InputEncoding": "UTF-8",
        }.items():
            SubElement(root, name).text = text
        icon = SubElement(root, "Image", {"type": "image/svg+xml", "width": "16", "height": "16"})
        icon.text = links.public_url + static("img/favicon.svg")
        for media_type, rel, address in (
            ("text/html", "results", f"{links.url('web:search')}?q={{searchTerms}}"),
            ("application/atom+xml", "results", f"{links.url('web:search_feed', format='atom')}?q={{searchTerms}}"),
            ("application/opensearchdescription+xml", "self", links.url("web:opensearch")),
        ):
            SubElement(root, "Url", {"type": media_type, "rel": rel, "template": address})
        content = as_xml(root)
        return as_document(request, content, "application/opensearchdescription+xml", caching=_DAY)


class OEmbed(Endpoint):
    """/oembed?url=… — a post as other sites show it (oEmbed 1.0)."""

    async def get(self, request: Request) -> Response:
        """JSON or XML; 404 for what is no published post of this blog, 501 for another format."""
        ctx, parts = fresh_context(request), services(request)
        query = validate(EmbedQuery, dict(request.query_params), "query")
        if query.format not in ("json", "xml"):
            raise HTTPException(501)
        post = await posts.find(ctx, _slug_in(query.url, parts.links))
        embed = _embed(request, post, query)
        if query.format == "json":
            return as_document(request, to_json(embed), "application/json", caching=_CACHING)
        root = Element("oembed")
        for name, value in embed.items():
            SubElement(root, name).text = legal(str(value))
        content = as_xml(root)
        return as_document(request, content, "text/xml", caching=_CACHING)


def _slug_in(url: str, links: Links) -> str:
    """The slug in the address of a post of this blog. Raises NotFound."""
    home, prefix = urlsplit(links.public_url), links.path("web:post", slug="")
    try:
        parts = urlsplit(url)
    except ValueError:  # half a pair of brackets
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != home.netloc.lower() or not parts.path.startswith(prefix):
        raise NotFound("This is no address of a post of this blog")
    return unquote(parts.path.removeprefix(prefix))


def _embed(request: Request, post: Post, query: EmbedQuery) -> dict[str, str | int]:
    parts = services(request)
    author = post.bylines[0]
    embed: dict[str, str | int] = {
        "version": "1.0",
        "type": "rich",
        "title": post.title,
        "author_name": ", ".join(byline.name for byline in post.bylines),
        "author_url": parts.links.url("web:author", username=author.username),
        "provider_name": parts.site.title,
        "provider_url": parts.links.url("web:home"),
        "cache_age": 3600,
        "html": parts.templates.render("posts/_embed.html", post=post).strip(),
        "width": min(query.maxwidth or _EMBED_WIDTH, _EMBED_WIDTH),
        "height": min(query.maxheight or _EMBED_HEIGHT, _EMBED_HEIGHT),
    }
    width, height = social_cards.SIZE
    if (query.maxwidth or width) >= width and (query.maxheight or height) >= height:
        embed |= {"thumbnail_url": card_url(request, post), "thumbnail_width": width, "thumbnail_height": height}
    return embed


def structured_blog(request: Request) -> dict[str, Any]:
    """The blog for search engines (schema.org), with how to search it."""
    parts = services(request)
    home = parts.links.url("web:home")
    search = {"@type": "EntryPoint", "urlTemplate": f"{parts.links.url('web:search')}?q={{words}}"}
    action = {"@type": "SearchAction", "target": search, "query-input": "required name=words"}
    about = {"url": home, "name": parts.site.title, "description": parts.site.choices.preferences.description}
    graph = [{"@type": "WebSite", "@id": f"{home}#site", **about, "potentialAction": action}]
    return {"@context": "https://schema.org", "@graph": [*graph, {"@type": "Blog", "@id": f"{home}#blog", **about}]}


def structured_post(request: Request, post: Post) -> dict[str, Any]:
    """A post for search engines (schema.org)."""
    parts = services(request)
    links, home = parts.links, parts.links.url("web:home")
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
        "datePublished": instant(post.published_at or post.created_at),
        "dateModified": instant(post.updated_at),
        "author": [
            {"@type": "Person", "name": byline.name, "url": links.url("web:author", username=byline.username)}
            for byline in post.bylines
        ],
        "publisher": {"@type": "Organization", "name": parts.site.title, "url": home},
        "isPartOf": {"@type": "Blog", "@id": f"{home}#blog", "name": parts.site.title},
        "keywords": list(post.tags),
        "wordCount": post.words,
        "commentCount": post.comments,
    }
