"""oEmbed 1.0: posts embedded in other sites."""

from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.errors import NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import anonymous_context
from blog.framework.request.parsing import validate
from blog.framework.request.state import app_state
from blog.framework.response.cacheable import cacheable_response
from blog.framework.urls.urls import UrlBuilder
from blog.schemas.oembed import OEmbedQuery
from blog.web.discovery.feed_formats import serialise_xml, strip_invalid_xml
from blog.web.posts.share_image import thumbnail

_CACHE_SECONDS = 3600
_MAX_WIDTH, _MAX_HEIGHT = 600, 240


class OEmbed(Endpoint):
    """/oembed?url=…: the data with which another site embeds a post."""

    async def get(self, request: Request) -> Response:
        """Return JSON or XML. Answers 404 unless the URL is a published post of this blog, and 501 for other formats."""
        ctx, urls = anonymous_context(request), app_state(request).urls
        query = validate(OEmbedQuery, dict(request.query_params), "query")
        if query.format not in ("json", "xml"):
            raise HTTPException(501)
        data = _oembed_data(request, await posts.get_by_slug(ctx, _slug_from_url(query.url, urls)), query)
        media_type, content = ("application/json", to_json(data)) if query.format == "json" else ("text/xml", _to_xml(data))
        return cacheable_response(request, content, media_type, cache_control=f"public, max-age={_CACHE_SECONDS}")


def _slug_from_url(url: str, urls: UrlBuilder) -> str:
    """Return the slug in the URL of a post of this blog. Raises NotFound."""
    home, prefix = urlsplit(urls.public_url), urls.path("web:post", slug="")
    try:
        parts = urlsplit(url)
    except ValueError:  # such as `http://[`
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != home.netloc.lower() or not parts.path.startswith(prefix):
        raise NotFound("`url` is not the URL of a post of this blog")
    return unquote(parts.path.removeprefix(prefix))


def _oembed_data(request: Request, post: Post, query: OEmbedQuery) -> dict[str, str | int]:
    state = app_state(request)
    author = post.authors[0]
    data: dict[str, str | int] = {
        "version": "1.0",
        "type": "rich",
        "title": post.search_title,
        "author_name": ", ".join(author.name for author in post.authors),
        "author_url": state.urls.url("web:author", username=author.username),
        "provider_name": state.site.title,
        "provider_url": state.urls.url("web:home"),
        "cache_age": _CACHE_SECONDS,
        "html": state.templates.render("posts/_embed.html", post=post).strip(),
        "width": min(query.maxwidth or _MAX_WIDTH, _MAX_WIDTH),
        "height": min(query.maxheight or _MAX_HEIGHT, _MAX_HEIGHT),
    }
    image = thumbnail(request, post, query.maxwidth, query.maxheight)
    if image is not None and image.width and image.height:
        data |= {"thumbnail_url": image.url, "thumbnail_width": image.width, "thumbnail_height": image.height}
    return data


def _to_xml(data: dict[str, str | int]) -> bytes:
    root = Element("oembed")
    for name, value in data.items():
        SubElement(root, name).text = strip_invalid_xml(str(value))
    return serialise_xml(root)
